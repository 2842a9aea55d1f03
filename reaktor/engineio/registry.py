"""The live Engine.IO sessions of this worker by sid, and the one task that wakes them at their deadlines."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Iterator
from math import inf

from reaktor.engineio.engine_session import EngineSession

# After so many deadlines in a row the loop gets its turn: ten thousand sessions may have begun in the same second.
SWEEP_BATCH = 200
# A deadline that comes up later than this was not missed by the client: this process stood still (stopped, swapped),
# and what clients sent meanwhile is still unread. They get as long again for it to be read.
PAUSE_S = 1.0


class Registry:
    """Bounded by `max_sessions`; add() only while `is_full` is false."""

    def __init__(self, max_sessions: int, clock: Callable[[], float]) -> None:
        self._max_sessions = max_sessions
        self._clock = clock
        self._sessions: dict[str, EngineSession] = {}
        self._deadlines: list[tuple[float, str]] = []
        self._sooner = asyncio.Event()

    def __len__(self) -> int:
        return len(self._sessions)

    def __iter__(self) -> Iterator[EngineSession]:
        return iter(list(self._sessions.values()))

    @property
    def is_full(self) -> bool:
        return len(self._sessions) >= self._max_sessions

    def get(self, sid: str) -> EngineSession | None:
        """The session with this sid, closed but unfetched ones included."""
        return self._sessions.get(sid)

    def add(self, session: EngineSession) -> None:
        """Know a session from now on, until it is finished."""
        self._sessions[session.sid] = session
        self.schedule(session)

    def remove(self, session: EngineSession) -> None:
        """Forget it; may be repeated."""
        self._sessions.pop(session.sid, None)

    def schedule(self, session: EngineSession) -> None:
        """Its deadline may have moved. A later one costs nothing now: the old entry finds out when it comes up."""
        at = session.machine.deadline
        if session.is_postponed:
            return
        if at < session.scheduled_at and session.sid in self._sessions:
            session.scheduled_at = at
            heapq.heappush(self._deadlines, (at, session.sid))
            if self._deadlines[0][0] == at:
                self._sooner.set()

    async def run(self) -> None:
        """Wake sessions when they are due, until cancelled."""
        while True:
            self._sooner.clear()
            wait_s = self._sweep()
            if wait_s is None:
                await asyncio.sleep(0)
                continue
            try:
                async with asyncio.timeout(wait_s if wait_s < inf else None):
                    await self._sooner.wait()
            except TimeoutError:
                pass

    def _sweep(self) -> float | None:
        """Serve what is due. Returns the seconds until the next deadline, None when there is more to do at once."""
        for _ in range(SWEEP_BATCH):
            now = self._clock()
            if not self._deadlines or self._deadlines[0][0] > now:
                return self._deadlines[0][0] - now if self._deadlines else inf
            at, sid = heapq.heappop(self._deadlines)
            session = self._sessions.get(sid)
            # An entry that a sooner one has replaced says nothing any more.
            if session is None or session.scheduled_at != at:
                continue
            session.is_postponed = now - at > PAUSE_S and not session.is_postponed
            session.scheduled_at = now + PAUSE_S if session.is_postponed else inf
            if session.is_postponed:
                heapq.heappush(self._deadlines, (session.scheduled_at, sid))
            else:
                session.on_deadline()
        return None
