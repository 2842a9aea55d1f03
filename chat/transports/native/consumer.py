"""The native transport: one consumer per WebSocket on /ws/v1, which only translates frames into actions.

A Channels consumer with a loop of its own: no channel layer (the hub delivers) and no database hop per event (actions
have their own threads). Frames of one session are handled one after another. What waits for nothing, as message.send,
is handled as it is read, without a turn of the consumer's task, unless that is busy with an earlier frame.
Source: docs/protocol.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from channels.consumer import AsyncConsumer

from accounts.authentication import user_for_claims, verify_token
from chat import selectors
from chat.domain.events import Greeting
from chat.domain.ids import SessionId
from chat.domain.sessions import Ending, SessionInfo, Transport
from chat.live import actions
from chat.live.operations import check_rate, check_rate_here, too_many_refusals
from chat.live.revalidation import credentials_of
from chat.live.runtime import Runtime, current
from chat.posting.batches import Result
from chat.transports.native import handlers, moderation, protocol  # noqa: F401  handlers register themselves
from chat.transports.native.native_session import NativeSession
from chat.transports.native.protocol import BadFrameError, Request
from chat.transports.native.registry import AT_ONCE, HANDLERS
from chat.transports.native.schemas import HelloData
from chat.transports.native.sink import AsgiSink
from reaktor.errors import (
    BannedError,
    Bye,
    CloseCode,
    ErrorCode,
    InvalidError,
    NotAuthenticatedError,
    ReaktorError,
    TokenExpiredError,
    TooLargeError,
    bye_to_banned,
)
from reaktor.observe.logcontext import SESSION, SESSION_CHARS
from reaktor.web.close_codes import GOODBYES, LOST, NO_CODE
from reaktor.web.frame_sink import FrameSink, sink_of
from reaktor.web.message_source import offer_messages
from reaktor.web.origins import may_connect

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 3.0
"""How long a told client has for the closing handshake, before the connection is cut."""
CODE_OF_ERROR = {
    ErrorCode.NOT_AUTHENTICATED: CloseCode.NOT_AUTHENTICATED,
    ErrorCode.BANNED: CloseCode.BANNED,
    ErrorCode.TOO_MANY_SESSIONS: CloseCode.TOO_MANY_SESSIONS,
    ErrorCode.RATE_LIMITED: CloseCode.RATE_LIMITED,
    ErrorCode.UNAVAILABLE: CloseCode.RESTARTING,
}
"""How a hello that fails ends its connection; anything else is a protocol error."""


def _code_of(error: ReaktorError) -> CloseCode:
    # Its client may come back by itself: with another token, not with another log-in.
    if isinstance(error, TokenExpiredError):
        return CloseCode.TOKEN_EXPIRED
    return CODE_OF_ERROR.get(error.code, CloseCode.PROTOCOL_ERROR)


class _EndError(Exception):
    """Ends the connection before there is a session, with this reason."""

    def __init__(self, bye: Bye) -> None:
        self.bye = bye
        super().__init__(bye.text)


class _GoneError(Exception):
    """The client's connection is gone."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(str(code))


class NativeConsumer(AsyncConsumer):
    """One connection: accepted, greeted, served until it ends."""

    runtime: Runtime
    sink: FrameSink

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[dict[str, Any]]],
        send: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        """ASGI. Unlike Channels' own, this starts no task and makes no database call per event."""
        self.scope = scope
        self._receive = receive
        self._send_asgi = send
        self._session: NativeSession | None = None
        self._bad_frames = 0
        async with asyncio.TaskGroup() as self._tasks:
            code = LOST
            try:
                await self._serve()
            except _GoneError as gone:
                code = gone.code
            finally:
                if self._session is not None:
                    self.runtime.disconnect(self._session, Ending.GOODBYE if code in GOODBYES else Ending.LOST)
                self._stop_tasks()

    def _stop_tasks(self) -> None:
        for task in self._own_tasks:
            task.cancel()

    # -- The connection ---------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        self._own_tasks: list[asyncio.Task[None]] = []
        await self._receive()  # websocket.connect
        offered = self.scope.get("subprotocols") or []
        accepted = protocol.SUBPROTOCOL if protocol.SUBPROTOCOL in offered else None
        await self._send_asgi({"type": "websocket.accept", "subprotocol": accepted})
        self.sink = self._make_sink()
        try:
            self._check_connection(accepted)
            await self._greet()
        except _EndError as end:
            self.sink.write(protocol.bye(end.bye))
            await self._finish(end.bye.code)
            return
        offer_messages(self.scope, lambda message: self._begin(message) is None)
        while True:
            request = self._begin(await self._next_message())
            if request is not None:
                await self._handle(request)

    def _make_sink(self) -> FrameSink:
        ready_made = sink_of(self.scope)
        if ready_made is not None:
            return ready_made
        sink = AsgiSink(self._send_asgi)
        self._own(sink.run())
        return sink

    def _own(self, coroutine: Any) -> None:
        self._own_tasks.append(self._tasks.create_task(coroutine))

    def _check_connection(self, accepted: str | None) -> None:
        """Version, runtime, origin: refused in words after accepting, since a browser sees nothing before."""
        if accepted is None:
            raise _EndError(Bye(CloseCode.VERSION, f"offer the subprotocol {protocol.SUBPROTOCOL}"))
        runtime = current()
        if runtime is None or runtime.is_draining:
            raise _EndError(Bye(CloseCode.RESTARTING, retry_after_s=1.0))
        self.runtime = runtime
        if not may_connect(self.scope, runtime.config.web.origins):
            raise _EndError(Bye(CloseCode.ORIGIN))

    async def _next_message(self) -> str | bytes:
        """What the client says next. Raises _GoneError."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            raise _GoneError(event.get("code") or NO_CODE)
        text: str | None = event.get("text")
        return bytes(event["bytes"]) if text is None else text

    async def _finish(self, code: CloseCode) -> None:
        """Close, and cut the connection when the client does not answer. The receive loop ends by its disconnect."""
        if isinstance(self.sink, AsgiSink):
            await self.sink.flushed(CLOSE_TIMEOUT_S)
        await self._send_asgi({"type": "websocket.close", "code": int(code)})
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if self._session is None:
                    while (await self._receive())["type"] != "websocket.disconnect":
                        pass
                    return
                await asyncio.Event().wait()
        self.sink.abort()

    # -- Hello ------------------------------------------------------------------------------------------------

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(self.runtime.config.native.hello_timeout_s):
                request = await self._read_hello()
        except TimeoutError:
            raise _EndError(Bye(CloseCode.NO_HELLO)) from None
        try:
            async with self.runtime.arrivals.place():
                if not self.sink.is_open:
                    raise _GoneError(LOST)  # it waited for too long; nobody is there to be greeted
                await self._start_session(request)
        except ReaktorError as error:
            self.sink.write(protocol.refusal(request.id, error))
            code = _code_of(error)
            if isinstance(error, BannedError):
                raise _EndError(bye_to_banned(error)) from None
            retry_after_s = error.retry_after_s if code.may_come_back else None
            raise _EndError(Bye(code, error.message, retry_after_s)) from None

    async def _read_hello(self) -> Request:
        while True:
            request = self._parse(await self._next_message())
            if request is None:
                continue
            if request.name == "hello":
                return request
            if request.name != "pong":
                self._on_bad_frame(BadFrameError(NotAuthenticatedError("Say hello first."), request.id))

    async def _start_session(self, request: Request) -> None:
        claims = verify_token(self._token(request))
        self.runtime.rates.check_may_come(claims.user_id)
        cursors = request.data["resume"]
        start = await actions.load_start(self.runtime, claims, cursors)
        user = start.user
        info = SessionInfo(
            session_id=SessionId(secrets.token_urlsafe(16)),
            user_id=selectors.user_ref(user).id,
            username=user.username,
            worker=self.runtime.worker,
            transport=Transport.NATIVE,
            since=time.time(),
            address=(self.scope.get("client") or [""])[0],
            login=str(claims.login),
        )
        SESSION.set(info.session_id[:SESSION_CHARS])
        session = NativeSession(
            info,
            selectors.user_ref(user),
            self.sink,
            expires_at=claims.expires_at,
            limits=self.runtime.config.limits,
            timings=self.runtime.config.native,
            on_close=self._on_close,
            credentials=credentials_of(claims),
        )
        self._session = session

        def respond(greeting: Greeting) -> None:
            data: HelloData = {
                "session": info.session_id,
                "user": selectors.user_data(user),
                "expires_at": session.expires_at,
                "epoch": greeting["epoch"],
                "limits": _limits(self.runtime),
                "channels": greeting["channels"],
                "channels_left": greeting["channels_left"],
                "resume": greeting["resume"],
            }
            self.runtime.hub.send(session, protocol.answer(request.id, data))

        try:
            verify = partial(user_for_claims, claims)
            await actions.connect(self.runtime, session, verify, start, cursors, respond)
        except ReaktorError:
            if not session.is_open:
                return  # it was ended meanwhile, and told why; what is left is the closing handshake
            self._session = None
            raise

    def _token(self, request: Request) -> str:
        """From the frame, or the second subprotocol entry (never echoed)."""
        if (token := request.data["token"]) is not None:
            return str(token)
        for offered in self.scope.get("subprotocols") or []:
            if offered.startswith(protocol.BEARER_PREFIX):
                return str(offered.removeprefix(protocol.BEARER_PREFIX))
        raise NotAuthenticatedError

    def _on_close(self, bye: Bye) -> None:
        """The session was told why; end its membership now, its connection as soon as the client lets us."""
        if self._session is not None:
            self.runtime.disconnect(self._session, Ending.GOODBYE)
        self._own(self._finish(bye.code))

    # -- Requests ---------------------------------------------------------------------------------------------

    def _parse(self, text: str | bytes) -> Request | None:
        """A request, or None after answering a frame that is none."""
        limit = self.runtime.config.limits.frame_bytes
        try:
            if isinstance(text, bytes):
                raise BadFrameError(InvalidError("Frames are text."))
            if len(text) > limit or len(text.encode(errors="surrogatepass")) > limit:
                raise BadFrameError(TooLargeError(f"A frame has at most {limit} bytes."))
            return protocol.parse(text)
        except BadFrameError as bad:
            self._on_bad_frame(bad)
            return None

    def _on_bad_frame(self, bad: BadFrameError) -> None:
        self._bad_frames += 1
        self._write(protocol.refusal(bad.request_id, bad.error))
        if self._bad_frames < self.runtime.config.limits.bad_frames:
            return
        ended = Bye(CloseCode.PROTOCOL_ERROR, "too many bad frames")
        if self._session is None:
            raise _EndError(ended)
        self._session.close(ended)

    def _write(self, frame: bytes) -> None:
        if self._session is None:
            self.sink.write(frame)
        else:
            self.runtime.hub.send(self._session, frame)

    def _begin(self, message: str | bytes) -> Request | None:
        """Handle a message, if nothing of it has to wait; else the request in it, for which nothing was done yet."""
        session = self._session
        if session is None or not session.is_open:
            return None
        session.seen()
        request = self._parse(message)
        if request is None or request.name == "pong":
            return None
        handler = AT_ONCE.get(request.name)
        if handler is None:
            return request
        try:
            check_rate_here(self.runtime, session, request.name)
            handler(self, session, request)
        except Exception as error:  # noqa: BLE001  the client is told, and goes on
            self._on_error(session, request, error)
        return None

    async def _handle(self, request: Request) -> None:
        session = self._session
        if session is None:
            return
        try:
            await check_rate(self.runtime, session, request.name)
            await HANDLERS[request.name](self, session, request)
        except Exception as error:  # noqa: BLE001  as above
            self._on_error(session, request, error)

    def _on_error(self, session: NativeSession, request: Request, error: Exception) -> None:
        if isinstance(error, ReaktorError):
            self._refuse(session, request, error)
        else:
            logger.error("native: %s failed", request.name, exc_info=error)
            self._write(protocol.refusal(request.id, ReaktorError()))

    def _refuse(self, session: NativeSession, request: Request, error: ReaktorError) -> None:
        self._write(protocol.refusal(request.id, error))
        if (bye := too_many_refusals(self.runtime, session, error)) is not None:
            session.close(bye)

    def answer(self, request: Request, data: Any) -> None:
        self._write(protocol.answer(request.id, data))

    def answer_stored(self, request: Request, result: Result) -> None:
        if isinstance(result, ReaktorError):
            if self._session is not None:
                self._refuse(self._session, request, result)
            return
        message = result.message
        data: dict[str, Any] = {key: message[key] for key in ("id", "number", "flow", "seq", "created_at")}
        if message["mentions"]:
            data["mentions"] = message["mentions"]
        if "thread_info" in message:
            data["thread_info"] = message["thread_info"]
        if result.is_duplicate:
            data["duplicate"] = True
        self._write(protocol.answer(request.id, data))


def _limits(runtime: Runtime) -> dict[str, int]:
    """What a client should know before it runs into it."""
    limits = runtime.config.limits
    return {
        "frame_bytes": limits.frame_bytes,
        "text_chars": limits.text_chars,
        "channels_per_session": limits.channels_per_session,
        "sessions_per_user": limits.sessions_per_user,
    }
