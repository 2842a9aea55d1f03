"""FrameSink: the door through which ready-made WebSocket frames go straight to a socket, past ASGI.

The server puts one into each websocket scope, and sink_of() finds it there. Where there is none (a server of somebody
else's), callers send through ASGI instead. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

FRAMES_EXTENSION = "reaktor.frames"
"""The name under which `scope["extensions"]` holds the sink."""


class FrameSink(Protocol):
    """One live WebSocket, as seen by whoever has frames for it."""

    @property
    def is_open(self) -> bool:
        """Whether the socket is accepted and not closed; True where that can't be told."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes accepted by write() that the kernel has not taken yet."""

    def write(self, data: bytes) -> int:
        """Take one or more complete frames, in order with everything else sent on this socket; returns `unsent_bytes`.

        Never raises and never blocks. Before the socket is accepted and after it is closed, data is dropped.
        """

    def abort(self) -> None:
        """Cut the connection now, unsent bytes and closing handshake included; may be repeated."""


def sink_of(scope: Mapping[str, Any]) -> FrameSink | None:
    """The sink of a websocket scope, where its server has one."""
    sink: FrameSink | None = (scope.get("extensions") or {}).get(FRAMES_EXTENSION)
    return sink
