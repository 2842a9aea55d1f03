"""Workers without a slot: booted, or booting, to take the place of the next one that dies.

Importing Django and the application is nearly all that a start takes; a spare has that behind it. The supervisor takes
one for each start, and lets keep() replace it later, when the clients of the dead worker are back and the CPU is free.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from reaktor.cluster.worker_process import NOT_NEEDED, WorkerProcess, WorkerState

logger = logging.getLogger(__name__)

AFTER_READY_S = 2.0
RETRY_S = 30.0


class Spares:
    """`wanted`: how many to keep. `spawn` starts the process of one more. `workers`: all that still live."""

    def __init__(self, wanted: int, spawn: Callable[[], WorkerProcess]) -> None:
        self._wanted = wanted
        self._spawn = spawn
        self._next_at = 0.0
        self._last_end = ""
        self.workers: list[WorkerProcess] = []

    @property
    def _usable(self) -> list[WorkerProcess]:
        return [worker for worker in self.workers if worker.state in (WorkerState.STARTING, WorkerState.SPARE)]

    def missing(self, *, is_allowed: bool) -> str:
        """Why there are fewer than wanted; empty when there are not. `is_allowed`: one may be started now."""
        if len(self._usable) >= self._wanted:
            return ""
        if self._last_end:
            wait_s = max(self._next_at - time.monotonic(), 0)
            return f"the last one {self._last_end}; the next is started in {wait_s:.0f} s"
        if not is_allowed:
            return "one is started when every slot serves and no reload is running"
        return "one is started in a moment"

    def take(self) -> WorkerProcess | None:
        """One for a slot, the one that is furthest; None when there is none."""
        if not (usable := self._usable):
            return None
        chosen = min(usable, key=lambda worker: (worker.state is not WorkerState.SPARE, worker.started_at))
        self.workers.remove(chosen)
        return chosen

    def keep(self) -> None:
        """Start one if one is missing; called now and then while every slot serves."""
        if len(self._usable) < self._wanted and time.monotonic() >= self._next_at:
            self._last_end = ""
            self.workers.append(self._spawn())

    def leave_room(self) -> None:
        """A worker has become ready: its clients come now, and go first."""
        self._next_at = max(self._next_at, time.monotonic() + AFTER_READY_S)

    def on_gone(self, worker: WorkerProcess) -> None:
        """One of them ended before it was needed."""
        self.workers.remove(worker)
        if worker.reason != NOT_NEEDED:
            logger.warning("the spare worker (%s) is gone: it %s", worker.pid, worker.epitaph())
            self._next_at = time.monotonic() + RETRY_S
            self._last_end = worker.epitaph()

    def dismiss(self) -> None:
        """End them all: what they have imported is old now."""
        for worker in self._usable:
            worker.end(NOT_NEEDED)
