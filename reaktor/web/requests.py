"""Gives each request its id, says it and the date in the answer, and writes the access log where one is wanted.

An ASGI application around the whole of reaktor.asgi. The id is the one that a trusted proxy sent as X-Request-ID
(reaktor.cluster.daphne decides who is trusted, and leaves it in the scope), else a new one. Requests that are handed to
another worker take it along.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from urllib.parse import quote

from reaktor.observe.logcontext import REQUEST_ID, SESSION, new_request_id
from reaktor.web.close_codes import NORMAL
from reaktor.web.edge import NOSNIFF, date_header
from reaktor.web.reply import Header
from reaktor.web.scope import Receive, Send

logger = logging.getLogger("reaktor.access")

HEADER = b"x-request-id"
TRUSTED_ID = "reaktor.request_id"
"""Where a scope holds the id that a trusted proxy gave."""


class Requests:
    """One per process. `access_log`: a line for each HTTP request, and for each WebSocket at its end.

    `safety`: headers that keep browsers safe, for answers that do not bring their own.
    """

    def __init__(
        self,
        application: Callable[..., Awaitable[None]],
        *,
        access_log: bool,
        safety: Sequence[Header] = (NOSNIFF,),
    ) -> None:
        self._application = application
        self._access_log = access_log
        self._safety = safety

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        request_id = scope.get(TRUSTED_ID) or new_request_id()
        REQUEST_ID.set(request_id)
        SESSION.set("")
        header = (HEADER, request_id.encode("ascii"))
        scope["headers"] = [*(each for each in scope.get("headers", ()) if each[0] != HEADER), header]
        started = time.monotonic()
        outcome: int | str = "gone"

        async def send_with_id(message: dict[str, Any]) -> None:
            nonlocal outcome
            if message["type"] == "http.response.start":
                outcome = message["status"]
                headers = [*_without_id(message.get("headers", ())), header]
                message = {**message, "headers": _completed(headers, (date_header(), *self._safety))}
            elif message["type"] == "websocket.http.response.start":
                message = {**message, "headers": _completed([*message.get("headers", ())], self._safety)}
            elif message["type"] == "websocket.accept":
                outcome = "accepted"
            elif message["type"] == "websocket.close":
                outcome = message.get("code", NORMAL)
            try:
                await send(message)
            except RuntimeError as error:
                if not _says_closed(error):
                    raise

        try:
            await self._application(scope, receive, send_with_id)
        finally:
            if self._access_log:
                _log(scope, outcome, time.monotonic() - started)


def _says_closed(error: RuntimeError) -> bool:
    """Daphne's own server raises while a socket closes. What is sent then is dropped, as by ours."""
    from autobahn.exception import Disconnected  # has a megabyte of its own, and our server doesn't need it

    return isinstance(error, Disconnected)


def _completed(headers: list[Header], wanted: Sequence[Header]) -> list[Header]:
    """With those that are wanted and not there."""
    names = {name.lower() for name, _ in headers}
    return headers + [each for each in wanted if each[0] not in names]


def _without_id(headers: Iterable[Header]) -> list[Header]:
    """The answer of another worker says the id already."""
    return [each for each in headers if each[0].lower() != HEADER]


def _log(scope: dict[str, Any], outcome: int | str, seconds: float) -> None:
    """Without the query: tokens travel in it. The path as it was asked for: decoded it may hold a whole forged line."""
    client = (scope.get("client") or ["-"])[0]
    path = quote(scope["path"], errors="surrogatepass")
    logger.info("%s %s %s %s %.0f ms", client, scope.get("method", "WEBSOCKET"), path, outcome, seconds * 1000)
