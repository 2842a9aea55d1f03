"""One process that is a whole server, for a machine without a Redis. Run by runcluster.

It has what a worker has (Daphne with its limits, the runtime), and what a supervisor would have for it: the port, the
run directory with its lock, the signals, the control socket. The membership's authority is inside its runtime, and
what processes say to each other stays in its memory.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from reaktor import __version__
from reaktor.cluster import authority_lock, heap
from reaktor.cluster.composition import raise_descriptor_limit
from reaktor.cluster.control import Control
from reaktor.cluster.dispatcher import open_listeners
from reaktor.cluster.failures import ONE_PROCESS, SupervisorError
from reaktor.cluster.greeting import greeting
from reaktor.cluster.rundir import RunDir
from reaktor.cluster.serving import Serving, leave
from reaktor.cluster.signals import Signals
from reaktor.cluster.status import gather_alone
from reaktor.config.model import Config
from reaktor.process.local_bus import LocalBus

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lone:
    """The server to be run: its configuration, what it tells its starter, and what runs beside its runtime.

    `app`: the module with `application` and create_lone_runtime().
    """

    config: Config
    say: Callable[[str], None]
    beside: Sequence[Callable[[], Coroutine[Any, Any, None]]] = ()
    app: str = "reaktor.asgi"

    def run(self) -> NoReturn:
        """Serve until told to end, then end the process. Raises ClusterError when it can't start."""
        cluster = self.config.cluster
        raise_descriptor_limit()
        heap.bound()
        run_dir = RunDir(self.config.run_dir)
        run_dir.claim(cluster.port)
        try:
            authority_lock.hold(self.config.data_dir, cluster.port)
            # Then the port: who is refused it need not wait for the application.
            listeners = open_listeners(cluster.bind, cluster.port, cluster.listen_backlog)
            life = _Life(self, run_dir, listeners)
            heap.settle()
            code = life.run()
        finally:
            run_dir.release()
        leave(code)


class _Life:
    """What there is once the port and the run directory are had."""

    def __init__(self, lone: Lone, run_dir: RunDir, listeners: list[socket.socket]) -> None:
        from reaktor.cluster.daphne import Server  # it installs Twisted's reactor, for which only this process has use

        module = importlib.import_module(lone.app)
        self._lone, self._listeners = lone, listeners
        self._runtime = module.create_lone_runtime()
        place = self._runtime.worker
        self._server = Server.of_process(
            lone.config, module.application, run_dir.worker_socket(place.slot, place.incarnation)
        )
        self._runtime.share_counts(self._server.counts)
        bus = LocalBus(run_dir.bus_socket, self._runtime.bus)
        run_dir.tell(bus=bus.url)
        control = Control(run_dir, None, {"status": self._status}, lone.config.cluster.boot_timeout_s)
        self._serving = Serving(
            self._server,
            self._runtime,
            on_start=lambda: None,
            on_ready=self._on_ready,
            beside=(self._mind_signals, control.run, bus.run, heap.keep_small, *lone.beside),
        )
        self._is_stopping = False

    def run(self) -> int:
        return self._serving.run()

    def _on_ready(self) -> None:
        for listener in self._listeners:
            self._server.accept_from(listener)
        why = "one process, as there is no Redis: everything works; for several workers install redis-server"
        self._lone.say(greeting(self._lone.config, why))

    def _status(self) -> dict[str, Any]:
        found = gather_alone(self._runtime)
        config = self._lone.config
        own = {
            "version": __version__,
            "host": config.host_name,
            "pid": os.getpid(),
            "port": config.cluster.port,
        }
        return {**own, **found, "redis": {"embedded": None}}

    # Signals

    async def _mind_signals(self) -> None:
        with Signals(self):
            await asyncio.Event().wait()

    def post(self, verb: Callable[[], object]) -> None:
        verb()

    def stop(self) -> None:
        if self._is_stopping:
            logger.warning("stopping at once")
            self._server.stop()
            return
        logger.info("stopping: the sessions are told to come back")
        self._is_stopping = True
        self._serving.order_drain(self._lone.config.cluster.drain_s)

    def reload(self) -> object:
        raise SupervisorError(ONE_PROCESS)

    def scale_by(self, difference: int) -> None:
        logger.warning(ONE_PROCESS)
