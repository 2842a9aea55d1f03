"""What an ASGI application is called with: the types of the three arguments, and how they are asked. Pure.

Header names in a scope are lower-case, as ASGI promises.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

DENIAL_EXTENSION = "websocket.http.response"
"""ASGI's name for a server that can refuse a WebSocket with an HTTP answer of the application's."""
PEER = "reaktor.peer"
"""Where a scope holds whom the server's work is shared out by: a user, or an address."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of this lower-case name, or None."""
    for key, value in scope.get("headers", ()):
        if key == name:
            return bytes(value).decode("latin-1")
    return None


def came_privately(scope: Scope) -> bool:
    """Whether the caller is a process of this user, on a private Unix socket: only TCP has a client address."""
    return not scope.get("client")


async def until_gone(receive: Receive) -> None:
    """Return when the client of an HTTP request whose body was read is no longer there."""
    while (await receive())["type"] != "http.disconnect":
        pass
