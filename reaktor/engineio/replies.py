"""HTTP answers of Engine.IO: never empty, never cached, with the headers that browsers need to read them. Pure.

Clients of 1.x and 2.x always send credentials, so an origin is echoed: `*` would be useless to them.
Source: Engine.IO protocol, "HTTP long-polling"; Fetch standard, "CORS protocol".
"""

from __future__ import annotations

import json
from http import HTTPStatus

from reaktor.engineio.application import Refusal
from reaktor.engineio.request import EngineError
from reaktor.hosts import is_allowed_origin
from reaktor.web.reply import JSON_TYPE, NO_STORE, Header, Reply, bytes_reply
from reaktor.web.scope import Scope, Send, header

PREFLIGHT_MAX_AGE_S = 600


def error_reply(error: EngineError) -> Reply:
    """A numbered error."""
    return bytes_reply(error.status, JSON_TYPE, error.body)


def refusal_reply(refusal: Refusal) -> Reply:
    """The application's own refusal."""
    return bytes_reply(refusal.status, JSON_TYPE, json.dumps(refusal.body, separators=(",", ":")).encode())


TOO_LARGE = bytes_reply(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, JSON_TYPE, b'{"code":3,"message":"Payload too large"}')


async def respond(scope: Scope, send: Send, reply: Reply, allowed_origins: tuple[str, ...]) -> None:
    """Send one whole answer, with what all answers of Engine.IO say."""
    headers = [
        *reply.headers,
        (b"content-length", b"%d" % len(reply.body)),
        NO_STORE,
        (b"x-content-type-options", b"nosniff"),
        *cors_headers(scope, allowed_origins),
    ]
    agent = header(scope, b"user-agent") or ""
    if ";MSIE" in agent or "Trident/" in agent:
        # Its filter would take parts of a long answer for an attack and blank them.
        headers.append((b"x-xss-protection", b"0"))
    await Reply(reply.status, headers, reply.body).send(scope, send)


def cors_headers(scope: Scope, allowed_origins: tuple[str, ...]) -> list[Header]:
    """What lets a page of an allowed origin read the answer; nothing for any other."""
    origin = header(scope, b"origin")
    if origin is None:
        return [(b"access-control-allow-origin", b"*")]
    if not is_allowed_origin(origin, allowed_origins):
        return [(b"vary", b"Origin")]
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


async def respond_preflight(scope: Scope, send: Send, allowed_origins: tuple[str, ...]) -> None:
    """The answer to OPTIONS: happens for octet-stream bodies and for a page's own headers, whichever these are."""
    is_allowed = is_allowed_origin(header(scope, b"origin"), allowed_origins)
    asked = header(scope, b"access-control-request-headers") or "Content-Type"
    headers = cors_headers(scope, allowed_origins)
    if is_allowed:
        headers += [
            (b"access-control-allow-methods", b"GET, POST"),
            (b"access-control-allow-headers", asked.encode("latin-1")),
            (b"access-control-max-age", b"%d" % PREFLIGHT_MAX_AGE_S),
        ]
    status = HTTPStatus.OK if is_allowed else HTTPStatus.FORBIDDEN
    await Reply(status, [*headers, (b"content-length", b"0")]).send(scope, send)
