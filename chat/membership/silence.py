"""Silence: which hosts have not been heard of for so long that they count as lost.

Held by the authority. Not hearing somebody says nothing as long as nothing is heard at all: so the time counts only
while the authority's own host is heard, which says its beats over the same bus. A pause of this process or an outage of
the bus starts every count anew. Pure; `now` is seconds of one clock that never goes back.
"""

from __future__ import annotations

LOST_S = 5.0
GAP_S = 1.5
"""Own beats come at least each half second. After a longer gap it was we who heard nothing."""


class Silence:
    """The hosts that were heard, and when."""

    def __init__(self, own: int, *, lost_s: float = LOST_S, gap_s: float = GAP_S) -> None:
        """`own`: the number of our host; 0: it says no beats (a process that is all there is), and nobody is lost."""
        self._own = own
        self._lost_s, self._gap_s = lost_s, gap_s
        self._heard: dict[int, float] = {}
        self._hearing_since = self._own_at = float("-inf")

    @property
    def hosts(self) -> int:
        """How many hosts are not lost."""
        return len(self._heard)

    def note(self, host: int, now: float) -> None:
        """Something was heard of that host: of its supervisor, or of one of its workers."""
        self._heard[host] = now

    def note_own_beat(self, now: float) -> None:
        """A beat of our own host came back over the bus."""
        if now - self._own_at > self._gap_s:
            self._hearing_since = now
        self._own_at = now

    def hearing_since(self, now: float) -> float | None:
        """Since when our own beats come back without a gap; None: they don't. Where there are none: all the time."""
        if self._own == 0:
            return float("-inf")
        return None if now - self._own_at > self._gap_s else self._hearing_since

    def forget(self, host: int) -> None:
        """It has ended in order."""
        self._heard.pop(host, None)

    def lost(self, now: float) -> list[int]:
        """The hosts that count as lost from now on; each is named once, until it is heard again."""
        if now - self._own_at > self._gap_s:
            return []
        found = [
            host
            for host, at in self._heard.items()
            if host != self._own and now - max(at, self._hearing_since) >= self._lost_s
        ]
        for host in found:
            del self._heard[host]
        return found
