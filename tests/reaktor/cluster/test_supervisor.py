"""The supervisor without real processes: what it is asked while it goes down."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from reaktor.cluster.contract import Home
from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.supervisor import Supervisor
from reaktor.cluster.worker_process import WorkerProcess
from reaktor.config.model import Cluster
from tests.support.waiting import until


class NoDispatcher:
    """Nobody connects."""

    def set_slots(self, numbers: object) -> None: ...

    def listen(self) -> None: ...

    def on_refused(self, connections: object) -> None: ...

    async def run(self) -> None:
        await asyncio.Event().wait()


async def test_a_worker_that_is_asked_for_while_the_supervisor_goes_down_is_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`clusterctl scale` was answered with a RuntimeError, and a slot counted a worker that never was."""
    ending, may_end = asyncio.Event(), asyncio.Event()

    async def live(self: WorkerProcess, arguments: Any, environment: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await may_end.wait()

    monkeypatch.setattr(WorkerProcess, "run", live)
    supervisor = Supervisor(Cluster(workers=1), NoDispatcher(), Home(1, 1), environment={})  # type: ignore[arg-type]
    life = asyncio.create_task(supervisor.run())
    await until(lambda: supervisor.slots.workers)
    await asyncio.sleep(0)
    life.cancel()
    async with asyncio.timeout(10):
        await ending.wait()
    with pytest.raises(SupervisorError, match="stopping"):
        supervisor.scale(2)
    assert (len(supervisor.slots.workers), supervisor.slots.by_number[2].incarnation) == (1, 0)
    may_end.set()
    with contextlib.suppress(asyncio.CancelledError):
        await life
