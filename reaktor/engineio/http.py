"""Long-polling as a plain ASGI application: handshake, GET, POST, preflight.

A waiting GET is raced with `http.disconnect`, and packets are only taken once its client is known to be there.
Source: Engine.IO protocol, "HTTP long-polling".
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from reaktor.engineio.application import Refusal
from reaktor.engineio.engine import Engine, WorkerGoneError
from reaktor.engineio.engine_session import EngineSession
from reaktor.engineio.machine import Poll, State
from reaktor.engineio.packets import CloseReason, Packet, PayloadError
from reaktor.engineio.replies import TOO_LARGE, error_reply, refusal_reply, respond, respond_preflight
from reaktor.engineio.request import POLLING, EngineError, Request, RequestError, read_request
from reaktor.web.reply import Reply, bytes_reply
from reaktor.web.scope import Receive, Scope, Send, header, until_gone

# In capitals, as engine.io writes it.
TEXT_TYPE = b"text/plain; charset=UTF-8"
OCTETS_TYPE = b"application/octet-stream"
POSTED = bytes_reply(HTTPStatus.OK, b"text/html", b"ok")


class BodyTooLargeError(Exception):
    """A request body over the limit; not all of it was read."""


class ClientGoneError(Exception):
    """The client went away before its body was read."""


class HttpTransport:
    """The http side of an Engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        origins = self._engine.options.allowed_origins
        if scope["method"] == "OPTIONS":
            await respond_preflight(scope, send, origins)
            return
        try:
            request = read_request(scope, origins)
            owner, relay = self._engine.route(request, scope), self._engine.relay
            if owner is None or relay is None:
                reply = await self._serve(request, scope, receive)
            else:
                try:
                    await relay(owner, scope, receive, send)
                except WorkerGoneError:
                    relay.client_left(owner, request.sid or "")
                    raise
                return
        except RequestError as error:
            reply = error_reply(error.error)
        except WorkerGoneError:
            reply = error_reply(EngineError.UNKNOWN_SID)
        except ClientGoneError:
            return
        await respond(scope, send, reply, origins)

    async def _serve(self, request: Request, scope: Scope, receive: Receive) -> Reply:
        method = scope["method"]
        if request.sid is None:
            if method != "GET":
                raise RequestError(EngineError.BAD_METHOD)
            _check_transport(request)
            return await self._handshake(request)
        session = self._engine.find(request)
        _check_transport(request)
        if method == "GET":
            return await self._poll(session, request, receive)
        if method == "POST":
            return await self._post(session, scope, receive)
        raise RequestError(EngineError.BAD_REQUEST)

    async def _handshake(self, request: Request) -> Reply:
        opened = await self._engine.open(request)
        if isinstance(opened, Refusal):
            return refusal_reply(opened)
        # The open packet is queued, so this GET never waits.
        opened.begin_poll()
        return _answer(opened, request)

    async def _poll(self, session: EngineSession, request: Request, receive: Receive) -> Reply:
        verdict = session.begin_poll()
        if verdict is Poll.UNKNOWN:
            raise RequestError(EngineError.UNKNOWN_SID)
        if verdict in (Poll.REFUSED, Poll.OVERLAP):
            raise RequestError(EngineError.BAD_REQUEST)
        if verdict is Poll.WAIT and session.waiter is not None:
            await _wait_or_lose(session, session.waiter, receive)
        return _answer(session, request)

    async def _post(self, session: EngineSession, scope: Scope, receive: Receive) -> Reply:
        if session.machine.is_lingering:
            # It can't know yet; what it says is too late, but no error of its.
            return POSTED
        if not session.begin_post():
            # The session was upgraded or has just ended over this; closed long ago, it is unknown.
            is_unknown = session.is_closed and session.machine.reason is not CloseReason.OVERLAP
            raise RequestError(EngineError.UNKNOWN_SID if is_unknown else EngineError.BAD_REQUEST)
        packets: list[Packet] = []
        try:
            packets = await self._read_packets(session, scope, receive)
        except BodyTooLargeError:
            session.fail(CloseReason.TOO_LARGE)
            return TOO_LARGE
        except PayloadError:
            session.fail(CloseReason.MALFORMED)
            raise RequestError(EngineError.BAD_REQUEST) from None
        except ClientGoneError:
            session.fail(CloseReason.LOST)
            raise
        finally:
            session.end_post(packets)
        # A busy application makes its client wait with the next POST.
        await session.room()
        if session.machine.state is State.CLOSED and session.machine.reason in (
            CloseReason.MALFORMED,
            CloseReason.FLOOD,
        ):
            raise RequestError(EngineError.BAD_REQUEST)
        return POSTED

    async def _read_packets(self, session: EngineSession, scope: Scope, receive: Receive) -> list[Packet]:
        if (header(scope, b"content-encoding") or "identity").lower() != "identity":
            raise PayloadError("compressed bodies are not accepted")
        body = await read_body(scope, receive, self._engine.options.max_payload_bytes)
        is_binary = (header(scope, b"content-type") or "").split(";")[0].strip().lower() == OCTETS_TYPE.decode()
        return session.codec.decode_payload(
            body, is_binary=is_binary, max_packets=self._engine.options.max_packets_per_payload
        )


def _check_transport(request: Request) -> None:
    """A WebSocket needs an upgrade, which never comes here. JSONP is not served (docs/adr/0010-no-jsonp.md)."""
    if request.transport != POLLING or "j" in request.query:
        raise RequestError(EngineError.BAD_REQUEST)


def _answer(session: EngineSession, request: Request) -> Reply:
    allow_binary = session.request.allow_binary and request.allow_binary
    payload = session.codec.encode_payload(session.take_poll(), allow_binary=allow_binary)
    return bytes_reply(HTTPStatus.OK, OCTETS_TYPE if payload.is_binary else TEXT_TYPE, payload.body)


async def read_body(scope: Scope, receive: Receive, max_bytes: int) -> bytes:
    """The request's body. Raises BodyTooLargeError (by the announced length before reading), ClientGoneError."""
    announced = header(scope, b"content-length") or "0"
    if not announced.isascii() or not announced.isdigit() or int(announced[:15]) > max_bytes:
        raise BodyTooLargeError
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise BodyTooLargeError
        if not message.get("more_body", False):
            return bytes(body)


async def _wait_or_lose(session: EngineSession, waiter: asyncio.Future[None], receive: Receive) -> None:
    """Returns when there is an answer. Raises ClientGoneError when the client went first: nothing is taken then."""
    gone = asyncio.ensure_future(until_gone(receive))
    try:
        await asyncio.wait((waiter, gone), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        session.poll_lost()
        raise
    finally:
        if not gone.done():
            gone.cancel()
    if gone.done() and not gone.cancelled():
        session.poll_lost()
        raise ClientGoneError
