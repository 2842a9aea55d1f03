"""One WebSocket of our Daphne: its handshake, frames straight to and from the socket, proper closes, back-pressure.

A Channel (reaktor.cluster.daphne_http) reads the request and hands its connection over. From there on nothing of
Twisted's HTTP runs. What comes in goes through a FrameReader to the Inbox, which hands messages to the application at
once where that allows it. Reading rests while the application is behind, while the client is ahead of its pace
(reaktor.cluster.pace), and for a turn of the loop when much has come at once. What a client sends meanwhile stays in
its own socket: nothing is lost, and nothing of it costs us anything.

Everything sent (ASGI messages, control frames, ready-made frames of the hub) passes DirectSink.push, so the order on
the wire is the order of the calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import unquote

import daphne.server  # noqa: F401  first of all: it installs the reactor that every other import would choose
from twisted.internet import reactor
from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address

from reaktor.cluster.address_counts import Hold
from reaktor.cluster.daphne_http import error_code
from reaktor.cluster.inbox import Inbox
from reaktor.cluster.pace import Pace, PaceRates
from reaktor.cluster.reading import Room
from reaktor.cluster.replies import error_bytes
from reaktor.web.close_codes import INTERNAL_ERROR, LOST, NO_CODE, NORMAL, may_be_sent
from reaktor.web.edge import Edge, date_header
from reaktor.web.reply import Header
from reaktor.web.websocket_frames import Opcode, binary_frame, encode_frame, text_frame
from reaktor.web.websocket_handshake import Opening, OpeningError, accepted, read_opening
from reaktor.web.websocket_reader import Close, FrameError, FrameReader, Ping, Pong, Received

logger = logging.getLogger(__name__)

# Messages that an application has not taken yet: reading stops at the first figure and goes on at the second.
INBOX_HIGH = 64
INBOX_LOW = 16
TURN_FRAMES = 64
"""So many of one client are acted on before others have their turn."""
CLOSE_TIMEOUT_S = 1.0
"""So long a client has to answer our close frame and to read what is before it; then the connection is cut. So long,
too, the application has to answer what came before a client's close or a bad frame.
"""
MAX_REASON_BYTES = 123
HANDSHAKE_TIMEOUT_S = 15.0
"""So long an application has to accept or refuse."""
EARLY_BYTES = 64 * 1024
"""What a client may send before it was accepted, although it should wait for that."""


class State(Enum):
    """Where a WebSocket is."""

    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class SocketRules(Protocol):
    """What the server does for its WebSockets. `opening`: those that no application has answered yet."""

    message_bytes: int
    pace_rates: PaceRates | None
    edge: Edge
    root_path: str
    opening: set[WebSocket]
    room: Room
    socket_count: int

    def protocol_connected(self, protocol: Any) -> None: ...

    def protocol_disconnected(self, protocol: Any) -> None: ...

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Inbox | None: ...


class DirectSink:
    """A FrameSink over a Twisted transport.

    A socket that has nothing unsent is written to at once: one send() and no trip through the selector, which
    measured four times the rate of transport.write for one frame to each of many sockets. What the kernel does not
    take goes to the transport's buffer, and everything after it too until that is empty.
    """

    __slots__ = ("_protocol", "_transport", "is_direct")

    def __init__(self, protocol: WebSocket, transport: Any) -> None:
        self._protocol = protocol
        self._transport = transport
        # TLS and test transports have no plain socket underneath.
        self.is_direct = isinstance(self._transport, FileDescriptor) and hasattr(self._transport, "socket")

    @property
    def is_open(self) -> bool:
        return self._protocol.state is State.OPEN

    @property
    def unsent_bytes(self) -> int:
        transport = self._transport
        if not self.is_direct:
            return 0
        unsent: int = len(transport.dataBuffer) - transport.offset + transport._tempDataLen
        return unsent

    def write(self, data: bytes) -> int:
        return self.push(data) if self.is_open else 0

    def push(self, data: bytes) -> int:
        """Send whatever the socket's state: for the handshake's answer and the closing frames."""
        transport = self._transport
        if self.is_direct and transport.connected and not (transport._tempDataLen or transport.dataBuffer):
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
        self._protocol.abort()


class WebSocket:
    """What Twisted calls a protocol: the connection of `transport`, from its handshake to its end.

    `hold`: what it holds of its address's connections, given back at its end. `deadline` (monotonic seconds): when it
    must have been answered by its application.
    """

    __slots__ = (
        "_close_code",
        "_early",
        "_inbox",
        "_is_behind",
        "_last",
        "_opening",
        "_pace",
        "_reader",
        "_rest",
        "_server",
        "_timer",
        "_transport",
        "client_addr",
        "deadline",
        "hold",
        "sink",
        "state",
    )

    def __init__(self, server: SocketRules, transport: Any, hold: Hold | None) -> None:
        self._server = server
        self._transport = transport
        self.hold = hold
        self.state = State.CONNECTING
        self.sink = DirectSink(self, transport)
        self.client_addr: list[Any] | None = None
        self.deadline = time.monotonic() + HANDSHAKE_TIMEOUT_S
        self._inbox: Inbox | None = None
        self._opening: Opening | None = None
        self._early = b""
        self._pace = None if server.pace_rates is None else Pace(server.pace_rates)
        self._reader: FrameReader | None = FrameReader(are_masked=True, max_bytes=server.message_bytes)
        self._is_behind = False
        self._last: Callable[[], None] | None = None
        self._rest: Any = None
        self._timer: Any = None
        self._close_code = LOST
        server.socket_count += 1

    # How it begins

    def begin(self, method: bytes, target: bytes, headers: Sequence[Header]) -> None:
        """Start an application for the handshake in a request, or refuse it. Header names are in lower case."""
        try:
            opening = read_opening(method, headers)
            scope = self._scope(target, headers, opening)
        except OpeningError as error:
            self._refuse(error.status, *error.headers)
            return
        self._opening = opening
        self._server.opening.add(self)
        self._server.protocol_connected(self)
        self._inbox = self._server.create_application(self, scope)
        if self._inbox is not None:
            self._inbox.put_nowait({"type": "websocket.connect"})

    def _scope(self, target: bytes, headers: Sequence[Header], opening: Opening) -> dict[str, Any]:
        path, _, query = target.partition(b"?")
        if not target.isascii() or b"#" in target:
            raise OpeningError(HTTPStatus.BAD_REQUEST)
        peer, host = self._transport.getPeer(), self._transport.getHost()
        is_internet = isinstance(peer, IPv4Address | IPv6Address)
        return {
            "type": "websocket",
            "http_version": "1.1",
            "scheme": "ws",
            "path": unquote(path.decode("ascii")),
            "raw_path": path,
            "root_path": self._server.root_path,
            "headers": headers,
            "query_string": query,
            "client": [peer.host, peer.port] if is_internet else None,
            "server": [host.host, host.port] if is_internet else None,
            "subprotocols": list(opening.subprotocols),
        }

    def on_deadline(self) -> None:
        """The application has not answered in time."""
        self.abort()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802  Twisted's name
        for timer in (self._rest, self._timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._rest = self._timer = self._last = None
        self.state = State.CLOSED
        self._server.socket_count -= 1
        self._server.opening.discard(self)
        if self.hold is not None:
            self.hold.release()
        self._server.protocol_disconnected(self)
        if self._inbox is not None:
            self._inbox.put_nowait({"type": "websocket.disconnect", "code": self._close_code})

    # What is sent

    def handle_reply(self, message: Mapping[str, Any]) -> None:
        """One ASGI message of the application. What comes after the end of the socket is dropped, not raised."""
        kind = message.get("type")
        if kind == "websocket.accept":
            self._accept(message)
        elif kind == "websocket.send":
            if self.state is State.CONNECTING:
                raise ValueError("the socket must be accepted before anything is sent over it")
            data: bytes | None = message.get("bytes")
            self.sink.write(text_frame(message["text"].encode()) if data is None else binary_frame(data))
        elif kind == "websocket.http.response.start":
            self._deny(HTTPStatus(message["status"]))
        elif kind == "websocket.close":
            if self.state is State.CONNECTING:
                self._deny(HTTPStatus.FORBIDDEN)
            else:
                self._close_for_application(message.get("code") or NORMAL, message.get("reason") or "")
        elif kind != "websocket.http.response.body":
            raise ValueError(f"a websocket can't send {kind!r}")

    def _accept(self, message: Mapping[str, Any]) -> None:
        """Once: whoever accepts again, or too late, is not heard."""
        opening = self._opening
        if opening is None or self.state is not State.CONNECTING:
            return
        headers = [date_header(), *(message.get("headers") or ())]
        self.sink.push(accepted(opening, message.get("subprotocol"), headers))
        self._opening = None
        self._server.opening.discard(self)
        self.state = State.OPEN
        self._watch()
        if self._early:
            early, self._early = self._early, b""
            self._read(early)

    def _deny(self, status: HTTPStatus) -> None:
        """The application refuses, or can't answer; what it said about that stays in the log."""
        if self.state is State.CONNECTING:
            self._refuse(status)
            self._server.protocol_disconnected(self)

    def _refuse(self, status: HTTPStatus, *headers: Header) -> None:
        """An HTTP answer in our shape, which ends the connection."""
        self._server.opening.discard(self)
        said = f"The WebSocket handshake failed: {status.phrase.lower()}."
        self.sink.push(error_bytes(status, error_code(status), said, None, *headers, *self._server.edge.safety))
        self._drop()

    # What is received

    @property
    def _reads(self) -> bool:
        return not self._is_behind and self._rest is None

    def _watch(self) -> None:
        """Be called by the loop itself: what Twisted does around each read costs more than the read.

        Only in Twisted's place, which it takes back when it stops reading: a reader that it does not know of would
        outlive the socket, and be called for the next one with the same number.
        """
        if self.sink.is_direct and self._transport in reactor._readers:
            asyncio.get_running_loop().add_reader(self._transport.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        try:
            data = self._server.room.read(self._transport.socket)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # Registered anew, Twisted finds out by itself how it ended, and tells everybody.
            self._transport.stopReading()
            self._transport.startReading()
            return
        try:
            self.dataReceived(data)
        except Exception:
            logger.exception("what a WebSocket sent could not be handled")
            self._transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._pace is not None:
            self._rest_for(self._pace.on_bytes(len(data), time.monotonic()))
        if self.state is State.CONNECTING:
            self._early += data
            if len(self._early) > EARLY_BYTES:
                self.abort()
        else:
            self._read(data)

    def _read(self, data: bytes = b"") -> None:
        """Act on each frame that is there, until reading rests; what is left then waits in the reader."""
        reader = self._reader
        if reader is None:
            return
        reader.feed(data)
        now, count = time.monotonic(), 0
        try:
            while self._reader and self._reads and self._is_live and (found := reader.take()) is not None:
                if self._pace is not None:
                    self._rest_for(self._pace.on_frame(now))
                self._on_frame(found)
                count += 1
                if count == TURN_FRAMES:
                    self._begin_rest(0.0)
        except FrameError as error:
            self._fail(error)

    @property
    def _is_live(self) -> bool:
        """Whether the connection is open, or being closed."""
        return self.state is State.OPEN or self.state is State.CLOSING

    def _on_frame(self, found: Received) -> None:
        if isinstance(found, Close):
            self._on_close(found)
        elif self.state is not State.OPEN or (inbox := self._inbox) is None:
            pass  # after our close only theirs counts
        elif isinstance(found, str | bytes):
            inbox.put_message(found)
            if not self._is_behind and inbox.qsize() >= INBOX_HIGH:
                self._is_behind = True
                self._transport.pauseProducing()
        elif isinstance(found, Ping):
            self.sink.push(encode_frame(Opcode.PONG, found.payload))
        elif isinstance(found, Pong) and inbox.on_pong is not None:
            inbox.on_pong(found.payload)

    def on_message_taken(self, waiting: int) -> None:
        """The application took a message and `waiting` are left: read on when that is few."""
        if self._is_behind and waiting <= INBOX_LOW:
            self._is_behind = False
            self._read_on()

    def _rest_for(self, seconds: float) -> None:
        if seconds:
            self._begin_rest(seconds)

    def _begin_rest(self, seconds: float) -> None:
        if self._rest is None:
            self._rest = reactor.callLater(seconds, self._on_rested)
            self._transport.pauseProducing()

    def _on_rested(self) -> None:
        self._rest = None
        self._read_on()

    def _read_on(self) -> None:
        if self._reads:
            self._transport.resumeProducing()
            self._watch()
            self._read()

    # How it ends

    def _close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake, or answer the client's; nothing when that was done."""
        if code != NO_CODE and not may_be_sent(code):
            raise ValueError(f"a websocket can't be closed with {code!r}")
        if self.state is not State.OPEN:
            return
        payload = b""
        if code != NO_CODE:
            cut = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            payload = code.to_bytes(2, "big") + cut.encode()
        self.sink.push(encode_frame(Opcode.CLOSE, payload))
        self.state = State.CLOSING
        self._set_timer(self._on_close_timeout)

    def _close_for_application(self, code: int, reason: str = "") -> None:
        """An end of the client that is still to be answered comes first: with its code."""
        if self._last is not None:
            self._last()
        else:
            self._close(code, reason)

    def _on_close(self, close: Close) -> None:
        """The client's close frame: the first, or its answer to ours."""
        self._close_code = close.code
        self._end(close.code, "", self._drop)

    def _fail(self, error: FrameError) -> None:
        """What came is not allowed. An answer to our close frame can't be read then, so our side ends with it.

        What the client still sends is dropped until its side ends, too: a reset could take the close frame from it.
        """
        self._end(error.code, str(error), self._transport.loseWriteConnection)

    def _end(self, code: int, reason: str, finish: Callable[[], None]) -> None:
        """Nothing more is read. What came before is answered first: the application has a moment for that."""
        self._reader = None
        self._last = partial(self._end_now, code, reason, finish)
        if self.state is State.OPEN and self._inbox is not None:
            self._set_timer(self._last)
            # In the next turn: what the application has just said may leave at the end of this one, as from the hub.
            soon = partial(asyncio.get_running_loop().call_soon, self._on_all_received, code)
            self._inbox.when_idle(soon)
        else:
            self._last()

    def _on_all_received(self, code: int) -> None:
        """The application has all that came before the end. One that asked is told, and closes when it has answered."""
        if self._last is None:
            return
        on_end = None if self._inbox is None else self._inbox.on_end
        if on_end is None:
            self._last()
        else:
            on_end(code)

    def _end_now(self, code: int, reason: str, finish: Callable[[], None]) -> None:
        self._last = None
        self._close(code, reason)
        if self._is_live:
            finish()

    def _set_timer(self, call: Callable[[], None]) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = reactor.callLater(CLOSE_TIMEOUT_S, call)

    def _on_close_timeout(self) -> None:
        self.abort()

    def _drop(self) -> None:
        """Nothing more is said, and the connection ends when what was said has left."""
        self.state = State.CLOSED
        self._transport.loseConnection()

    def abort(self) -> None:
        """Cut it; may be repeated."""
        self.state = State.CLOSED
        self._transport.abortConnection()

    def on_application_ended(self, failed: bool) -> None:
        """The application is gone while the socket is not."""
        if self.state is State.CONNECTING:
            self._deny(HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.FORBIDDEN)
        elif self.state is State.OPEN:
            self._close_for_application(INTERNAL_ERROR if failed else NORMAL)

    def __repr__(self) -> str:
        return f"<WebSocket of {self.client_addr}>"
