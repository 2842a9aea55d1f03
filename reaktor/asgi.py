"""The composition root of a process that serves: HTTP and WebSocket applications, and the runtime beneath them.

A worker gets `application` and create_runtime() from here and starts the runtime itself. So does runcluster without a
Redis, with create_lone_runtime(). Where one of them serves, a request that finds no runtime is refused with 503. Any
other server (runserver, plain Daphne) just calls `application`: the first request starts a runtime with the authority
inside, in its loop.
"""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reaktor.settings.local")

import django

django.setup()

import asyncio  # noqa: E402
import contextvars  # noqa: E402
import logging  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from typing import Any, cast  # noqa: E402

from channels.layers import get_channel_layer  # noqa: E402
from django.apps import apps  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core import checks  # noqa: E402
from django.core.exceptions import ImproperlyConfigured  # noqa: E402

import reaktor.urls  # noqa: E402, F401  the views are imported now, not while somebody waits for the first answer
from accounts.apps import AccountsConfig  # noqa: E402
from accounts.mailer import Mailer  # noqa: E402
from chat.apps import ChatConfig  # noqa: E402
from chat.domain.ids import WorkerId  # noqa: E402
from chat.live.runtime import Runtime  # noqa: E402
from chat.management.host_rows import OwnHost  # noqa: E402
from chat.membership.wire import worker_mailbox  # noqa: E402
from chat.posting.textrules import CurrentTextRules  # noqa: E402
from chat.transports.fast_gets import FastGets  # noqa: E402
from chat.transports.fast_joins import FastJoins  # noqa: E402
from chat.transports.file_bytes import FileBytes  # noqa: E402
from chat.transports.native.consumer import NativeConsumer  # noqa: E402
from chat.transports.socketio.application import ChatApplication  # noqa: E402
from reaktor.cluster import authority_lock  # noqa: E402
from reaktor.cluster.address_counts import AddressCounts  # noqa: E402
from reaktor.cluster.contract import Neighbour, Place  # noqa: E402
from reaktor.cluster.control import ask_metrics  # noqa: E402
from reaktor.cluster.count_exchange import CountExchange  # noqa: E402
from reaktor.cluster.failures import ClusterError  # noqa: E402
from reaktor.cluster.replies import refuse_scope  # noqa: E402
from reaktor.cluster.rundir import RunDir  # noqa: E402
from reaktor.config.model import Config  # noqa: E402
from reaktor.db import patience  # noqa: E402
from reaktor.engineio.departures import Departures  # noqa: E402
from reaktor.engineio.host_relay import HostRelay  # noqa: E402
from reaktor.engineio.relay import WorkerRelay  # noqa: E402
from reaktor.engineio.sid import Worker  # noqa: E402
from reaktor.errors import UnavailableError  # noqa: E402
from reaktor.limits.rates import Rates  # noqa: E402
from reaktor.limits.requests import RequestRates  # noqa: E402
from reaktor.observe import error_reports as reports  # noqa: E402
from reaktor.observe.metrics import Metrics, added  # noqa: E402
from reaktor.process import node, relay_tls  # noqa: E402
from reaktor.process.relay_pass import relay_key  # noqa: E402
from reaktor.sandbox.pictures import Pictures  # noqa: E402
from reaktor.sandbox.sandbox import Bounds  # noqa: E402
from reaktor.socketio.server import SocketIOServer  # noqa: E402
from reaktor.web.edge import edge_of  # noqa: E402
from reaktor.web.gate import Gate  # noqa: E402
from reaktor.web.health import HealthApplication  # noqa: E402
from reaktor.web.metrics_endpoint import MetricsApplication, of_process  # noqa: E402
from reaktor.web.requests import Requests  # noqa: E402
from reaktor.web.scope import Receive, Send  # noqa: E402
from reaktor.web.staticfiles import file_paths  # noqa: E402
from reaktor.web.threads import ThreadedDjango  # noqa: E402

logger = logging.getLogger(__name__)
patience.serve()

LONE_PLACE = (0, 1)
"""Slot and incarnation of the one process of a whole server: each start is another life of its host."""
START_TIMEOUT_S = 10.0
FILE_PICTURES = Bounds(running=1, waiting=8, wait_s=30.0)
"""For thumbnails of files: whoever waits keeps a thread of theirs."""


class NodeRuntime(Runtime):
    """A runtime that is this process's node for as long as it runs, and its Socket.IO server with it."""

    def __init__(
        self,
        config: Config,
        layer: Any,
        worker: WorkerId,
        *,
        rates: Rates,
        text_rules: CurrentTextRules,
        own_host: OwnHost | None = None,
    ) -> None:
        """`own_host`: of a process that is the whole server, authority included."""
        with_authority = own_host is not None
        super().__init__(
            config,
            layer,
            worker,
            rates=rates,
            text_rules=text_rules,
            with_authority=with_authority,
            vapid_key=settings.VAPID_KEY,
        )
        self.own_host = own_host
        # A worker has siblings, and other hosts; a lone process has nobody to hand a request to.
        key = relay_key(settings.SECRET_KEY, config.cluster_id)
        files = config.cluster.relay_tls
        tls = None if files is None or with_authority else relay_tls.for_calls(files)
        self.host_relay = HostRelay(key, max_open=config.engineio.max_sessions, tls=tls)
        self._departures = Departures(self.bus, _mailbox_of)
        relay = None if with_authority else _relay(config, worker, self.host_relay, self._departures)
        self.socketio = SocketIOServer(config.engineio, ChatApplication(), worker=worker, relay=relay)
        self._counts = CountExchange(self.bus, self.mailbox)
        self._mailer = Mailer(self.database, config.mail.sender)
        self._sends_mail = config.mail.is_possible

    def hosts(self) -> list[dict[str, Any]]:
        return [] if self.own_host is None else self.own_host.status()

    def tell_hosts(self, hosts: Sequence[Neighbour]) -> None:
        self.host_relay.tell(hosts)

    def metrics(self) -> Metrics:
        return added([super().metrics(), self.host_relay.metrics(), self._mailer.metrics()])

    def share_counts(self, counts: AddressCounts) -> None:
        self._counts.share(counts)

    async def run(self) -> None:
        node.install(node.Node(asyncio.get_running_loop(), self.bus, self))
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(super().run(), name="runtime")
                tasks.create_task(self.socketio.run(), name="socketio")
                tasks.create_task(self._counts.run(), name="counts")
                tasks.create_task(self._departures.run(), name="departures")
                if self._sends_mail:
                    cast(AccountsConfig, apps.get_app_config("accounts")).wake_mailer = self._mailer.wake
                    tasks.create_task(self._mailer.run(), name="mail")
                if self.own_host is not None:
                    tasks.create_task(self.own_host.keep(self.database), name="host")
        finally:
            node.clear()
            if self.own_host is not None:
                await asyncio.to_thread(self.own_host.leave)

    def _on_message(self, kind: str, body: dict[str, Any]) -> None:
        is_departure = self._departures.on_message(kind, body, self.socketio.engine.client_left)
        if not is_departure and not self._counts.on_message(kind, body):
            super()._on_message(kind, body)

    async def drain(self, seconds: float) -> None:
        self.socketio.stop_accepting()
        await super().drain(seconds)


async def _picture() -> dict[str, Any]:
    """What /metrics writes out: a worker has it from its supervisor, any other process is the whole server."""
    if settings.IS_WORKER:
        return await ask_metrics(RunDir(settings.REAKTOR.run_dir))
    running = node.current()
    if running is None:
        raise UnavailableError("The server is starting.")
    return of_process(running.runtime)


def _mailbox_of(owner: Worker) -> str:
    return worker_mailbox(WorkerId(owner.host, owner.life, owner.slot, owner.incarnation))


def _relay(config: Config, worker: WorkerId, hosts: HostRelay, departures: Departures) -> WorkerRelay:
    """To the private sockets of the other workers of this run directory, and to other hosts."""
    patience_s = config.engineio.ping_interval_s + config.engineio.ping_timeout_s
    return WorkerRelay(
        (worker.host, worker.life),
        RunDir(config.run_dir).worker_socket,
        hosts,
        patience_s=patience_s,
        max_body_bytes=config.engineio.max_payload_bytes,
        on_left=departures.tell,
    )


def create_runtime(place: Place) -> NodeRuntime:
    """The runtime of one worker, not yet running."""
    return _create(WorkerId(*place))


def create_lone_runtime() -> NodeRuntime:
    """The runtime of a process that is the whole server, not yet running. Whoever asks for it runs it.

    Blocks while another host may be in the way; raises SupervisorError where one is. DATA_DIR is locked already.
    """
    _served.starts_runtime = False
    return _create_lone(_enter_alone())


def _enter_alone() -> OwnHost:
    if settings.IS_WORKER:
        # Its supervisor has the authority; a second one on the same bus would make every worker deaf to the first.
        raise RuntimeError("A worker can't be the whole server.")
    own = OwnHost(settings.REAKTOR, has_shared_bus=False)
    own.enter()
    return own


def _create_lone(own_host: OwnHost) -> NodeRuntime:
    return _create(WorkerId(*own_host.home, *LONE_PLACE), own_host)


def _create(worker: WorkerId, own_host: OwnHost | None = None) -> NodeRuntime:
    layer = get_channel_layer()
    chat = cast(ChatConfig, apps.get_app_config("chat"))
    return NodeRuntime(
        settings.REAKTOR,
        layer,
        worker,
        rates=chat.rates,
        text_rules=chat.text_rules,
        own_host=own_host,
    )


class Application:
    """Routes scopes: health, metrics and REST for HTTP, the native transport for WebSocket.

    `starts_runtime`: whether a request that finds no runtime starts one. Only where nobody else does.
    """

    def __init__(self, *, starts_runtime: bool) -> None:
        self.starts_runtime = starts_runtime
        database = settings.REAKTOR.database
        edge = self._edge = edge_of(settings.REAKTOR)
        django = ThreadedDjango(
            threads=database.rest_running,
            per_peer=database.rest_per_peer,
            waiting=database.rest_waiting,
            max_body_bytes=settings.REAKTOR.limits.body_bytes,
            edge=edge,
        )
        self._rest = Gate(
            FileBytes(FastGets(FastJoins(django, edge), edge), edge, settings.REAKTOR.files, Pictures(FILE_PICTURES)),
            RequestRates(settings.REAKTOR.limits),
            edge,
            operations=cast(ChatConfig, apps.get_app_config("chat")).rates,
            is_file=file_paths(),
            passed=("/admin",),
            https_only=settings.SECURE_SSL_REDIRECT,
        )
        allow = settings.REAKTOR.metrics_allow
        self._health = HealthApplication(allow)
        self._metrics = MetricsApplication(_picture, allow)
        self._native = NativeConsumer.as_asgi()
        self._lone: asyncio.Task[None] | None = None
        self._starting: asyncio.Lock | None = None

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"}:
            raise ValueError(f"nothing here speaks {scope['type']}")
        # Without a runtime: either it is ours to start, or whoever runs it will see to it.
        if node.current() is None and not (self.starts_runtime and await self._start_lone()):
            await refuse_scope(scope, receive, send, self._edge)
            return
        path = scope["path"]
        if path.startswith("/socket.io/") or path == "/socket.io":
            await self._socketio(scope, receive, send)
        elif scope["type"] == "websocket":
            if not await self._rest.may_begin(scope, receive, send):
                return
            if path.rstrip("/") == "/ws/v1":
                await self._native(scope, receive, send)
            else:
                await receive()
                await send({"type": "websocket.close", "code": 4404})
        elif path in {"/healthz", "/readyz"}:
            await self._health(scope, receive, send)
        elif path == "/metrics":
            await self._metrics(scope, receive, send)
        else:
            await self._rest(scope, receive, send)

    async def _socketio(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Handshakes are counted. What names a session has that session's bounds, unless there is none."""
        if b"sid=" not in scope["query_string"]:
            if not await self._rest.may_begin(scope, receive, send):
                return
        elif scope["type"] == "http":
            send = self._rest.slow_failures(scope, send)
        running = node.current()
        assert running is not None  # noqa: S101  whoever calls this has looked
        await running.runtime.socketio(scope, receive, send)

    async def _start_lone(self) -> bool:
        """No worker: this one process is the whole server. Its runtime lives as long as the loop.

        False where another server works on the same data.
        """
        if self._starting is None:
            self._starting = asyncio.Lock()
        async with self._starting:
            if node.current() is not None:
                return True
            try:
                authority_lock.hold(settings.DATA_DIR, settings.REAKTOR.cluster.port)
                own_host = await asyncio.to_thread(_enter_alone)
            except ClusterError as error:
                logger.error("%s", error)
                return False
            runtime = _create_lone(own_host)
            # It outlives the request that happened to start it, and must not log under its id.
            nobodys = contextvars.Context()
            self._lone = asyncio.create_task(runtime.run(), name="runtime", context=nobodys)
            self._lone.add_done_callback(_report)
            async with asyncio.timeout(START_TIMEOUT_S):
                await runtime.wait_ready()
        return True


def refuse_unsafe_settings() -> None:
    """Whatever the server is (Daphne runs no checks, a worker none of its own), production serves only when it is safe.

    Raises ImproperlyConfigured with every problem.
    """
    found = checks.run_checks(tags=[checks.Tags.security]) if settings.PRODUCTION else []
    serious = [problem.msg for problem in found if problem.is_serious() and not problem.is_silenced()]
    if serious:
        raise ImproperlyConfigured(" ".join(serious))


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the runtime ended; the next request starts another", exc_info=error)


refuse_unsafe_settings()
reports.start(settings.REAKTOR.sentry_dsn)
_served = Application(starts_runtime=not settings.IS_WORKER)
application = Requests(_served, access_log=settings.REAKTOR.access_log, safety=edge_of(settings.REAKTOR).safety)
