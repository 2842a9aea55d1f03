"""HTTP answers of Engine.IO: never empty, never cached, with the headers that browsers need to read them. Pure.

Clients of 1.x and 2.x always send credentials, so an origin is echoed: `*` would be useless to them.
Source: Engine.IO protocol, "HTTP long-polling"; Fetch standard, "CORS protocol".
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from reaktor.engineio.application import Refusal
from reaktor.engineio.request import EngineError, Scope, header, is_origin_allowed

Send = Callable[[dict[str, Any]], Awaitable[None]]
JSON_TYPE = "application/json"
PREFLIGHT_MAX_AGE_S = 600
# Request headers beyond the safelisted ones that a page may send.
_ALLOWED_HEADERS = {"content-type": "Content-Type", "authorization": "Authorization"}


@dataclass(frozen=True, slots=True)
class Response:
    """Status, content type and body of an answer."""

    status: int
    content_type: str
    body: bytes


def error_response(error: EngineError) -> Response:
    """A numbered error."""
    return Response(error.status, JSON_TYPE, error.body)


def refusal_response(refusal: Refusal) -> Response:
    """The application's own refusal."""
    return Response(refusal.status, JSON_TYPE, json.dumps(refusal.body, separators=(",", ":")).encode())


TOO_LARGE = Response(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, JSON_TYPE, b'{"code":3,"message":"Payload too large"}')


async def respond(scope: Scope, send: Send, response: Response, allowed_origins: tuple[str, ...]) -> None:
    """Send one whole answer."""
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *cors_headers(scope, allowed_origins),
    ]
    agent = header(scope, b"user-agent") or ""
    if ";MSIE" in agent or "Trident/" in agent:
        # Its filter would take parts of a long answer for an attack and blank them.
        headers.append((b"x-xss-protection", b"0"))
    await send({"type": "http.response.start", "status": int(response.status), "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def cors_headers(scope: Scope, allowed_origins: tuple[str, ...]) -> list[tuple[bytes, bytes]]:
    """What lets a page of an allowed origin read the answer; nothing for any other."""
    origin = header(scope, b"origin")
    if origin is None:
        return [(b"access-control-allow-origin", b"*")]
    if not is_origin_allowed(origin, allowed_origins):
        return [(b"vary", b"Origin")]
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


async def respond_preflight(scope: Scope, send: Send, allowed_origins: tuple[str, ...]) -> None:
    """The answer to OPTIONS: happens for octet-stream bodies and for a page's own headers."""
    is_allowed = is_origin_allowed(header(scope, b"origin"), allowed_origins)
    asked = (header(scope, b"access-control-request-headers") or "").lower().replace(" ", "").split(",")
    names = [_ALLOWED_HEADERS["content-type"]]
    if "authorization" in asked:
        names.append(_ALLOWED_HEADERS["authorization"])
    headers = cors_headers(scope, allowed_origins)
    if is_allowed:
        headers += [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", ", ".join(names).encode()),
            (b"access-control-max-age", str(PREFLIGHT_MAX_AGE_S).encode()),
        ]
    status = HTTPStatus.OK if is_allowed else HTTPStatus.FORBIDDEN
    await send({"type": "http.response.start", "status": int(status), "headers": [*headers, (b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
