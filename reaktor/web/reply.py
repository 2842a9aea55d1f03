"""Reply: a whole HTTP answer in memory, and how it becomes the two messages that ASGI wants.

bytes_reply(), json_reply() and text_reply() make the usual ones. What an answer must say beyond that (its length, who
may read it) is up to whoever makes it. Reply.send() answers a request; messages() is for a server that takes them
itself. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from reaktor.web.scope import Scope, Send

Header = tuple[bytes, bytes]
NO_STORE: Header = (b"cache-control", b"no-store")
JSON_TYPE = b"application/json"
TEXT_TYPE = b"text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, headers in the order in which they are sent, and a body."""

    status: int
    headers: Sequence[Header] = ()
    body: bytes = b""

    def messages(self, *, with_body: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
        """The ASGI messages, in order."""
        return (
            {"type": "http.response.start", "status": int(self.status), "headers": list(self.headers)},
            {"type": "http.response.body", "body": self.body if with_body else b""},
        )

    async def send(self, scope: Scope, send: Send) -> None:
        """Answer the request of this scope; HEAD gets everything but the body."""
        for message in self.messages(with_body=scope["method"] != "HEAD"):
            await send(message)


def bytes_reply(status: int, content_type: bytes, body: bytes, *headers: Header) -> Reply:
    """A body of this type, and `headers` behind it."""
    return Reply(status, [(b"content-type", content_type), *headers], body)


def json_reply(status: int, value: Any, *headers: Header) -> Reply:
    """`value` as JSON."""
    return bytes_reply(status, JSON_TYPE, orjson.dumps(value), *headers)


def text_reply(status: int, text: str, *headers: Header) -> Reply:
    """Plain text, for people."""
    return bytes_reply(status, TEXT_TYPE, text.encode(), *headers)
