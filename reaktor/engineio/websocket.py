"""The WebSocket transport as a plain ASGI application: a session's first socket, or one that takes over from polling.

Refused before accept, but for an upgrade that comes twice or too late: that one is accepted and closed.
Source: Engine.IO protocol, "WebSocket", "Upgrade".
"""

from __future__ import annotations

from reaktor.engineio.application import Refusal
from reaktor.engineio.engine import Engine, WorkerGoneError
from reaktor.engineio.engine_session import EngineSession
from reaktor.engineio.packets import CloseReason, Codec, PayloadError
from reaktor.engineio.pipe import Pipe
from reaktor.engineio.request import WEBSOCKET, EngineError, Request, RequestError, read_request
from reaktor.engineio.sounding import Sounding
from reaktor.web.close_codes import GOODBYES, NO_CODE, NORMAL
from reaktor.web.frame_sink import sink_of
from reaktor.web.message_source import offer_messages, tell_of_pongs
from reaktor.web.scope import Receive, Scope, Send, came_privately

# UTF-8 takes at most so many bytes for a character.
_MAX_BYTES_PER_CHARACTER = 4


class WebSocketTransport:
    """The websocket side of an Engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket until it is closed."""
        try:
            request = read_request(scope, self._engine.options.allowed_origins)
            if (owner := self._engine.route(request, scope)) is not None and self._engine.relay is not None:
                await self._engine.relay(owner, scope, receive, send)
                return
            if request.sid is None:
                await self._open(request, scope, receive, send)
            else:
                await self._upgrade(request, scope, receive, send)
        except (RequestError, WorkerGoneError):
            await send({"type": "websocket.close", "code": NORMAL})

    async def _open(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        if request.transport != WEBSOCKET:
            raise RequestError(EngineError.BAD_REQUEST)
        await receive()
        session = await self._engine.open(request)
        if isinstance(session, Refusal):
            raise RequestError(EngineError.FORBIDDEN)
        await send({"type": "websocket.accept"})
        pipe = self._pipe(session.codec, request, scope, send)
        session.attach(pipe)
        await self._read(session, pipe, scope, receive)

    async def _upgrade(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        session = self._engine.find(request)
        if request.transport != WEBSOCKET:
            raise RequestError(EngineError.BAD_REQUEST)
        await receive()
        await send({"type": "websocket.accept"})
        pipe = self._pipe(session.codec, request, scope, send)
        if not session.open_probe(pipe):
            pipe.close()
            return
        await self._read(session, pipe, scope, receive)

    def _pipe(self, codec: Codec, request: Request, scope: Scope, send: Send) -> Pipe:
        sink = sink_of(scope)
        sounding = Sounding(self._engine.clock()) if sink is not None and came_privately(scope) else None
        if sounding is not None:
            tell_of_pongs(scope, sounding.heard)
        return Pipe(codec, send, sink, self._engine.tasks, allow_binary=request.allow_binary, sounding=sounding)

    async def _read(self, session: EngineSession, pipe: Pipe, scope: Scope, receive: Receive) -> None:
        """Hand over what the socket says until it is gone. Cancelled: the server stops, the client is not to blame."""

        def take_at_once(message: str | bytes) -> bool:
            if session.has_room:
                self._take(session, pipe, message)
                return True
            return False

        reason = CloseReason.LOST
        try:
            offer_messages(scope, take_at_once)
            while True:
                event = await receive()
                if event["type"] == "websocket.disconnect":
                    if event.get("code", NO_CODE) in GOODBYES:
                        reason = CloseReason.CLIENT
                    return
                text: str | None = event.get("text")
                self._take(session, pipe, event["bytes"] if text is None else text)
                await session.room()
        finally:
            session.on_socket_lost(pipe, reason)

    def _take(self, session: EngineSession, pipe: Pipe, message: str | bytes) -> None:
        if _is_larger(message, self._engine.options.max_payload_bytes):
            session.on_socket_junk(pipe, CloseReason.TOO_LARGE)
            return
        try:
            packet = session.codec.decode_frame(message)
        except PayloadError:
            session.on_socket_junk(pipe, CloseReason.MALFORMED)
            return
        session.on_socket_packet(packet, pipe)


def _is_larger(message: str | bytes, max_bytes: int) -> bool:
    if isinstance(message, bytes) or len(message) * _MAX_BYTES_PER_CHARACTER <= max_bytes or len(message) > max_bytes:
        return len(message) > max_bytes
    return len(message.encode("utf-8", "surrogatepass")) > max_bytes
