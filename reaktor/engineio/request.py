"""One request to Engine.IO, read from an ASGI scope and checked; and the numbered errors it may end in. Pure.

The order of the checks is the protocol's: transport, origin, then sid (by whoever has the sessions), method, EIO.
Source: Engine.IO protocol, "Handshake", "Error codes"; engine.io's own texts, which clients compare.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from reaktor.engineio.packets import V3, V4
from reaktor.hosts import is_allowed_origin
from reaktor.web.scope import Scope, header

MAX_QUERY_FIELDS = 100
POLLING = "polling"
WEBSOCKET = "websocket"


class EngineError(Enum):
    """The numbered errors; `text` is compared byte for byte by clients' tests."""

    UNKNOWN_TRANSPORT = (0, "Transport unknown")
    UNKNOWN_SID = (1, "Session ID unknown")
    BAD_METHOD = (2, "Bad handshake method")
    BAD_REQUEST = (3, "Bad request")
    FORBIDDEN = (4, "Forbidden")
    UNSUPPORTED = (5, "Unsupported protocol version")

    @property
    def status(self) -> HTTPStatus:
        return HTTPStatus.FORBIDDEN if self is EngineError.FORBIDDEN else HTTPStatus.BAD_REQUEST

    @property
    def body(self) -> bytes:
        code, text = self.value
        return f'{{"code":{code},"message":"{text}"}}'.encode()


class RequestError(Exception):
    """A request that ends in a numbered error."""

    def __init__(self, error: EngineError) -> None:
        super().__init__(error.value[1])
        self.error = error


@dataclass(frozen=True, slots=True)
class Request:
    """What a request says. `query` holds the first value of each name, `headers` lower-case names.

    `notes` is the application's own, empty at first: what it found out when the session was opened, for later.
    """

    transport: str
    revision: int | None
    sid: str | None
    query: Mapping[str, str]
    headers: Mapping[str, str]
    address: str | None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def allow_binary(self) -> bool:
        """Whether this transport may carry bytes as they are (the client did not ask for base64)."""
        return "b64" not in self.query or self.query["b64"] in ("", "0", "false")


def read_request(scope: Scope, allowed_origins: tuple[str, ...]) -> Request:
    """The request in an http or websocket scope. Raises RequestError: unknown transport, origin, bad query."""
    try:
        fields = parse_qsl(
            scope["query_string"].decode("ascii"), keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS
        )
    except ValueError as error:
        raise RequestError(EngineError.BAD_REQUEST) from error
    query: dict[str, str] = {}
    for name, value in fields:
        query.setdefault(name, value)
    transport = query.get("transport", "")
    if transport not in (POLLING, WEBSOCKET):
        raise RequestError(EngineError.UNKNOWN_TRANSPORT)
    if not is_allowed_origin(header(scope, b"origin"), allowed_origins):
        raise RequestError(EngineError.FORBIDDEN)
    client = scope.get("client")
    return Request(
        transport=transport,
        revision={"3": V3, "4": V4}.get(query.get("EIO", "")),
        sid=query.get("sid"),
        query=query,
        headers=_headers(scope),
        address=client[0] if client else None,
    )


def _headers(scope: Scope) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, value in scope["headers"]:
        name = key.decode("latin-1").lower()
        text = value.decode("latin-1")
        headers[name] = f"{headers[name]}, {text}" if name in headers else text
    return headers
