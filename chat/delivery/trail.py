"""Trail: when what came up a channel's feed was sent on, so that one can say how far it had come some seconds ago.

Where a connection ended in such a way that the last of what was sent on it may not have arrived, its client is caught
up from where the feed stood before that. Pure: times are monotonic seconds of the caller's clock.
"""

from __future__ import annotations

from collections import deque

STRETCH_S = 0.5
"""Deliveries within so long are one stretch: so much more than needed may be sent again."""
REMEMBERED_S = 60.0
"""Longer than any client's heartbeats take."""


class _Stretch:
    """What was delivered between two times. `before`: the head before it."""

    __slots__ = ("before", "began", "ended")

    def __init__(self, before: int, now: float) -> None:
        self.before = before
        self.began = self.ended = now


class Trail:
    """note() what is delivered; before() asks."""

    __slots__ = ("_stretches",)

    def __init__(self) -> None:
        self._stretches: deque[_Stretch] = deque()

    def note(self, before: int, now: float) -> None:
        """Something is delivered now, the first of it after the seq `before`."""
        last = self._stretches[-1] if self._stretches else None
        if last is not None and now - last.began < STRETCH_S:
            last.ended = now
            return
        self._stretches.append(_Stretch(before, now))
        while now - self._stretches[0].ended > REMEMBERED_S:
            self._stretches.popleft()

    def before(self, since: float) -> int | None:
        """A seq that whatever was delivered since then is above; None: nothing was."""
        for stretch in self._stretches:
            if stretch.ended >= since:
                return stretch.before
        return None
