"""Django as an ASGI application that runs whole requests in a bounded pool of threads.

Django's own handler hops to a thread for every middleware, and gives every request a new thread and a new database
connection (measured: 60 histories a second where this does hundreds). Here one hop runs everything, the threads and
their connections stay, and what does not fit is refused with 503 at once. Requests never run on the loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO

from django.core import signals
from django.core.exceptions import RequestDataTooBig
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

from reaktor.errors import InvalidError, TooLargeError, UnavailableError
from reaktor.observe.logcontext import run_in_context
from reaktor.owned import Job
from reaktor.web.bodies import BodyBounds
from reaktor.web.edge import Edge
from reaktor.web.refusals import refusal
from reaktor.web.reply import Header, Reply
from reaktor.web.rest import json_error
from reaktor.web.scope import PEER, Receive, Scope, Send
from reaktor.web.turns import Turns

logger = logging.getLogger(__name__)

LARGE_AT_ONCE = 4


class ThreadHandler(BaseHandler):
    """Django's request handling, synchronous from end to end."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()

    def answer(self, scope: Scope, body: bytes) -> Reply:
        """Run one request in this thread. Never raises: what no handler foresaw is a 500."""
        set_script_prefix(scope.get("root_path", "") or "/")
        signals.request_started.send(sender=self.__class__, scope=scope)
        response = self._response(scope, body)
        try:
            parts: Iterable[bytes] = response if response.streaming else [response.content]  # type: ignore[attr-defined]
            return Reply(response.status_code, encoded_headers(response), b"".join(parts))
        finally:
            # Sends request_finished, which gives back database connections that are broken or too old.
            response.close()

    def _response(self, scope: Scope, body: bytes) -> HttpResponseBase:
        try:
            request = ASGIRequest(scope, BytesIO(body))
        except UnicodeDecodeError:
            return json_error(InvalidError("The path is not valid UTF-8."))
        except RequestDataTooBig:
            return json_error(TooLargeError())
        # A body sent in chunks has no length of its own, and DRF would take it for none.
        request.META["CONTENT_LENGTH"] = str(len(body))
        response = self.get_response(request)
        response._handler_class = self.__class__  # type: ignore[attr-defined]  # as Django's own handlers do
        return response


def encoded_headers(response: HttpResponseBase) -> list[Header]:
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    cookies = (cookie.output(header="").strip().encode("ascii") for cookie in response.cookies.values())
    return headers + [(b"Set-Cookie", cookie) for cookie in cookies]


class ThreadedDjango:
    """Scopes of type http. `threads` requests run, of one peer `per_peer` (None: all), `waiting` wait, the rest are
    refused. The peer is what a Gate has noted in the scope.

    `max_body_bytes` bounds what is read of a usual body; more is 413 without a look at it. Of the large ones
    (reaktor.web.bodies) LARGE_AT_ONCE are in memory, the others are refused. `edge`: what a refusal carries.
    """

    def __init__(
        self,
        *,
        threads: int,
        waiting: int,
        max_body_bytes: int,
        per_peer: int | None = None,
        edge: Edge | None = None,
    ) -> None:
        self._answer: Callable[[Scope, bytes], Reply] = ThreadHandler().answer
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="rest")
        self._turns = Turns(running=threads, per_peer=per_peer or threads, waiting=waiting)
        self._bounds = BodyBounds(max_body_bytes)
        self._large = 0
        self._edge = edge or Edge()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_large = BodyBounds.is_large(scope["path"])
        if is_large and self._large >= LARGE_AT_ONCE:
            await refusal(UnavailableError("Too many pictures at once."), scope, self._edge).send(scope, send)
            return
        self._large += is_large
        try:
            most = self._bounds.of(scope["path"])
            body = await self._body(receive, most)
            if body is not None:
                await (await self._run(scope, body, most)).send(scope, send)
        finally:
            self._large -= is_large

    async def _run(self, scope: Scope, body: bytes, most: int) -> Reply:
        if len(body) > most:
            error = TooLargeError(f"A request body has at most {most} bytes.")
            return refusal(error, scope, self._edge)
        peer = scope.get(PEER, "")
        try:
            await self._turns.take(peer)
        except UnavailableError as busy:
            return refusal(busy, scope, self._edge)
        job = Job(run_in_context(self._answer, scope, body))
        future = asyncio.get_running_loop().run_in_executor(self._executor, job)
        # The client may go away before its thread is done: the turn is taken for as long as the thread is.
        future.add_done_callback(partial(self._done, peer))
        try:
            reply = await asyncio.shield(future)
        except asyncio.CancelledError:
            job.cancel()
            raise
        assert reply is not None  # noqa: S101  None is the answer of a cancelled job, which nobody waits for
        return reply

    def _done(self, peer: str, future: asyncio.Future[Reply | None]) -> None:
        self._turns.give_back(peer)
        if not future.cancelled():
            future.exception()  # asked for, since whoever waited may be gone: asyncio would log it as an error

    async def _body(self, receive: Receive, most: int) -> bytes | None:
        """The body, or a little more than the bound of it; None when the client went away."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            chunk = message.get("body", b"")
            size += len(chunk)
            chunks.append(chunk)
            if not message.get("more_body", False) or size > most:
                return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def close(self) -> None:
        """For tests: end the threads as they become idle. Those of a server end with its process."""
        self._executor.shutdown(wait=False, cancel_futures=True)
