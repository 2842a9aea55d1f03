"""One WebSocket of our Daphne: frames straight to and from the socket, proper closes, reading with back-pressure.

Autobahn does the opening handshake, and nothing of it runs for a frame. What comes in goes through a FrameReader to
the Inbox, which hands messages to the application at once where that allows it. Reading rests while the application is
behind, while the client is ahead of its pace (reaktor.cluster.pace), and for a turn of the loop when much has come at
once. What a client sends meanwhile stays in its own socket: nothing is lost, and nothing of it costs us anything.

Everything sent (ASGI messages, control frames, ready-made frames of the hub) passes DirectSink.push, so the order on
the wire is the order of the calls.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
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
from reaktor.cluster.inbox import Inbox
from reaktor.cluster.pace import Pace
from reaktor.cluster.replies import error_bytes
from reaktor.web.close_codes import INTERNAL_ERROR, NO_CODE, NORMAL, may_be_sent
from reaktor.web.edge import SAFETY, date_header
from reaktor.web.websocket_frames import Opcode, binary_frame, encode_frame, text_frame
from reaktor.web.websocket_reader import Close, FrameError, FrameReader, Ping, Received

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


class DirectSink:
    """A FrameSink over a Twisted transport.

    A socket that has nothing unsent is written to at once: one send() and no trip through the selector, which
    measured four times the rate of transport.write for one frame to each of many sockets. What the kernel does not
    take goes to the transport's buffer, and everything after it too until that is empty.
    """

    __slots__ = ("_protocol", "_transport", "is_direct")

    def __init__(self, protocol: WebSocket) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        # TLS and test transports have no plain socket underneath.
        self.is_direct = isinstance(self._transport, FileDescriptor) and hasattr(self._transport, "socket")

    @property
    def is_open(self) -> bool:
        return bool(self._protocol.state == self._protocol.STATE_OPEN)

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
        self._protocol.dropConnection(abort=True)


class WebSocket(WebSocketProtocol):
    """Daphne's WebSocket protocol with our sink, back-pressure and endings."""

    application_queue: Inbox
    state: int
    data: bytes
    hold: Hold | None = None
    _is_behind = False
    _last: Callable[[], None] | None = None
    _pace: Pace | None = None
    _reader: FrameReader | None = None
    _rest: Any = None
    _timer: Any = None

    def connectionMade(self) -> None:  # noqa: N802  Twisted's name
        self.sink = DirectSink(self)
        server = self.factory.server_class
        self._pace = None if server.pace_rates is None else Pace(server.pace_rates)
        self._reader = FrameReader(are_masked=True, max_bytes=server.message_bytes)
        super().connectionMade()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        for timer in (self._rest, self._timer):
            if timer is not None and timer.active():
                timer.cancel()
        self._rest = self._timer = self._last = None
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
                self._close_for_application(message.get("code") or NORMAL, message.get("reason") or "")
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

    def onOpen(self) -> None:  # noqa: N802
        super().onOpen()
        self._watch()

    def _watch(self) -> None:
        """Be called by the loop itself: what Twisted does around each read costs more than the read.

        Only in Twisted's place, which it takes back when it stops reading: a reader that it does not know of would
        outlive the socket, and be called for the next one with the same number.
        """
        if self.sink.is_direct and self.transport in reactor._readers:
            asyncio.get_running_loop().add_reader(self.transport.fileno(), self._on_readable)

    def _on_readable(self) -> None:
        try:
            data = self.transport.socket.recv(self.transport.bufferSize)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            # Registered anew, Twisted finds out by itself how it ended, and tells everybody.
            self.transport.stopReading()
            self.transport.startReading()
            return
        try:
            self.dataReceived(data)
        except Exception:
            logger.exception("what a WebSocket sent could not be handled")
            self.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._pace is not None:
            self._rest_for(self._pace.on_bytes(len(data), time.monotonic()))
        if self.state == self.STATE_CONNECTING:
            super().dataReceived(data)
        else:
            self._read(data)

    def consumeData(self) -> None:  # noqa: N802
        """Autobahn's: the handshake, and after it what came with it."""
        if self.state == self.STATE_CONNECTING:
            super().consumeData()
        else:
            data, self.data = self.data, b""
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
        return self.state in (self.STATE_OPEN, self.STATE_CLOSING)

    def _on_frame(self, found: Received) -> None:
        if isinstance(found, Close):
            self._on_close(found)
        elif self.state != self.STATE_OPEN:
            pass  # after our close only theirs counts
        elif isinstance(found, str | bytes):
            inbox = self.application_queue
            inbox.put_message(found)
            if not self._is_behind and inbox.qsize() >= INBOX_HIGH:
                self._is_behind = True
                self.transport.pauseProducing()
        elif isinstance(found, Ping):
            self.sink.push(encode_frame(Opcode.PONG, found.payload))

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
            self.transport.pauseProducing()

    def _on_rested(self) -> None:
        self._rest = None
        self._read_on()

    def _read_on(self) -> None:
        if self._reads:
            self.transport.resumeProducing()
            self._watch()
            self._read()

    # How it ends

    def _close(self, code: int, reason: str = "") -> None:
        """Begin the closing handshake, or answer the client's; nothing when that was done."""
        if code != NO_CODE and not may_be_sent(code):
            raise ValueError(f"a websocket can't be closed with {code!r}")
        if self.state != self.STATE_OPEN:
            return
        payload = b""
        if code != NO_CODE:
            cut = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore")
            payload = code.to_bytes(2, "big") + cut.encode()
        self.sink.push(encode_frame(Opcode.CLOSE, payload))
        self.state = self.STATE_CLOSING
        self._set_timer(self._on_close_timeout)

    def _close_for_application(self, code: int, reason: str = "") -> None:
        """An end of the client that is still to be answered comes first: with its code."""
        if self._last is not None:
            self._last()
        else:
            self._close(code, reason)

    def _on_close(self, close: Close) -> None:
        """The client's close frame: the first, or its answer to ours."""
        self.wasClean, self.remoteCloseCode = True, close.code
        self._end(close.code, "", partial(self.dropConnection, abort=False))

    def _fail(self, error: FrameError) -> None:
        """What came is not allowed. An answer to our close frame can't be read then, so our side ends with it.

        What the client still sends is dropped until its side ends, too: a reset could take the close frame from it.
        """
        self._end(error.code, str(error), self.transport.loseWriteConnection)

    def _end(self, code: int, reason: str, finish: Callable[[], None]) -> None:
        """Nothing more is read. What came before is answered first: the application has a moment for that."""
        self._reader = None
        self._last = partial(self._end_now, code, reason, finish)
        if self.state == self.STATE_OPEN:
            self._set_timer(self._last)
            # In the next turn: what the application has just said may leave at the end of this one, as from the hub.
            soon = partial(asyncio.get_running_loop().call_soon, self._on_all_received, code)
            self.application_queue.when_idle(soon)
        else:
            self._last()

    def _on_all_received(self, code: int) -> None:
        """The application has all that came before the end. One that asked is told, and closes when it has answered."""
        if self._last is None:
            return
        on_end = self.application_queue.on_end
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
        self.state = self.STATE_CLOSED
        self.transport.abortConnection()

    def onClose(self, wasClean: bool, code: int | None, reason: Any) -> None:  # noqa: N802, N803
        super().onClose(wasClean, NO_CODE if code is None else code, reason)

    def on_application_ended(self, failed: bool) -> None:
        """The application is gone while the socket is not."""
        if self.state == self.STATE_CONNECTING:
            self._deny(HTTPStatus.INTERNAL_SERVER_ERROR if failed else HTTPStatus.FORBIDDEN)
        elif self.state == self.STATE_OPEN:
            self._close_for_application(INTERNAL_ERROR if failed else NORMAL)

    def handle_exception(self, exception: BaseException) -> None:
        self.on_application_ended(failed=True)

    def check_timeouts(self) -> None:
        """Nothing: the handshake has Autobahn's timer, heartbeats are the transports' own business."""

    def __repr__(self) -> str:
        return f"<WebSocket of {getattr(self, 'client_addr', None)}>"


class WebSocketFactory(DaphneWebSocketFactory):
    """Builds WebSocket protocols; options are set by the server."""

    protocol = WebSocket
