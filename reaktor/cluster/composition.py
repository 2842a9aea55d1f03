"""Puts a whole cluster together and lives as long as it does: run directory, Redis, companion, supervisor, control.

Called by runcluster, which brings the companion: whatever lives in the supervisor's process beside the machinery (the
membership's authority). Serves the flow supervisor start.
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from reaktor import __version__
from reaktor.addresses import read_endpoint
from reaktor.cluster import authority_lock, heap
from reaktor.cluster.contract import Home, Neighbour
from reaktor.cluster.control import Control
from reaktor.cluster.dispatcher import Dispatcher
from reaktor.cluster.failures import ClusterError, ListenError, SupervisorError
from reaktor.cluster.greeting import greeting
from reaktor.cluster.host_orders import Obey
from reaktor.cluster.redis import REACH_S, EmbeddedRedis, wait_for_redis
from reaktor.cluster.relay_door import RelayDoor
from reaktor.cluster.rundir import RunDir
from reaktor.cluster.signals import Signals
from reaktor.cluster.status import gather
from reaktor.cluster.supervisor import Supervisor
from reaktor.config.model import KIB, Config
from reaktor.config.redis_at import RedisAt
from reaktor.config.urls import unix_url
from reaktor.observe.metrics import added
from reaktor.process import relay_tls
from reaktor.process.relay_pass import Doorkeeper
from reaktor.web.edge import edge_of
from reaktor.wording import counted

logger = logging.getLogger(__name__)

COMPANION_END_S = 2.0
MAX_DESCRIPTORS = 1_048_576
MAX_HEAD_BYTES = 64 * KIB
"""Of a relayed request."""


class Companion(Protocol):
    """What lives in the supervisor's process beside the machinery."""

    async def claim(self) -> Home:
        """Before anything starts: this host among those of its cluster. Raises ClusterError where it may not be one."""

    async def run(self, obey: Obey) -> None:
        """Live until cancelled. Ending earlier, in whatever way, stops the cluster.

        `obey` carries out what other hosts order.
        """

    async def stopping(self) -> None:
        """The workers are about to say goodbye to their sessions. What it does is waited for, for a moment."""

    async def hand_over(self) -> dict[str, Any]:
        """Have another server decide; who does then. Raises ClusterError."""

    async def ask_host(self, home: Home, order: Mapping[str, Any]) -> Any:
        """Have another host of the cluster carry an order out; its result. Raises ClusterError."""

    def worker_exited(self, slot: int, incarnation: int) -> None:
        """The process of that worker is gone; called in the loop."""

    def hosts(self) -> list[dict[str, Any]]:
        """All hosts of the cluster, as reaktor.cluster.status shows them."""

    def neighbours(self) -> Sequence[Neighbour]:
        """The other hosts that live and take what is relayed to them."""

    def status(self) -> dict[str, Any]:
        """What clusterctl shows of it: epoch, revision, digest, sessions …; and its `metrics` (observe.metrics)."""


@dataclass(frozen=True)
class Cluster:
    """One cluster to be run: its configuration, the module that its workers serve, and what it tells its starter.

    `relay_key`: what other hosts sign with that relay requests to this one; empty: none can.
    """

    config: Config
    create_companion: Callable[[RedisAt], Companion]
    say: Callable[[str], None]
    app: str = "reaktor.asgi"
    relay_key: bytes = b""

    async def run(self) -> None:
        """Start, serve, stop. Returns after an orderly stop; raises ClusterError with a sentence otherwise."""
        raise_descriptor_limit()
        heap.bound()
        heap.settle()
        run_dir = RunDir(self.config.run_dir)
        run_dir.claim(self.config.cluster.port)
        at = self.config.redis or RedisAt(unix_url(run_dir.redis_socket))
        redis = None if self.config.redis else EmbeddedRedis(run_dir.redis_socket)
        try:
            authority_lock.hold(self.config.data_dir, self.config.cluster.port)
            if redis is None:
                await wait_for_redis(at, REACH_S)
            else:
                await redis.start()
                run_dir.tell(bus=at.url)
            await self._run_with(run_dir, redis, at)
        finally:
            if redis is not None:
                await redis.stop()
            authority_lock.let_go(self.config.data_dir)
            run_dir.release()

    async def _run_with(self, run_dir: RunDir, redis: EmbeddedRedis | None, at: RedisAt) -> None:
        cluster = self.config.cluster
        self._check_relay_tls()
        companion = self.create_companion(at)
        door = self._open_door()
        home = await companion.claim()
        dispatcher = Dispatcher(cluster, edge_of(self.config))
        supervisor = Supervisor(
            cluster,
            dispatcher,
            home,
            environment=worker_environment(self.config, at, os.environ),
            arguments=("--app", self.app, "--run-dir", str(run_dir.path)),
            on_worker_exited=companion.worker_exited,
            on_serving=lambda: self.say(self._greeting(redis)),
            before_drain=companion.stopping,
            neighbours=companion.neighbours,
        )

        def status() -> dict[str, Any]:
            found = gather(supervisor, companion.status(), dispatcher.status(), companion.hosts())
            embedded = None if redis is None else {"pid": redis.pid, "restarts": redis.restarts}
            own = {"version": __version__, "host": self.config.host_name, "pid": os.getpid(), "port": cluster.port}
            return {**own, **found, "redis": {"embedded": embedded}}

        def picture() -> dict[str, Any]:
            slots = supervisor.slots
            incarnations = {slot.number: slot.incarnation for slot in slots}
            found = supervisor.totals.picture(slots.workers, incarnations, companion.status(), dispatcher.status())
            if door is not None:
                found["server"] = added([found["server"], door.metrics()])
            return {**found, "host": self.config.host_name}

        control = Control(
            run_dir,
            supervisor,
            {"status": status, "metrics": picture},
            cluster.boot_timeout_s,
            actions={
                "hand-over": lambda _: companion.hand_over(),
                "ask-host": lambda asked: companion.ask_host(
                    Home(int(asked["host"]), int(asked["life"])), asked["order"]
                ),
            },
        )
        helpers = [
            asyncio.create_task(control.run(), name="control"),
            asyncio.create_task(heap.keep_small(), name="keep small"),
        ]
        if door is not None:
            helpers.append(asyncio.create_task(door.run(home, supervisor.link_of), name="relay door"))
        if redis is not None:
            helpers.append(asyncio.create_task(redis.run(), name="redis"))
        life = asyncio.create_task(companion.run(control.obey), name="companion")
        life.add_done_callback(lambda ended: supervisor.post(supervisor.fail_with(_why_it_ended(ended))))
        try:
            with Signals(supervisor):
                await supervisor.run()
        finally:
            await _end([life, *helpers])

    def _check_relay_tls(self) -> None:
        cluster = self.config.cluster
        if cluster.relay_tls is None:
            return
        try:
            relay_tls.check(cluster.relay_tls, read_endpoint(cluster.advertise)[0] if cluster.advertise else "")
        except relay_tls.RelayTlsError as error:
            raise SupervisorError(str(error)) from error

    def _open_door(self) -> RelayDoor | None:
        """Where other hosts bring requests. None: there can be none, or no way to it was told. Raises ListenError."""
        advertise, engineio = self.config.cluster.advertise, self.config.engineio
        if not (advertise and self.relay_key and self.config.redis):
            return None
        # A body over the limit comes with one byte too much, so that the worker can say so.
        max_bytes = MAX_HEAD_BYTES + engineio.max_payload_bytes + 1
        door = RelayDoor(*read_endpoint(advertise), Doorkeeper(self.relay_key, max_bytes=max_bytes))
        try:
            door.listen()
        except ListenError as error:
            raise ListenError(f"ADVERTISE={advertise}: {error}") from error
        return door

    def _greeting(self, redis: EmbeddedRedis | None) -> str:
        cluster = self.config.cluster
        workers = counted(cluster.workers, "worker")
        named = (
            "Redis of REDIS_SENTINELS" if self.config.redis and self.config.redis.sentinels else "Redis of REDIS_URL"
        )
        bus = named if redis is None else "embedded Redis"
        return greeting(self.config, f"{workers}, {bus}")


def worker_environment(config: Config, redis: RedisAt | None, base: Mapping[str, str]) -> dict[str, str]:
    """The supervisor's own environment with what its options and the embedded Redis change. For all that it starts."""
    # It may have come from a file; a worker that is told twice would refuse to start.
    told = {name: value for name, value in base.items() if name != "REDIS_URL_FILE"}
    return {
        **told,
        **({"REDIS_URL": redis.url} if redis is not None else {}),
        **({"REAKTOR_CLUSTER_ID": config.cluster_id} if config.cluster_id else {}),
        "PORT": str(config.cluster.port),
        "BIND": config.cluster.bind,
        "WORKERS": str(config.cluster.workers),
        "DATA_DIR": str(config.data_dir),
    }


def raise_descriptor_limit() -> None:
    """Allow as many open files as this process may ask for; the workers inherit it. The usual 1,024 are few clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    while wanted > soft:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError):
            # macOS calls the hard limit infinite, and refuses all that is over a bound that it tells elsewhere.
            wanted //= 2
        else:
            return


def _why_it_ended(life: asyncio.Task[None]) -> str:
    error = None if life.cancelled() else life.exception()
    return str(error) if isinstance(error, ClusterError) else "The authority ended; see the log."


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=COMPANION_END_S)
    for task in tasks:
        error = task.exception() if task.done() and not task.cancelled() else None
        if error is not None and not isinstance(error, ClusterError):
            logger.error("%s failed: %r", task.get_name(), error, exc_info=error)
