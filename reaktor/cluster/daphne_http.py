"""HTTP connections and requests of our Daphne: sizes, times and counts are bounded while the bytes come in.

A refusal is one JSON answer, a half-close, and a short while of reading what the client still sends (closing with
unread bytes would reset the connection, and the answer with it).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from io import BytesIO
from tempfile import TemporaryFile
from typing import Any, Protocol

import daphne.server  # noqa: F401  first of all: it installs the reactor that every other import would choose
from daphne.http_protocol import HTTPFactory as DaphneHTTPFactory
from daphne.http_protocol import WebRequest
from daphne.utils import HEADER_NAME_RE, INVALID_HEADER_VALUE_BYTES
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers

from reaktor.addresses import normalise
from reaktor.cluster.address_counts import AddressCounts, Hold
from reaktor.cluster.inbox import Inbox
from reaktor.cluster.reading import Room
from reaktor.cluster.replies import CLOSE, RETRY_AFTER_S, error_bytes, error_reply
from reaktor.config.model import HttpTimings
from reaktor.errors import ErrorCode
from reaktor.web.bodies import BodyBounds
from reaktor.web.edge import Edge, date_header, has_header
from reaktor.web.reply import Header
from reaktor.web.websocket_handshake import usual_request

logger = logging.getLogger(__name__)

ROOT_PATH = b"daphne-root-path"
LINGER_S = 2.0
ABOUT_TO_SPEAK_S = 1.0
LINGER_BYTES = 1024 * 1024
HELD_BODY_BYTES = 128 * 1024
"""So much of a streamed body waits for its application before reading stops."""
CHUNK_COST_BYTES = 64
"""What a chunk costs beside its bytes, of which it may have one."""
STALLED_S = 30.0
"""A client that reads nothing of a streamed answer for so long is gone."""
ABSOLUTE_FORM = re.compile(rb"https?://([^/?#@\s]+)([/?]\S*)?", re.IGNORECASE)
ERROR_CODES = {
    HTTPStatus.BAD_REQUEST: ErrorCode.INVALID,
    HTTPStatus.FORBIDDEN: ErrorCode.FORBIDDEN,
    HTTPStatus.REQUEST_TIMEOUT: ErrorCode.INVALID,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.TOO_LARGE,
    HTTPStatus.REQUEST_URI_TOO_LONG: ErrorCode.TOO_LARGE,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: ErrorCode.TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: ErrorCode.INVALID,
    HTTPStatus.UPGRADE_REQUIRED: ErrorCode.INVALID,
    HTTPStatus.TOO_MANY_REQUESTS: ErrorCode.RATE_LIMITED,
    HTTPStatus.SERVICE_UNAVAILABLE: ErrorCode.UNAVAILABLE,
}


def error_code(status: int) -> ErrorCode:
    """The word for a status that the server itself answers with."""
    return ERROR_CODES.get(HTTPStatus(status), ErrorCode.INTERNAL)


class ConnectionRules(Protocol):
    """What the server decides for its connections: sizes, times, counts, and whose word about a client is believed."""

    body_bytes: int
    http_timings: HttpTimings
    counts: AddressCounts
    edge: Edge
    room: Room

    def protocol_disconnected(self, protocol: Any) -> None: ...

    def is_trusted(self, peer: str) -> bool: ...

    def client_of(self, peer: str, forwarded_for: str) -> str: ...

    def open_websocket(
        self, transport: Any, hold: Hold | None, method: bytes, target: bytes, headers: Sequence[Header]
    ) -> Any: ...


class Flow:
    """What Twisted tells when a client reads too slowly for what is written, and when it has caught up."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []

    async def moved(self) -> None:
        """Until there is something new to be seen."""
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def pauseProducing(self) -> None:  # noqa: N802  Twisted's names
        """Whoever writes looks by itself (Channel.is_behind)."""

    def resumeProducing(self) -> None:  # noqa: N802
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    stopProducing = resumeProducing  # noqa: N815


class Request(WebRequest):
    """One request. Its body is counted while it comes; its client is known before an application is."""

    hold: Hold | None = None
    is_streamed = False
    """Whether its application began with its headers, and is given the body as it comes."""

    def __init__(self, channel: Channel, queued: int = 0) -> None:
        # Twisted would parse forms into `args`, which no ASGI application ever sees.
        super().__init__(channel, queued, parsePOSTFormSubmission=False)
        self._body_bytes = 0
        self._flow: Flow | None = None
        self._is_read = False
        self._is_held_back = False
        self._gathered: list[bytes] = []
        self._is_told = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802  Twisted's name
        # Twisted puts bodies of unknown length into a temporary file; ours are bounded, and most are small.
        is_large = BodyBounds.is_large(self.channel.asked_path)
        self.content = TemporaryFile() if is_large else BytesIO()  # noqa: SIM115  Twisted closes it

    def begin_stream(self, command: bytes, path: bytes, version: bytes) -> None:
        """Start the application now. It is given what comes as messages; while it is behind, nothing more is read."""
        self.is_streamed = True
        super().requestReceived(command, path, version)
        if isinstance(self.application_queue, Inbox):
            self.application_queue.clear()  # Daphne takes what has come of the body for all of it

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802
        if not self.is_streamed:
            super().requestReceived(command, path, version)
            return
        self._is_read = True
        self._hand_on()

    def _hand_on(self) -> None:
        """One message with what was gathered, if the last one was taken: chunks of a byte each would be thousands."""
        inbox = self.application_queue
        if not isinstance(inbox, Inbox) or inbox.qsize() or not (self._gathered or self._is_read) or self._is_told:
            return
        self._is_told = self._is_read
        body, self._gathered = b"".join(self._gathered), []
        inbox.put_nowait({"type": "http.request", "body": body, "more_body": not self._is_read})

    def _stream_chunk(self, data: bytes) -> None:
        self._gathered.append(data)
        self._hand_on()
        self._body_bytes += len(data) + CHUNK_COST_BYTES
        if self._body_bytes > HELD_BODY_BYTES and not self._is_held_back:
            self._is_held_back = True
            self.channel.hold_back()

    def on_message_taken(self, left: int) -> None:
        """The application has taken a message; so many are left."""
        if not self.is_streamed or left:
            return
        self._hand_on()
        if self.application_queue.qsize():
            return
        self._body_bytes = 0
        if self._is_held_back and not self.finished and not self._disconnected:
            self._is_held_back = False
            self.channel.read_on()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if self.is_streamed:
            self._stream_chunk(data)
            return
        self._body_bytes += len(data)
        if self._body_bytes > self.channel.body_bytes:
            self.channel.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than what is taken.")
        elif not self.channel.refused:
            super().handleContentChunk(data)

    def process(self) -> Any:
        channel = self.channel
        # A client could set the application's root path by this header; it is meant for a proxy that we don't have.
        self.requestHeaders.removeHeader(ROOT_PATH)
        if channel.is_proxied:
            self.hold = channel.hold_behind_proxy(self.requestHeaders.getRawHeaders(b"x-forwarded-for", []))
            if self.hold is not None and self.hold.is_over:
                self.basic_error(HTTPStatus.TOO_MANY_REQUESTS, b"", "Too many connections from this address.")
                return None
        if self.requestHeaders.getRawHeaders(b"upgrade", [b""])[0].lower() != b"websocket":
            return super().process()
        headers: list[Header] = []
        for name, values in self.requestHeaders.getAllRawHeaders():
            if HEADER_NAME_RE.fullmatch(name) is None or any(map(INVALID_HEADER_VALUE_BYTES.intersection, values)):
                channel.refuse(HTTPStatus.BAD_REQUEST, "This is not a valid HTTP request.")
                return None
            headers += [(name.lower(), value) for value in values]
        hold, self.hold = self.hold, None
        self.server.protocol_disconnected(self)
        channel.hand_over(hold, self.method, self.uri, headers)
        return None

    def finish(self) -> None:
        self._release()
        if self._flow is not None:
            self.unregisterProducer()
        if self._is_cut_short:
            self.channel.cut_short()
        super().finish()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self._release()
        if self._flow is not None:
            self._flow.stopProducing()
        super().connectionLost(reason)

    @property
    def _is_cut_short(self) -> bool:
        """Whether it is answered before all of it was read: then the next one can't come on this connection."""
        return self.is_streamed and not self._is_read

    async def written(self) -> None:
        """Until the client has read most of what was written, or is gone; who reads nothing for long is put out."""
        if self._flow is None:
            return
        try:
            async with asyncio.timeout(STALLED_S):
                while not self.finished and not self._disconnected and self.channel.is_behind:
                    await self._flow.moved()
        except TimeoutError:
            if self.channel is not None:
                self.channel.transport.abortConnection()

    def _release(self) -> None:
        if self.hold is not None:
            self.hold.release()

    def on_application_ended(self, failed: bool) -> None:
        """The application is gone: answer for it, or cut an answer that it left half-said."""
        if self.finished or getattr(self, "channel", None) is None:
            return
        if self._response_started:
            self.channel.transport.abortConnection()
        else:
            self.basic_error(HTTPStatus.INTERNAL_SERVER_ERROR, b"", "Something went wrong on our side.")

    def handle_reply(self, message: Mapping[str, Any]) -> None:
        """One ASGI message of the application, or of our own: an answer says when it was made.

        An application that is about to go ends the connection, so that the next request is another's. Twisted itself
        only looks at what the client wants.
        """
        if message["type"] == "http.response.start":
            headers = message.get("headers") or ()
            if message.get("status") == HTTPStatus.SERVICE_UNAVAILABLE and CLOSE in headers:
                self.channel.persistent = False
            if self._is_cut_short:
                message = {**message, "headers": [*headers, CLOSE]}
                headers = message["headers"]
            if not has_header(headers, b"date"):
                message = {**message, "headers": [*headers, date_header()]}
        elif message.get("more_body") and self._flow is None and not self.finished and not self._disconnected:
            self._flow = Flow()
            self.registerProducer(self._flow, True)
        super().handle_reply(message)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Every answer that Daphne gives by itself, in the shape of the server's own errors."""
        if self._response_started:
            return
        retry_after_s = RETRY_AFTER_S if status in (429, 503) else None
        path, edge = self.path.decode("latin-1"), self.server.edge
        reply = error_reply(
            status,
            error_code(status),
            body,
            retry_after_s,
            *edge.headers(path, origin_of(self)),
            is_flat=edge.has_flat_errors(path),
        )
        for message in reply.messages():
            self.handle_reply(message)


def origin_of(request: Request) -> str:
    """The Origin header as far as the headers were read; "": none."""
    values = request.requestHeaders.getRawHeaders(b"origin", [b""])
    return bytes(values[-1]).decode("latin-1")


class Channel(HTTPChannel):
    """One HTTP connection: whose it is, how long it may take, and when it is refused.

    `deadline` (monotonic seconds, or None) is looked at by the server's sweep once a second.
    """

    requestFactory = Request  # noqa: N815  Twisted's name

    _path: bytes  # Twisted's, for as long as a request is read
    deadline: float | None = None
    refused = False
    is_proxied = False
    hold: Hold | None = None
    is_new = True
    _successor: Any = None
    _is_cut_short = False

    def connectionMade(self) -> None:  # noqa: N802
        self.server: ConnectionRules = self.factory.server
        super().connectionMade()
        peer = self.transport.getPeer()
        is_tcp = isinstance(peer, IPv4Address | IPv6Address)
        self.peer_host = normalise(peer.host) if is_tcp else ""
        if is_tcp:
            self.server.room.serve(self.transport)
        self.is_proxied = self.server.is_trusted(self.peer_host)
        self.made_at = time.monotonic()
        self.deadline = self.made_at + self.server.http_timings.header_timeout_s
        self.factory.channels.add(self)
        if not self.is_proxied:
            self.hold = self.server.counts.take(self.peer_host)
            if self.hold.is_far_over:
                self.transport.abortConnection()

    def connectionLost(self, reason: Any) -> None:  # noqa: N802
        self.factory.channels.discard(self)
        self.server.room.leave(self.transport)
        if self.hold is not None:
            self.hold.release()
        super().connectionLost(reason)

    def hold_behind_proxy(self, forwarded_for: Sequence[bytes]) -> Hold | None:
        """The request's own hold, of a client that a trusted proxy names; None: it names none but itself."""
        client = self.server.client_of(self.peer_host, b",".join(forwarded_for).decode("latin1"))
        return self.server.counts.take(client) if client != self.peer_host else None

    def hand_over(self, hold: Hold | None, method: bytes, target: bytes, headers: Sequence[Header]) -> None:
        """The connection is a WebSocket's from here on; what it holds goes with it, or the request's own `hold`."""
        # To many a framework a name with _ is the same as one with a hyphen, which a proxy may have checked.
        said = [each for each in headers if b"_" not in each[0] and each[0] != ROOT_PATH]
        self.factory.channels.discard(self)
        self.setTimeout(None)
        transport = self.transport
        own, self.hold = self.hold, None
        self.server.room.leave(transport)
        # Else this channel and its request stay alive for as long as the socket: as its producer, and as a circle.
        transport.unregisterProducer()
        self.requests.clear()
        self._successor = self.server.open_websocket(transport, own if hold is None else hold, method, target, said)

    def _open_websocket_at_once(self, data: bytes) -> bool:
        """Whether the first bytes are a whole handshake, as they mostly are: read line by line it takes ten times as
        long. Refusals are left to whoever reads it so.
        """
        found = usual_request(data)
        if found is None or (self.hold is not None and self.hold.is_over):
            return False
        hold = None
        if self.is_proxied:
            hold = self.hold_behind_proxy([value for name, value in found.headers if name == b"x-forwarded-for"])
            if hold is not None and hold.is_over:
                hold.release()
                return False
        self.hand_over(hold, b"GET", found.target, found.headers)
        if found.rest:
            self._successor.dataReceived(found.rest)
        return True

    # Receiving

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.refused:
            self._discard(len(data))
            return
        is_first, self.is_new = self.is_new, False
        if is_first and self._open_websocket_at_once(data):
            return
        if self.deadline is None and not self._handlingRequest and not self._is_streaming:
            self.deadline = time.monotonic() + self.server.http_timings.header_timeout_s
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> Any:  # noqa: N802
        return True if self.refused else super().lineReceived(line)

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802
        try:
            return bool(super().headerReceived(line))
        except ValueError:  # Python reads no number of thousands of digits, and Twisted does not expect that
            self._respondToBadRequestAndDisconnect()
            return False

    def rawDataReceived(self, data: bytes) -> Any:  # noqa: N802
        if self.refused:
            self._discard(len(data))
            return True
        if self._successor is not None:
            # It came with the request.
            return self._successor.dataReceived(data)
        return super().rawDataReceived(data)

    def allHeadersReceived(self) -> None:  # noqa: N802
        headers = self.requests[-1].requestHeaders
        if not self._is_well_addressed(headers):
            self.refuse(HTTPStatus.BAD_REQUEST, "This is not a valid HTTP request.")
            return
        encoding = headers.getRawHeaders(b"content-encoding", [b"identity"])[-1].strip().lower()
        if self.hold is not None and self.hold.is_over:
            self.refuse(HTTPStatus.TOO_MANY_REQUESTS, "Too many connections from this address.", RETRY_AFTER_S)
        elif encoding not in (b"", b"identity"):
            self.refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Encoded bodies are not taken.")
        elif self._may_stream(headers):
            # How much may come, and how slowly, is the application's to say, which begins now.
            self.deadline = None
            super().allHeadersReceived()
            self.requests[-1].begin_stream(self._command, self._path, self._version)
        elif self.length is not None and self.length > self.body_bytes:
            self.refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is larger than what is taken.")
        else:
            self.deadline = time.monotonic() + self.server.http_timings.body_timeout_s
            super().allHeadersReceived()

    @property
    def _is_streaming(self) -> bool:
        """Whether the body of a request comes whose application has begun."""
        return bool(self.requests) and self.requests[-1].is_streamed

    def _may_stream(self, headers: Headers) -> bool:
        is_meant = BodyBounds.is_streamed(self._command, self.asked_path)
        return is_meant and self.length != 0 and not headers.hasHeader(b"upgrade")

    def hold_back(self) -> None:
        """Read nothing more until read_on(): the client's own buffers hold the rest."""
        self._networkProducer.pauseProducing()

    def read_on(self) -> None:
        if not self._waitingForTransport:
            self._networkProducer.resumeProducing()

    @property
    def is_behind(self) -> bool:
        """Whether what was written waits for the client."""
        return bool(self._waitingForTransport)

    def cut_short(self) -> None:
        """The request that is being read is about to be answered: its connection ends with that."""
        self.persistent = False
        self._is_cut_short = True

    @property
    def asked_path(self) -> str:
        """Of the request that is read, as it was sent."""
        return self._path.partition(b"?")[0].decode("latin-1")

    @property
    def body_bytes(self) -> int:
        """So much the body of this request may have."""
        return BodyBounds(self.server.body_bytes).of(self.asked_path)

    def _is_well_addressed(self, headers: Headers) -> bool:
        """Whether it is clear which resource is meant, and where the body ends (RFC 9112: 3.2, 6.1).

        A target in absolute form becomes the usual one, and its host the Host header.
        """
        if [each.lower() for each in headers.getRawHeaders(b"transfer-encoding", [b"chunked"])] != [b"chunked"]:
            return False
        hosts = headers.getRawHeaders(b"host", [])
        if len(hosts) > 1 or (not hosts and self._version == b"HTTP/1.1"):
            return False
        if self._path.startswith(b"/") or self._path == b"*":
            return True
        absolute = ABSOLUTE_FORM.fullmatch(self._path)
        if absolute is None:
            return False
        target = absolute[2] or b"/"
        self._path = b"/" + target if target.startswith(b"?") else target
        headers.setRawHeaders(b"host", [absolute[1]])
        return True

    def allContentReceived(self) -> None:  # noqa: N802
        if not self.refused:
            self.deadline = None
            super().allContentReceived()

    def lineLengthExceeded(self, line: bytes) -> Any:  # noqa: N802
        if self._has_request_line:
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "A header is too long.")
        else:
            self.refuse(HTTPStatus.REQUEST_URI_TOO_LONG, "The path is too long.")
        return True

    @property
    def _has_request_line(self) -> bool:
        """Whether it is known what is asked for, and the request is still being read."""
        return hasattr(self, "_path")

    # Ending

    def checkPersistence(self, request: Request, version: bytes) -> bool:  # noqa: N802
        if self.factory.draining:
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return bool(super().checkPersistence(request, version))

    def loseConnection(self) -> None:  # noqa: N802
        if self._is_cut_short:
            self._half_close()
            return
        self.deadline = time.monotonic() + self.server.http_timings.closing_s
        super().loseConnection()

    def refuse(self, status: HTTPStatus, message: str, retry_after_s: int | None = None) -> None:
        """Answer, half-close, and read on for a moment without keeping anything; may be repeated."""
        if self.refused:
            return
        edge = self.server.edge
        path = self._path.partition(b"?")[0].decode("latin-1") if self._has_request_line else ""
        origin = origin_of(self.requests[-1]) if self.requests else ""
        self.transport.write(
            error_bytes(
                status,
                error_code(status),
                message,
                retry_after_s,
                *edge.headers(path, origin),
                is_flat=edge.has_flat_errors(path),
            )
        )
        self._half_close()

    def _half_close(self) -> None:
        self.refused = True
        self._discarded = 0
        self.deadline = time.monotonic() + LINGER_S
        self.transport.loseWriteConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            self.refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too large.")
        else:
            self.refuse(HTTPStatus.BAD_REQUEST, "This is not a valid HTTP request.")

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > LINGER_BYTES:
            self.transport.pauseProducing()  # the deadline ends it; until then the client's own buffers hold it back

    def on_deadline(self) -> None:
        """The time for what this connection was doing is over."""
        self.deadline = None
        if self.refused or self.transport.disconnecting:
            self.transport.abortConnection()
        elif self.requests:
            self.refuse(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.")
        else:
            self.transport.abortConnection()

    def is_busy(self, now: float) -> bool:
        """Whether a request is on its way, or may be: a client that has just connected is about to say something."""
        return bool(self.requests) or (self.is_new and now - self.made_at < ABOUT_TO_SPEAK_S)

    def close_if_idle(self) -> bool:
        """Close a kept-alive connection that is between two requests; whether it was."""
        idle = not self.requests and not self.refused
        if idle:
            self.loseConnection()
        return idle


class HTTPFactory(DaphneHTTPFactory):
    """Builds channels. Plain HTTP/1.1: what is negotiated by TLS is the business of a proxy in front."""

    protocol = Channel

    def __init__(self, server: ConnectionRules) -> None:
        super().__init__(server)
        self.timeOut = server.http_timings.keep_alive_s
        self.channels: set[Channel] = set()
        self.draining = False

    def startFactory(self) -> None:  # noqa: N802
        """Nothing: Twisted would format a line of an access log for each request, and a date each second."""

    stopFactory = startFactory  # noqa: N815

    def log(self, request: Request) -> None:
        """Nothing; see startFactory."""

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = Request
        return protocol

    def sweep(self, now: float) -> None:
        """Tell the channels whose time is over; `now` in monotonic seconds."""
        for channel in [found for found in self.channels if found.deadline is not None and found.deadline <= now]:
            try:
                channel.on_deadline()
            except Exception:
                logger.exception("a connection whose time is over can't be told so")
