"""`python -m reaktor.cluster.worker`: one worker process, started by the supervisor and by nobody else.

Boots Django and the application, waits until the supervisor names its slot, runs Daphne on connections that the
supervisor passes, and the runtime beside it. READY when the runtime is; BEAT from this loop each second; ends after
DRAIN, SIGTERM, or when the supervisor is gone.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reaktor.cluster import leash
from reaktor.cluster.contract import WorkerRuntime
from reaktor.cluster.handoff import WorkerEnd, wait_for_slot
from reaktor.cluster.rundir import RunDir
from reaktor.config.model import Config

if TYPE_CHECKING:
    from reaktor.cluster.daphne import Server

logger = logging.getLogger(__name__)

# Without a supervisor nobody else would end this process: sessions get this long, then the watchdog's patience ends.
ORPHAN_DRAIN_S = 2.0
ORPHAN_LIMIT_S = 4.0
ORPHAN_LOOK_S = 1.0
TERM_DRAIN_S = 3.0
LAST_ANSWERS_S = 2.0
CLOSING_S = 1.0
CANCEL_S = 1.0


class Worker:
    """Daphne, the runtime and the link to the supervisor, for one life."""

    def __init__(self, server: Server, runtime: WorkerRuntime, config: Config, handoff: socket.socket, stderr: int):
        self._server, self._runtime = server, runtime
        self._beat_interval_s = config.cluster.beat_interval_s
        self._handoff, self._stderr = handoff, stderr
        self._drain_s: asyncio.Future[float] | None = None
        self._state = "starting"
        self.exit_code = 0
        server.ready_callable = self._on_server_ready

    def run(self) -> int:
        """Serve until told to end; the exit code."""
        self._server.run()
        return self.exit_code

    def _on_server_ready(self) -> None:
        loop = asyncio.get_event_loop()
        # Twisted starts the loop after this call, so the task runs as soon as it does.
        self._life = loop.create_task(self._live(), name="worker")
        loop.add_signal_handler(signal.SIGTERM, self._order_drain, TERM_DRAIN_S)

    async def _live(self) -> None:
        """Boot, serve, drain; then stop the server, whatever happened."""
        self._drain_s = asyncio.get_running_loop().create_future()
        self._link = WorkerEnd(
            self._handoff,
            on_socket=self._server.adopt,
            on_drain=self._order_drain,
            on_closed=self._on_supervisor_gone,
        )
        runtime = asyncio.create_task(self._runtime.run(), name="runtime")
        beats = asyncio.create_task(self._beat(), name="beats")
        try:
            if await self._wait_ready(runtime):
                self._on_ready()
                await _first(runtime, self._drain_s)
            if self._drain_s.done() and not runtime.done():
                await self._drain(self._drain_s.result())
            elif runtime.done():
                self._on_runtime_ended(runtime)
        except Exception:
            logger.exception("worker: failed")
            self.exit_code = 1
        finally:
            for task in (runtime, beats):
                task.cancel()
            await asyncio.wait({runtime, beats}, timeout=CANCEL_S)
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

    def _on_ready(self) -> None:
        self._state = "ready"
        # From here on this process writes to the supervisor's own stderr: its pipe was for the boot.
        with suppress(OSError):
            os.dup2(self._stderr, 2)
            os.close(self._stderr)
        self._link.ready()
        self._say_beat()

    def _on_runtime_ended(self, runtime: asyncio.Task[None]) -> None:
        self.exit_code = 1
        error = None if runtime.cancelled() else runtime.exception()
        logger.error("worker: the runtime ended: %r", error, exc_info=error)

    async def _beat(self) -> None:
        while True:
            self._say_beat()
            await asyncio.sleep(self._beat_interval_s)

    def _say_beat(self) -> None:
        try:
            status = self._runtime.status() if self._state != "starting" else {}
        except Exception:
            logger.exception("worker: the runtime can't tell its status")
            status = {}
        self._link.beat(status)

    # The end

    def _order_drain(self, seconds: float) -> None:
        if self._drain_s is not None and not self._drain_s.done():
            self._drain_s.set_result(seconds)

    def _on_supervisor_gone(self) -> None:
        logger.warning("worker: the supervisor is gone")
        self._order_drain(ORPHAN_DRAIN_S)

    async def _drain(self, seconds: float) -> None:
        """Sessions first, then the answers that are still being made, then the connections that wait for nothing."""
        if self._state == "starting":
            return
        self._state = "draining"
        self._server.begin_drain()
        try:
            async with asyncio.timeout(seconds + 1):
                await self._runtime.drain(seconds)
        except TimeoutError:
            logger.warning("worker: not every session was told in time")
        await _until(lambda: not self._server.is_busy, LAST_ANSWERS_S)
        self._server.close_idle()
        await _until(lambda: not self._server.open_connections, CLOSING_S)


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for a condition that Twisted has no event for, but not for ever."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def _first(*futures: asyncio.Future[Any]) -> None:
    await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)


def die_with_supervisor(handoff: socket.socket) -> None:
    """Make sure that no orphan is left, however this process hangs when its supervisor dies.

    A hung loop is ended by a thread, which sees the end of the link or, where the kernel gives no death signal, looks
    for its parent. A stopped process is continued by the death signal; without one it ends when somebody continues it.
    (The death signal can't be SIGKILL: the sessions are to be told.)
    """
    supervisor = os.getppid()
    has_signal = leash.ask_death_signal(signal.SIGCONT)
    watched = os.dup(handoff.fileno())

    def watch() -> None:
        if has_signal:
            wait_for_hangup(watched)
        else:
            wait_for_new_parent(supervisor)
        time.sleep(ORPHAN_LIMIT_S)
        os._exit(1)

    threading.Thread(target=watch, name="orphan watch", daemon=True).start()


def wait_for_hangup(descriptor: int) -> None:
    """Return when the other end is closed. Only Linux tells it to who asks for no events at all."""
    poll = select.poll()
    poll.register(descriptor, 0)
    poll.poll()


def wait_for_new_parent(parent: int) -> None:
    """Return when this process has another parent than that one: then that one is dead."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_LOOK_S)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The supervisor's arguments."""
    parser = argparse.ArgumentParser(prog="reaktor.cluster.worker", description="Started by runcluster.")
    for name in ("--handoff", "--stderr"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--app", default="reaktor.asgi")
    parser.add_argument("--run-dir", type=Path, required=True)
    return parser.parse_args(arguments)


def boot(app: str) -> Any:
    """Django and the module of the application. Raises whatever is wrong with them."""
    import reaktor.cluster.daphne  # noqa: F401  first: it installs the reactor that every other import would choose

    import django  # isort: skip

    django.setup()
    return importlib.import_module(app)


def create_worker(module: Any, place: tuple[int, int], path: Path, handoff: socket.socket, stderr: int) -> Worker:
    """The worker for its (slot, incarnation), with the private socket at `path`."""
    from reaktor.cluster.daphne import Server

    from django.conf import settings  # isort: skip

    config: Config = settings.REAKTOR
    runtime: WorkerRuntime = module.create_runtime(*place)
    path.unlink(missing_ok=True)
    server = Server.from_config(
        config,
        module.application,
        endpoints=[f"unix:{path}:mode=600:backlog=128:lockfile=0"],
        signal_handlers=False,
    )
    runtime.share_counts(server.counts)
    return Worker(server, runtime, config, handoff, stderr)


def main(arguments: Sequence[str] | None = None) -> None:
    """Never returns: worker threads that wait for a database must not hold up the end of the process."""
    options = parse(arguments)
    handoff = socket.socket(fileno=options.handoff)
    handoff.setblocking(False)
    os.set_inheritable(options.handoff, False)
    os.set_inheritable(options.stderr, False)
    die_with_supervisor(handoff)
    for ignored in (signal.SIGINT, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    code = 0
    try:
        module = boot(options.app)
        if place := wait_for_slot(handoff):
            # Log lines say it from here on.
            os.environ["REAKTOR_WORKER"] = "{}.{}".format(*place)
            path = RunDir(options.run_dir).worker_socket(*place)
            try:
                code = create_worker(module, place, path, handoff, options.stderr).run()
            finally:
                path.unlink(missing_ok=True)
    except BaseException:
        logging.getLogger(__name__).debug("boot", exc_info=True)
        sys.excepthook(*sys.exc_info())
        code = 1
    logging.shutdown()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
