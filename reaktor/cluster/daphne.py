"""Our Daphne: its Server, with limits on everything that comes in and frames that go straight out.

Run by the cluster's worker and by runserver; plain `daphne reaktor.asgi:application` works without it. Importing this
module installs Twisted's reactor, so the supervisor never does.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import socket
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import daphne.server as daphne_server
from twisted.internet import defer, reactor
from twisted.internet.endpoints import serverFromString
from twisted.logger import globalLogBeginner

from reaktor.addresses import IpNetwork, client_address, is_trusted, normalise, parse_address
from reaktor.cluster.address_counts import AddressCounts, Hold
from reaktor.cluster.daphne_http import HTTPFactory
from reaktor.cluster.daphne_websocket import WebSocket
from reaktor.cluster.inbox import Inbox
from reaktor.cluster.pace import PaceRates, pace_rates
from reaktor.cluster.reading import Room
from reaktor.cluster.twisted_errors import TwistedErrors
from reaktor.config.model import Config, HttpTimings
from reaktor.observe.logcontext import accepted_request_id
from reaktor.web.edge import Edge, edge_of
from reaktor.web.frame_sink import FRAMES_EXTENSION
from reaktor.web.message_source import MESSAGES_EXTENSION
from reaktor.web.reply import Header
from reaktor.web.requests import HEADER as REQUEST_ID_HEADER
from reaktor.web.requests import TRUSTED_ID
from reaktor.web.scope import DENIAL_EXTENSION

logger = logging.getLogger(__name__)

BACKLOG = 2_048
SWEEP_S = 1.0
UNIX_PEER = ""


class Server(daphne_server.Server):
    """Daphne's server with our protocols.

    `body_bytes` bounds request bodies, `message_bytes` WebSocket messages, `connections_per_address` what one client
    holds open, `pace` how fast one WebSocket may send (None, of the two: no bound); X-Forwarded-* headers count only
    from `trusted_proxies` and over Unix sockets. `edge`: what the answers carry that the server gives by itself.
    """

    def __init__(
        self,
        application: Callable[..., Awaitable[None]],
        *,
        body_bytes: int,
        message_bytes: int,
        connections_per_address: int | None = None,
        pace: PaceRates | None = None,
        trusted_proxies: Sequence[IpNetwork] = (),
        http_timings: HttpTimings | None = None,
        edge: Edge | None = None,
        **options: Any,
    ) -> None:
        super().__init__(application, server_name="", **options)
        self.body_bytes = body_bytes
        self.message_bytes = message_bytes
        self.trusted_proxies = tuple(trusted_proxies)
        self.http_timings = http_timings or HttpTimings()
        self.edge = edge or Edge()
        self.counts = AddressCounts(connections_per_address)
        self.room = Room()
        self.pace_rates = pace
        self.opening: set[WebSocket] = set()
        # Connections that are gone while their application is not, and since when.
        self._bereft: dict[Any, float] = {}
        self.socket_count = 0
        self._ports: list[Any] = []

    @classmethod
    def from_config(cls, config: Config, application: Callable[..., Awaitable[None]], **options: Any) -> Server:
        """A server with the limits of a configuration; `options` are Daphne's own."""
        limits = config.limits
        return cls(
            application,
            body_bytes=limits.body_bytes,
            message_bytes=max(limits.frame_bytes, config.engineio.max_payload_bytes),
            connections_per_address=limits.max_connections_per_address,
            pace=pace_rates(limits),
            trusted_proxies=config.cluster.trusted_proxies,
            http_timings=config.http,
            edge=edge_of(config),
            **options,
        )

    @classmethod
    def of_process(cls, config: Config, application: Callable[..., Awaitable[None]], path: Path) -> Server:
        """The server of a process whose connections come by adopt() or accept_from(). Daphne insists on listening
        somewhere, so it has a private socket at `path`."""
        endpoints = [f"unix:{quoted(str(path))}:mode=600:backlog=128:lockfile=0"]
        return cls.from_config(config, application, endpoints=endpoints, signal_handlers=False)

    # Running

    def run(self) -> None:
        """Serve until stop(); Daphne's own run() with our protocols."""
        self.connections: dict[Any, dict[str, Any]] = {}
        self.http_factory = HTTPFactory(self)
        globalLogBeginner.beginLoggingTo([TwistedErrors()], redirectStandardIO=False, discardBuffer=True)
        reactor.callLater(SWEEP_S, self._sweep)
        self._listen()
        asyncio.set_event_loop(reactor._asyncioEventloop)
        reactor.addSystemEventTrigger("before", "shutdown", self.kill_all_applications)
        if not self.abort_start:
            if self.ready_callable:
                self.ready_callable()
            reactor.run(installSignalHandlers=self.signal_handlers)

    def _listen(self) -> None:
        for description in map(str, self.endpoints):
            if description.startswith("tcp:") and ":backlog=" not in description:
                description = f"{description}:backlog={BACKLOG}"
            listener = serverFromString(reactor, description).listen(self.http_factory)
            listener.addCallback(self.listen_success)
            listener.addErrback(self.listen_error)
            self.listeners.append(listener)

    def _sweep(self) -> None:
        reactor.callLater(SWEEP_S, self._sweep)  # first, so that no error ends it
        self.sweep(time.monotonic())

    def sweep(self, now: float) -> None:
        """End what has taken too long; `now` in monotonic seconds."""
        for late in [found for found in self.opening if found.deadline <= now]:
            late.on_deadline()
        for protocol, gone_at in list(self._bereft.items()):
            if now - gone_at > self.application_close_timeout:
                self._bereft[protocol] = now
                logger.warning("an application goes on without its client (%r), and is cancelled", protocol)
                self.connections[protocol]["application_instance"].cancel()
        self.http_factory.sweep(now)

    def adopt(self, descriptor: int, family: int) -> bool:
        """Serve a connection that was accepted elsewhere. Takes the descriptor over; never raises.

        False: this process has no room for it. A client that is gone already (its address can't be read: ENOTCONN)
        is closed and forgotten.
        """
        try:
            os.set_blocking(descriptor, False)
            reactor.adoptStreamConnection(descriptor, family, self.http_factory)
        except OSError as error:
            logger.debug("a passed connection can't be adopted: %s", error)
            return error.errno not in (errno.EMFILE, errno.ENFILE)
        except Exception:
            logger.exception("a passed connection can't be adopted")
        finally:
            os.close(descriptor)  # Twisted has a duplicate
        return True

    def accept_from(self, listener: socket.socket) -> None:
        """Accept what comes to a listening socket, until begin_drain(). Takes the socket over."""
        with listener:
            self._ports.append(reactor.adoptStreamPort(listener.fileno(), listener.family, self.http_factory))

    # Draining

    def begin_drain(self) -> None:
        """From now on nothing is accepted, and each answer ends its connection; what is running goes on."""
        for port in self._ports:
            port.stopListening()
        self.http_factory.draining = True

    def close_idle(self) -> int:
        """Close the kept-alive connections that wait for a request; how many there were."""
        return sum(channel.close_if_idle() for channel in list(self.http_factory.channels))

    @property
    def is_busy(self) -> bool:
        """Whether an HTTP request has no complete answer yet, or is about to come on a fresh connection."""
        now = time.monotonic()
        return any(channel.is_busy(now) for channel in self.http_factory.channels)

    @property
    def open_connections(self) -> int:
        """Connections of both kinds, those included that still have something to send before they close."""
        return len(self.http_factory.channels) + self.socket_count

    # Who a client is

    def is_trusted(self, peer: str) -> bool:
        """Whether what this peer says about its client is believed; a Unix socket's peer is a process of ours."""
        if peer == UNIX_PEER:
            return True
        address = parse_address(peer)
        return address is not None and is_trusted(address, self.trusted_proxies)

    def client_of(self, peer: str, forwarded_for: str) -> str:
        """The client's address; the peer's own where nobody trusted says otherwise."""
        if peer == UNIX_PEER:
            last = forwarded_for.rpartition(",")[2]
            return client_address(last, forwarded_for, self.trusted_proxies) if parse_address(last) else peer
        return client_address(peer, forwarded_for, self.trusted_proxies)

    def _complete(self, protocol: Any, scope: dict[str, Any], inbox: Inbox) -> None:
        """Put the real client and its scheme into a scope, and into a WebSocket's how frames go past ASGI."""
        peer, port = scope.get("client") or [UNIX_PEER, 0]
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in (b"x-forwarded-for", b"x-forwarded-proto", REQUEST_ID_HEADER):
                headers[name] = b",".join((headers[name], value)) if name in headers else value
        peer = normalise(peer)
        client = self.client_of(peer, headers.get(b"x-forwarded-for", b"").decode("latin1"))
        scope["client"] = protocol.client_addr = [client, port if client == peer else 0] if client else None
        is_trusted = self.is_trusted(peer)
        if is_trusted:
            scope[TRUSTED_ID] = accepted_request_id(headers.get(REQUEST_ID_HEADER, b"").decode("latin1"))
        if is_trusted and headers.get(b"x-forwarded-proto", b"").rpartition(b",")[2].strip() == b"https":
            scope["scheme"] = "wss" if scope["type"] == "websocket" else "https"
        if scope["type"] == "websocket":
            scope.setdefault("scheme", "ws")
            extensions = {FRAMES_EXTENSION: protocol.sink, MESSAGES_EXTENSION: inbox, DENIAL_EXTENSION: {}}
            scope.setdefault("extensions", {}).update(extensions)

    # Applications

    def open_websocket(
        self, transport: Any, hold: Hold | None, method: bytes, target: bytes, headers: Sequence[Header]
    ) -> WebSocket:
        """A connection is a WebSocket's from here on: it takes the transport, and answers the request."""
        opened = transport.protocol = WebSocket(self, transport, hold)
        opened.begin(method, target, headers)
        return opened

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Inbox | None:
        """Start the application for a request or a WebSocket; its end is acted on at once, not at the next check."""
        details = self.connections.get(protocol)
        if details is None:
            return None
        inbox = Inbox(getattr(protocol, "on_message_taken", None))
        self._complete(protocol, scope, inbox)
        scope.setdefault("asgi", {"version": "3.0"})
        task = asyncio.ensure_future(
            self.application(scope, inbox.receive, partial(self.handle_reply, protocol)),
        )
        details["application_instance"] = task
        task.add_done_callback(partial(self._on_application_done, protocol))
        return inbox

    def _on_application_done(self, protocol: Any, task: asyncio.Future[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            logger.error("an application failed: %r", error, exc_info=error)
        details = self.connections.get(protocol)
        if details is None:
            return
        details.pop("application_instance", None)
        if self._bereft.pop(protocol, None) is not None:
            del self.connections[protocol]
        else:
            protocol.on_application_ended(failed=error is not None)

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        """ASGI's send(). What goes on is taken no faster than its client reads it."""
        await super().handle_reply(protocol, message)
        if message["type"] == "http.response.body" and message.get("more_body"):
            await protocol.written()

    def protocol_disconnected(self, protocol: Any) -> None:
        """Note the end of a connection, and forget it when its application has ended too; may be repeated."""
        details = self.connections.get(protocol)
        if details is None:
            return
        if "application_instance" in details:
            details["disconnected"] = self._bereft.setdefault(protocol, time.monotonic())
        else:
            del self.connections[protocol]

    def kill_all_applications(self) -> Any:
        """Cancel what still runs when the reactor stops; Twisted waits for the returned Deferred."""
        running = [
            found["application_instance"] for found in self.connections.values() if "application_instance" in found
        ]
        for task in running:
            task.cancel()
        ended: asyncio.Future[Any] = asyncio.ensure_future(asyncio.wait(running, timeout=2)) if running else _done()
        return defer.Deferred.fromFuture(ended)


def quoted(text: str) -> str:
    """Text as a part of a Twisted endpoint description. Twisted's own function leaves `=` as it is."""
    return re.sub(r"[\\:=]", r"\\\g<0>", text)


def _done() -> asyncio.Future[None]:
    future: asyncio.Future[None] = asyncio.get_event_loop().create_future()
    future.set_result(None)
    return future
