"""One WebSocket of our Daphne: frames straight to the socket, limits with a proper close, reading with back-pressure.

Reading rests while the application is behind, and while the client is ahead of its pace (reaktor.cluster.pace). What it
sends meanwhile stays in its own socket: nothing is lost, and nothing of it costs us anything.

Everything sent (ASGI messages, Autobahn's control frames, ready-made frames of the hub) passes DirectSink.push, so the
order on the wire is the order of the calls.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import daphne.server  # noqa: F401  first of all: it installs the reactor that every other import would choose
from autobahn.twisted.websocket import ConnectionDeny
from daphne.ws_protocol import WebSocketFactory as DaphneWebSocketFactory
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import reactor
from twisted.internet.abstract import FileDescriptor

from reaktor.cluster.address_counts import Hold
from reaktor.cluster.daphne_http import error_code
from reaktor.cluster.pace import Pace
from reaktor.cluster.replies import error_bytes
from reaktor.web.close_codes import INTERNAL_ERROR, NO_CODE, NORMAL
from reaktor.web.edge import SAFETY, date_header
from reaktor.web.websocket_frames import binary_frame, text_frame

# Messages that an application has not taken yet: reading stops at the first figure and goes on at the second.
INBOX_HIGH = 64
INBOX_LOW = 16


class DirectSink:
    """A FrameSink over a Twisted transport.

    A socket that has nothing unsent is written to at once: one send() and no trip through the selector, which
    measured four times the rate of transport.write for one frame to each of many sockets. What the kernel does not
    take goes to the transport's buffer, and everything after it too until that is empty.
    """

    __slots__ = ("_direct", "_protocol", "_transport")

    def __init__(self, protocol: WebSocket) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        # TLS and test transports have no plain socket underneath.
        self._direct = isinstance(self._transport, FileDescriptor) and hasattr(self._transport, "socket")

    @property
    def is_open(self) -> bool:
        return bool(self._protocol.state == self._protocol.STATE_OPEN)

    @property
    def unsent_bytes(self) -> int:
        transport = self._transport
        if not self._direct:
            return 0
        unsent: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return unsent

    def write(self, data: bytes) -> int:
        return self.push(data) if self.is_open else 0

    def push(self, data: bytes) -> int:
        """Send whatever the socket's state: for the handshake's answer and the closing frames."""
        transport = self._transport
        if self._direct and transport.connected and not (transport._tempDataLen or transport.dataBuffer):
            try:
                sent = transport.socket.send(data)
            except OSError:
                sent = 0  # full, or broken: the transport finds out which, and tells the protocol
            if sent == len(data):
                return 0
            data = data[sent:]
        transport.write(data)
        return self.unsent_bytes

    def abort(self) -> None:
        self._protocol.dropConnection(abort=True)


class WebSocket(WebSocketProtocol):
    """Daphne's WebSocket protocol with our sink, back-pressure and endings."""

    hold: Hold | None = None
    _is_behind = False
    _pace: Pace | None = None
    _rest: Any = None

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        self.sink = DirectSink(self)
        rates = self.factory.server_class.pace_rates
        self._pace = None if rates is None else Pace(rates)
        super().connectionMade()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self.hold is not None:
            self.hold.release()
        super().connectionLost(reason)

    # What is sent

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: N802
        self.sink.push(data)

    def handle_reply(self, message: Mapping[str, Any]) -> None:
        """One ASGI message of the application. What comes after the end of the socket is dropped, not raised."""
        kind = message.get("type")
        if kind == "websocket.accept" and self.state == self.STATE_CONNECTING:
            self._accept(message)
        elif kind == "websocket.send":
            if self.state == self.STATE_CONNECTING:
                raise ValueError("the socket must be accepted before anything is sent over it")
            data: bytes | None = message.get("bytes")
            self.sink.write(text_frame(message["text"].encode()) if data is None else binary_frame(data))
        elif kind == "websocket.http.response.start":
            self._deny(HTTPStatus(message["status"]))
        elif kind == "websocket.close":
            if self.state == self.STATE_CONNECTING:
                self._deny(HTTPStatus.FORBIDDEN)
            else:
                self.sendClose(message.get("code") or NORMAL, message.get("reason") or None)
        elif kind not in ("websocket.accept", "websocket.http.response.body"):
            raise ValueError(f"a websocket can't send {kind!r}")

    def _accept(self, message: Mapping[str, Any]) -> None:
        name, value = date_header()
        headers: dict[str, list[str]] = {name.decode(): [value.decode()]}
        for name, value in message.get("headers") or ():
            headers.setdefault(name.decode("latin1"), []).append(value.decode("latin1"))
        waiting = self._take_handshake()
        if waiting is not None:
            waiting.callback((message.get("subprotocol"), headers))

    def _deny(self, status: HTTPStatus) -> None:
        waiting = self._take_handshake()
        if waiting is not None:
            waiting.errback(ConnectionDeny(code=status.value, reason=status.phrase))
        self.server.protocol_disconnected(self)

    def _take_handshake(self) -> Any:
        """The answer that the handshake waits for, once: a second one would raise inside Twisted."""
        waiting = getattr(self, "handshake_deferred", None)
        if waiting is not None:
            del self.handshake_deferred
        return waiting

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:  # noqa: N802, N803
        """An HTTP answer in our shape; what an exception said stays in the log."""
        status = HTTPStatus(code)
        self.wasNotCleanReason = reason
        said = f"The WebSocket handshake failed: {status.phrase.lower()}."
        self.sink.push(error_bytes(status, error_code(status), said, None, *SAFETY))
        self.dropConnection(abort=False)

    # What is received

    @property
    def _reads(self) -> bool:
        return not self._is_behind and self._rest is None

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._pace is not None:
            self._rest_for(self._pace.on_bytes(len(data), time.monotonic()))
        super().dataReceived(data)

    def onFrameBegin(self) -> None:  # noqa: N802
        """A frame of any kind: those that reach no application count, too."""
        if self._pace is not None:
            self._rest_for(self._pace.on_frame(time.monotonic()))
        super().onFrameBegin()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:  # noqa: N802, N803
        super().onMessage(payload, isBinary)
        if not self._is_behind and self.application_queue.qsize() >= INBOX_HIGH:
            self._is_behind = True
            self.transport.pauseProducing()

    def consumeData(self) -> None:  # noqa: N802
        """Frame by frame, so that a packet full of tiny frames is left where it is while reading rests."""
        if self.state not in (self.STATE_OPEN, self.STATE_CLOSING):
            super().consumeData()
            return
        while self._reads and self.processData() and self.state != self.STATE_CLOSED:
            pass

    def on_message_taken(self, waiting: int) -> None:
        """The application took a message and `waiting` are left: read on when that is few."""
        if self._is_behind and waiting <= INBOX_LOW:
            self._is_behind = False
            self._read_on()

    def _rest_for(self, seconds: float) -> None:
        if seconds and self._rest is None:
            self._rest = reactor.callLater(seconds, self._on_rested)
            self.transport.pauseProducing()

    def _on_rested(self) -> None:
        self._rest = None
        self._read_on()

    def _read_on(self) -> None:
        if self._reads:
            self.transport.resumeProducing()
            self.consumeData()

    # How it ends

    def onClose(self, wasClean: bool, code: int | None, reason: Any) -> None:  # noqa: N802, N803
        super().onClose(wasClean, NO_CODE if code is None else code, reason)

    def on_application_ended(self, failed: bool) -> None:
        """The application is gone while the socket is not."""
        if self.state == self.STATE_CONNECTING:
            self._deny(HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.FORBIDDEN)
        elif self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=INTERNAL_ERROR if failed else NORMAL)

    def handle_exception(self, exception: BaseException) -> None:
        self.on_application_ended(failed=True)

    def check_timeouts(self) -> None:
        """Nothing: the handshake has Autobahn's timer, heartbeats are the transports' own business."""

    def __repr__(self) -> str:
        return f"<WebSocket of {getattr(self, 'client_addr', None)}>"


class WebSocketFactory(DaphneWebSocketFactory):
    """Builds WebSocket protocols; options are set by the server."""

    protocol = WebSocket
