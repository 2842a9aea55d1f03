"""Slices: which part of the membership is shown next, and to whom.

The authority takes the next slice, makes it and sends it, until nobody wants one. It goes through the parts round and
round, so whoever asks while others are shown goes along: a slice is made once for all who want it then. Nobody is owed
more than SLICES_PER_ASK, so a worker that is gone costs no more than these. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from chat.domain.ids import WorkerId
from chat.membership.protocol import PARTS
from chat.membership.roster import Roster
from chat.membership.wire import SLICES_PER_ASK, SyncRequest


@dataclass(slots=True)
class _Asked:
    """What one worker wants, a bit for each part, and how many slices it may still get."""

    doubts: int
    parts: int
    left: int = SLICES_PER_ASK


class Slices:
    """Who wants which parts of the roster."""

    def __init__(self, roster: Roster, sessions: int) -> None:
        """`sessions`: parts are put together into one slice up to so many."""
        self._roster, self._sessions = roster, sessions
        self._asked: dict[WorkerId, _Asked] = {}
        self._at = 0

    def __bool__(self) -> bool:
        return bool(self._asked)

    def ask(self, request: SyncRequest) -> None:
        """This is what the worker wants from now on, whatever it wanted before."""
        wanted = 0
        for run in request.parts:
            wanted |= _bits(run)
        self._asked[request.worker] = _Asked(request.doubts, wanted)
        if not wanted:
            self.forget(request.worker)

    def forget(self, worker: WorkerId) -> None:
        """The worker gets none of what it asked for."""
        self._asked.pop(worker, None)

    def take(self) -> tuple[range, dict[WorkerId, int]]:
        """The parts of the next slice, and who gets it, with the `doubts` of their request. Only while there is one."""
        parts = self._next()
        bits = _bits(parts)
        takers = {worker: asked.doubts for worker, asked in self._asked.items() if asked.parts & bits}
        for worker in takers:
            asked = self._asked[worker]
            asked.parts &= ~bits
            asked.left -= 1
            if not asked.parts or not asked.left:
                self.forget(worker)
        return parts, takers

    def _next(self) -> range:
        """The first parts that anybody wants behind the last slice, as many as make one."""
        wanted = 0
        for asked in self._asked.values():
            wanted |= asked.parts
        ahead = wanted >> self._at << self._at or wanted
        start = _lowest(ahead)
        stop, size = start, 0
        for stop in range(start, start + _lowest(~(wanted >> start))):
            if (users := self._roster.parts.get(stop)) is not None:
                size += sum(len(user.sessions) for user in users)
                if size > self._sessions and stop > start:
                    break
        else:
            stop += 1
        self._at = stop % PARTS
        return range(start, stop)


def _lowest(bits: int) -> int:
    """The place of the lowest bit that is set."""
    return (bits & -bits).bit_length() - 1


def _bits(parts: range) -> int:
    return ((1 << len(parts)) - 1) << parts.start
