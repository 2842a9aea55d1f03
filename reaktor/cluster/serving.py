"""Daphne and the application's runtime beside it, for the one life of a process: boot, serve, drain, end.

Used by a worker of a cluster (reaktor.cluster.worker) and by the process that is a whole server (reaktor.cluster.lone).
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from reaktor.cluster.contract import WorkerRuntime

if TYPE_CHECKING:
    from reaktor.cluster.daphne import Server

logger = logging.getLogger(__name__)

LAST_ANSWERS_S = 2.0
CLOSING_S = 1.0
CANCEL_S = 1.0


class Serving:
    """run() blocks from the start of the loop to its end.

    `on_start` is called in the loop before anything else is; `on_ready` once the runtime is ready: let connections in.
    `beside`: what runs as long as the runtime does. `state`: starting, ready, draining.
    """

    def __init__(
        self,
        server: Server,
        runtime: WorkerRuntime,
        *,
        on_start: Callable[[], None],
        on_ready: Callable[[], None],
        beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = (),
    ) -> None:
        self._server, self._runtime = server, runtime
        self._on_start, self._on_ready, self._beside = on_start, on_ready, beside
        self._drain_s: asyncio.Future[float] | None = None
        self.state = "starting"
        self.exit_code = 0
        server.ready_callable = self._on_server_ready

    def run(self) -> int:
        """Serve until told to end; the exit code."""
        self._server.run()
        return self.exit_code

    def order_drain(self, seconds: float) -> None:
        """Send the sessions away within so many seconds, then end. Only the first order counts."""
        if self._drain_s is not None and not self._drain_s.done():
            self._drain_s.set_result(seconds)

    def _on_server_ready(self) -> None:
        # Twisted starts the loop after this call, so the task runs as soon as it does.
        self._life = asyncio.get_event_loop().create_task(self._live(), name="serving")

    async def _live(self) -> None:
        """Boot, serve, drain; then stop the server, whatever happened."""
        self._drain_s = asyncio.get_running_loop().create_future()
        tasks: list[asyncio.Task[None]] = []
        try:
            self._on_start()
            runtime = asyncio.create_task(self._runtime.run(), name="runtime")
            tasks += [runtime, *map(_start, self._beside)]
            if await self._wait_ready(runtime):
                self.state = "ready"
                self._on_ready()
                await _first(runtime, self._drain_s)
            if self._drain_s.done() and not runtime.done():
                await self._drain(self._drain_s.result())
            elif runtime.done():
                self._on_runtime_ended(runtime)
        except Exception:
            logger.exception("serving failed")
            self.exit_code = 1
        finally:
            await _end(tasks)
            self._server.stop()

    async def _wait_ready(self, runtime: asyncio.Task[None]) -> bool:
        assert self._drain_s is not None  # noqa: S101  _live() has made it
        ready = asyncio.create_task(self._runtime.wait_ready(), name="wait for the runtime")
        try:
            await _first(ready, runtime, self._drain_s)
            if ready.done() and not runtime.done():
                ready.result()
                return True
            return False
        finally:
            ready.cancel()

    def _on_runtime_ended(self, runtime: asyncio.Task[None]) -> None:
        self.exit_code = 1
        error = None if runtime.cancelled() else runtime.exception()
        logger.error("the runtime ended: %r", error, exc_info=error)

    async def _drain(self, seconds: float) -> None:
        """Sessions first, then the answers that are still being made, then the connections that wait for nothing."""
        if self.state == "starting":
            return
        self.state = "draining"
        self._server.begin_drain()
        try:
            async with asyncio.timeout(seconds + 1):
                await self._runtime.drain(seconds)
        except TimeoutError:
            logger.warning("not every session was told in time")
        await _until(lambda: not self._server.is_busy, LAST_ANSWERS_S)
        self._server.close_idle()
        await _until(lambda: not self._server.open_connections, CLOSING_S)


def leave(code: int) -> NoReturn:
    """End the process: threads that wait for a database must not hold up its end."""
    logging.shutdown()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _start(coroutine: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
    task = asyncio.create_task(coroutine(), name=coroutine.__qualname__)
    task.add_done_callback(_report)
    return task


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("%s failed: %r", task.get_name(), error, exc_info=error)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CANCEL_S)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition that Twisted has no event for, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
