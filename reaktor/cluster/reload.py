"""The rolling replacement of workers: one slot after the other, the new worker ready before the old one drains.

begin() is an order; the supervisor then tells of each slot that its new worker took over, or could not boot. Verbs of
the supervisor's inbox: nothing here awaits.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable

from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.slots import Slot, Slots
from reaktor.cluster.worker_process import WorkerProcess

logger = logging.getLogger(__name__)


class Reload:
    """At most one at a time. `start` starts a new worker for a slot, beside the one that serves it.

    `on_done` is called when all slots are through; not when one of them could not be replaced.
    """

    def __init__(self, slots: Slots, start: Callable[[Slot], WorkerProcess], on_done: Callable[[], None]) -> None:
        self._slots = slots
        self._start = start
        self._on_done = on_done
        self._pending: deque[int] = deque()
        self._at: int | None = None
        self._done: list[int] = []
        self._result: asyncio.Future[list[int]] | None = None

    @property
    def is_running(self) -> bool:
        return self._result is not None

    def begin(self, numbers: list[int]) -> asyncio.Future[list[int]]:
        """Replace the workers of these slots. The future gives the slots done, or SupervisorError."""
        logger.info("reloading slots %s", ", ".join(map(str, numbers)))
        self._pending, self._at, self._done = deque(numbers), None, []
        self._result = result = asyncio.get_running_loop().create_future()
        result.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody has to wait for it
        self._next()
        return result

    def _next(self) -> None:
        while self._pending:
            slot = self._slots.by_number.get(self._pending.popleft())
            if slot is None or slot.is_retiring:
                continue
            if slot.restart_at is not None or slot.current is None:
                slot.restart_at = time.monotonic()  # nobody to replace: start the new one now, the tick does
                self._done.append(slot.number)
                continue
            self._at = slot.number
            slot.incoming = self._start(slot)
            return
        self._on_done()
        self._finish(None)

    def took_over(self, slot: Slot) -> None:
        """The new worker of a slot is ready."""
        if self.is_running and self._at == slot.number:
            self._done.append(slot.number)
            self._next()

    def failed(self, slot: Slot, worker: WorkerProcess) -> None:
        """The new worker of a slot is gone before it was ready: the rest stays as it is."""
        if self.is_running and self._at == slot.number:
            reason = f"Reload stopped: worker {worker.name} {worker.epitaph()}. The old workers go on."
            logger.error("%s", reason)
            self.stop(reason)

    def stop(self, reason: str) -> None:
        """End it where it is, if it runs."""
        self._finish(SupervisorError(reason))

    def _finish(self, error: SupervisorError | None) -> None:
        result, self._result = self._result, None
        if result is None or result.done():
            return
        if error is None:
            result.set_result(self._done)
        else:
            result.set_exception(error)
