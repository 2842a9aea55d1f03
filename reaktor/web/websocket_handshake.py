"""The opening handshake of a WebSocket, from the server's side: what a client must say, and what it is answered.

read_opening() checks the headers of a request that wants one, accepted() is the answer. Neither knows who may come in,
nor which paths there are: that is the application's. Compression and other extensions are never agreed on, so what a
client offers of them is not read. usual_request() finds the request in the first bytes of a connection, where nothing
about it is unusual; the rest is for a parser of HTTP. Pure. Source: RFC 6455, section 4.2; RFC 9112.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple

from reaktor.web.reply import Header

VERSION = b"13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_READ = frozenset(
    {b"connection", b"upgrade", b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-protocol"}
)
_USUAL = re.compile(
    rb"GET (/[!-~]*) HTTP/1\.1\r\n((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t -~\x80-\x84\x86-\xff]*\r\n)+)\r\n"
)
_UNUSUAL_NAMES = frozenset({b"content-length", b"content-encoding", b"expect", b"transfer-encoding"})
MAX_USUAL_BYTES = 8 * 1024
MAX_USUAL_HEADERS = 64


class OpeningError(ValueError):
    """This is no handshake. `status` is how to answer, with these headers beside the usual ones."""

    def __init__(self, status: HTTPStatus, *headers: Header) -> None:
        self.status = status
        self.headers = headers
        super().__init__(status.phrase)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a client says. `subprotocols`: those that it offers, the one that it likes best first."""

    key: bytes
    subprotocols: tuple[str, ...] = ()


class UsualRequest(NamedTuple):
    """A GET that asks for a WebSocket. Header names are in lower case; `rest` came behind it."""

    target: bytes
    headers: list[Header]
    rest: bytes


def usual_request(data: bytes) -> UsualRequest | None:
    """The request that these bytes begin with. None: something about it wants a parser of HTTP, be it only its size."""
    found = _USUAL.match(data, 0, MAX_USUAL_BYTES)
    if found is None:
        return None
    lines = found[2].split(b"\r\n")
    if len(lines) > MAX_USUAL_HEADERS:
        return None
    headers: list[Header] = []
    hosts = upgrades = 0
    for line in lines[:-1]:
        name, _, value = line.partition(b":")
        name, value = name.lower(), value.strip(b" \t")
        hosts += name == b"host"
        upgrades += name == b"upgrade" and value.lower() == b"websocket"
        if name in _UNUSUAL_NAMES:
            return None
        headers.append((name, value))
    return UsualRequest(found[1], headers, data[found.end() :]) if hosts == upgrades == 1 else None


def read_opening(method: bytes, headers: Iterable[Header]) -> Opening:
    """The handshake in a request, whose header names are in lower case. Raises OpeningError.

    That there is one host, and a path, is checked for every request.
    """
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _READ:
            # Of what must be said once, both together are no good value.
            found[name] = found[name] + b"," + value if name in found else value
    if (
        method != b"GET"
        or b"websocket" not in _tokens(found.get(b"upgrade", b""))
        or b"upgrade" not in _tokens(found.get(b"connection", b""))
        or b"sec-websocket-version" not in found
    ):
        raise OpeningError(HTTPStatus.BAD_REQUEST)
    if found[b"sec-websocket-version"].strip() != VERSION:
        raise OpeningError(HTTPStatus.UPGRADE_REQUIRED, (b"sec-websocket-version", VERSION))
    key = found.get(b"sec-websocket-key", b"").strip()
    if _KEY.fullmatch(key) is None:
        raise OpeningError(HTTPStatus.BAD_REQUEST)
    offered = found.get(b"sec-websocket-protocol")
    if offered is None:
        return Opening(key)
    subprotocols = tuple(each.strip() for each in offered.decode("latin-1").split(","))
    if len(set(subprotocols)) < len(subprotocols):
        raise OpeningError(HTTPStatus.BAD_REQUEST)
    return Opening(key, subprotocols)


def _tokens(value: bytes) -> list[bytes]:
    return [each.strip() for each in value.lower().split(b",")]


def accepted(opening: Opening, subprotocol: str | None, headers: Sequence[Header]) -> bytes:
    """The answer that opens the WebSocket. Raises ValueError for a subprotocol that was not offered."""
    if subprotocol is not None and subprotocol not in opening.subprotocols:
        raise ValueError("only a subprotocol that the client offers can be accepted")
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + accept_key(opening.key),
    ]
    if subprotocol is not None:
        lines.append(b"Sec-WebSocket-Protocol: " + subprotocol.encode("latin-1"))
    lines += [name.title() + b": " + value for name, value in headers]
    return b"\r\n".join([*lines, b"", b""])


def accept_key(key: bytes) -> bytes:
    """What proves that the handshake was read by a server that speaks WebSocket."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
