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
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from reaktor.cluster import heap, leash
from reaktor.cluster.contract import Place, WorkerRuntime
from reaktor.cluster.handoff import WorkerEnd, wait_for_place
from reaktor.cluster.relayed import Relayed
from reaktor.cluster.rundir import RunDir
from reaktor.cluster.serving import Serving, leave
from reaktor.config.model import Config
from reaktor.observe.metrics import added
from reaktor.process import relay_tls

if TYPE_CHECKING:
    from reaktor.cluster.daphne import Server

logger = logging.getLogger(__name__)

# Without a supervisor nobody else would end this process: sessions get this long, then the watchdog's patience ends.
ORPHAN_DRAIN_S = 2.0
ORPHAN_LIMIT_S = 4.0
ORPHAN_LOOK_S = 1.0
TERM_DRAIN_S = 3.0


class Worker:
    """What serves, and the link to the supervisor, for one life."""

    def __init__(
        self,
        server: Server,
        runtime: WorkerRuntime,
        relayed: Relayed,
        config: Config,
        handoff: socket.socket,
        stderr: int,
    ) -> None:
        self._server, self._runtime, self._relayed = server, runtime, relayed
        self._beat_interval_s = config.cluster.beat_interval_s
        self._handoff, self._stderr = handoff, stderr
        self._serving = Serving(
            server,
            runtime,
            on_start=self._on_start,
            on_ready=self._on_ready,
            beside=(self._beat, heap.keep_small, relayed.run),
        )

    def run(self) -> int:
        """Serve until told to end; the exit code."""
        return self._serving.run()

    def _on_start(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._serving.order_drain, TERM_DRAIN_S)
        self._link = WorkerEnd(
            self._handoff,
            on_socket=self._server.adopt,
            on_drain=self._serving.order_drain,
            on_closed=self._on_supervisor_gone,
            on_hosts=self._runtime.tell_hosts,
            on_relayed=self._relayed.take,
        )

    def _on_ready(self) -> None:
        # From here on this process writes to the supervisor's own stderr: its pipe was for the boot.
        with suppress(OSError):
            os.dup2(self._stderr, 2)
            os.close(self._stderr)
        self._link.ready()
        self._say_beat()

    async def _beat(self) -> None:
        while True:
            self._say_beat()
            await asyncio.sleep(self._beat_interval_s)

    def _say_beat(self) -> None:
        try:
            status = self._runtime.status() if self._serving.state != "starting" else {}
            if metrics := status.get("metrics"):
                status["metrics"] = added([metrics, self._relayed.metrics()])
        except Exception:
            logger.exception("worker: the runtime can't tell its status")
            status = {}
        self._link.beat(status)

    def _on_supervisor_gone(self) -> None:
        logger.warning("worker: the supervisor is gone")
        self._serving.order_drain(ORPHAN_DRAIN_S)


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


def create_worker(module: Any, place: Place, path: Path, handoff: socket.socket, stderr: int) -> Worker:
    """The worker for its place, with the private socket at `path`."""
    from reaktor.cluster.daphne import Server

    from django.conf import settings  # isort: skip

    config: Config = settings.REAKTOR
    runtime: WorkerRuntime = module.create_runtime(place)
    path.unlink(missing_ok=True)
    server = Server.of_process(config, module.application, path)
    runtime.share_counts(server.counts)
    engineio = config.engineio
    patience_s = engineio.ping_interval_s + engineio.ping_timeout_s
    files = config.cluster.relay_tls
    tls = None if files is None else relay_tls.for_callers(files)
    relayed = Relayed(path, patience_s=patience_s, max_open=engineio.max_sessions, tls=tls)
    return Worker(server, runtime, relayed, config, handoff, stderr)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """One life of a worker, to the end of the process."""
    options = parse(arguments)
    heap.bound()
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
        heap.settle()
        if place := wait_for_place(handoff):
            # Log lines say it from here on.
            os.environ["REAKTOR_WORKER"] = place.local_name
            path = RunDir(options.run_dir).worker_socket(place.slot, place.incarnation)
            try:
                code = create_worker(module, place, path, handoff, options.stderr).run()
            finally:
                path.unlink(missing_ok=True)
    except BaseException:
        logging.getLogger(__name__).debug("boot", exc_info=True)
        sys.excepthook(*sys.exc_info())
        code = 1
    leave(code)


if __name__ == "__main__":
    main()
