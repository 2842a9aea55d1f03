"""A worker's process as its supervisor sees it, with real processes that are no workers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator

import psutil
import pytest

from reaktor.cluster import worker_process
from reaktor.cluster.contract import Home
from reaktor.cluster.worker_process import Listener, WorkerProcess, WorkerState
from tests.support.waiting import until


@pytest.fixture
def gone() -> list[WorkerProcess]:
    return []


@pytest.fixture
def worker(gone: list[WorkerProcess]) -> Iterator[WorkerProcess]:
    made = WorkerProcess(Listener(on_ready=print, on_gone=gone.append, on_room=print, on_refused=print))
    made.assign(Home(1, 1), 1, 1)
    yield made
    made.kill()


def python(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """What is started instead of a worker."""
    monkeypatch.setattr(worker_process, "COMMAND", (sys.executable, "-I", "-S", "-c", code))


async def test_what_can_not_be_started_is_gone_with_the_reason(
    worker: WorkerProcess, gone: list[WorkerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_process, "COMMAND", ("/nowhere/python",))
    before = psutil.Process().num_fds()
    await worker.run((), {})
    assert gone == [worker]
    assert worker.epitaph().startswith("can't be started: ")
    assert (worker.state, worker.pid) == (WorkerState.GONE, None)
    assert psutil.Process().num_fds() == before


async def test_its_last_words_say_why_a_start_failed(
    worker: WorkerProcess, gone: list[WorkerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    python(monkeypatch, "import sys; print('x' * 100_000, file=sys.stderr); sys.exit('no settings')")
    await worker.run((), {})
    assert gone == [worker]
    assert worker.epitaph() == "exited with code 1: no settings"
    assert "(a line too long to show)" in worker.stderr_tail


async def test_a_grandchild_that_holds_on_to_stderr_does_not_hide_the_end(
    worker: WorkerProcess, gone: list[WorkerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With asyncio's own pipe, wait() did not return before the grandchild had ended too."""
    python(
        monkeypatch,
        "import os, subprocess, sys; code = 'import time; time.sleep(30)'; "
        "child = subprocess.Popen([sys.executable, '-I', '-S', '-c', code]); "
        "print(child.pid, file=sys.stderr, flush=True); os._exit(4)",
    )
    async with asyncio.timeout(20):
        await worker.run((), {})
    psutil.Process(int(worker.stderr_tail[0])).kill()
    assert gone == [worker]
    assert worker.exit_code == 4


async def test_a_supervisor_that_ends_takes_the_process_along(
    worker: WorkerProcess, gone: list[WorkerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    python(monkeypatch, "import time; time.sleep(600)")
    running = asyncio.create_task(worker.run((), {}))
    await until(lambda: worker.pid is not None and worker.link is not None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert gone == []
    assert worker.pid is not None
    await until(lambda: not is_running(worker.pid))


def is_running(pid: int | None) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_ending_it_twice_keeps_the_first_reason_and_killing_a_dead_one_is_harmless(
    worker: WorkerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    python(monkeypatch, "import time; time.sleep(600)")
    running = asyncio.create_task(worker.run((), dict(os.environ)))
    await until(lambda: worker.pid is not None)
    worker.end("did not become ready")
    worker.end("something else")
    await asyncio.wait_for(running, 20)
    worker.kill()
    assert worker.epitaph() == "did not become ready"
