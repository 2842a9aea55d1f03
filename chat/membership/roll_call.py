"""RollCall: the first seconds of an authority, in which the workers say Hello, and what it shows is corrected by that.

Until they are over nobody counts as lost. An authority that is not sure of its picture shows it to nobody before: what
is missing in it would be seen as leaving. Held by the authority. Pure; `now` is seconds of one clock that never goes
back.
"""

from __future__ import annotations


class RollCall:
    """One authority's. `is_sure`: it begins where the one before it ended."""

    def __init__(self, lasts_s: float, *, is_sure: bool) -> None:
        self._lasts_s = lasts_s
        self._is_sure = is_sure
        self._has_heard_sessions = False
        self._began: float | None = None
        self.is_over = False

    @property
    def may_show(self) -> bool:
        """Whether the picture may be shown. Where no session was heard of, nobody has been shown one."""
        return self.is_over or self._is_sure or not self._has_heard_sessions

    def note_hello(self, sessions: int) -> None:
        self._has_heard_sessions = self._has_heard_sessions or sessions > 0

    def ends(self, now: float, hearing_since: float | None) -> bool:
        """Whether the time is over just now. It counts while anything is heard at all; None: nothing is."""
        if self._began is None:
            self._began = now
        if self.is_over or hearing_since is None:
            return False
        self.is_over = now - max(self._began, hearing_since) >= self._lasts_s
        return self.is_over
