"""Errors that the server answers with by itself, before an application is asked: as a Reply, as bytes, or over ASGI.

The body has the shape of every other error of the server. http_bytes() is the one place that writes an HTTP/1.1
answer out, for connections that no protocol has read from yet. Pure but for the date.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from reaktor.errors import ErrorCode
from reaktor.web.edge import Edge, date_header
from reaktor.web.reply import JSON_TYPE, NO_STORE, Header, Reply
from reaktor.web.scope import DENIAL_EXTENSION, Receive, Scope, Send

RETRY_AFTER_S = 5
CLOSE: Header = (b"connection", b"close")


def error_reply(
    status: int,
    code: ErrorCode,
    message: str,
    retry_after_s: int | None = None,
    *headers: Header,
    is_flat: bool = False,
) -> Reply:
    """The answer that tells a client of an error; `headers` beside those that belong to it.

    `is_flat`: in the shape of the seed contract.
    """
    error: dict[str, object] = {"code": code.value, "message": message}
    if retry_after_s is not None:
        error["retry_after"] = retry_after_s
    body = json.dumps({"error": message, "code": code.value} if is_flat else {"error": error}).encode()
    said: list[Header] = [(b"content-type", JSON_TYPE), (b"content-length", b"%d" % len(body)), *headers]
    if retry_after_s is not None:
        said.append((b"retry-after", b"%d" % retry_after_s))
    return Reply(status, said, body)


def error_bytes(
    status: HTTPStatus,
    code: ErrorCode,
    message: str,
    retry_after_s: int | None = None,
    *headers: Header,
    is_flat: bool = False,
) -> bytes:
    """The same as bytes, dated, for a connection that ends with it."""
    ending = (date_header(), NO_STORE, CLOSE)
    return http_bytes(error_reply(status, code, message, retry_after_s, *ending, *headers, is_flat=is_flat))


def http_bytes(reply: Reply) -> bytes:
    """Status line, headers and body of an HTTP/1.1 answer; its headers must give its length."""
    status = HTTPStatus(reply.status)
    lines = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    lines += [name.title() + b": " + value for name, value in reply.headers]
    return b"\r\n".join([*lines, b"", reply.body])


async def refuse_scope(scope: Scope, receive: Receive, send: Send, edge: Edge) -> None:
    """Answer an ASGI request or WebSocket for an application that is not there: 503, and the connection ends."""
    path = scope["path"]
    origin = next((value for name, value in scope.get("headers") or () if name == b"origin"), b"").decode("latin-1")
    reply = error_reply(
        HTTPStatus.SERVICE_UNAVAILABLE,
        ErrorCode.UNAVAILABLE,
        "The server is restarting.",
        RETRY_AFTER_S,
        *(NO_STORE, CLOSE, *edge.headers(path, origin)),
        is_flat=edge.has_flat_errors(path),
    )
    if scope["type"] != "websocket":
        await reply.send(scope, send)
        return
    await receive()
    if DENIAL_EXTENSION not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    for message in reply.messages():
        await send({**message, "type": f"websocket.{message['type']}"})
