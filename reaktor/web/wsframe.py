"""Ready-made WebSocket frames, and the sink that takes them straight to a socket.

The hub encodes an event once per wire format, wraps it here once, and writes the same bytes to every socket.
The server puts a FrameSink into `scope["extensions"][FRAMES_EXTENSION]` of each websocket scope; where there is none
(another server), callers send through ASGI instead. Pure. Source: RFC 6455, sections 5.2 and 5.5.1.
"""

from __future__ import annotations

from typing import Protocol

FRAMES_EXTENSION = "reaktor.frames"

_FIN_TEXT = 0x81
_FIN_BINARY = 0x82
_FIN_CLOSE = 0x88
_MAX_REASON_BYTES = 123


class FrameSink(Protocol):
    """One live WebSocket, as seen by whoever has frames for it."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes accepted by write() that the kernel has not taken yet."""

    def write(self, data: bytes) -> int:
        """Take one or more complete frames, in order with everything else sent on this socket; returns `unsent_bytes`.

        Never raises and never blocks. Before the socket is accepted and after it is closed, data is dropped.
        """

    def abort(self) -> None:
        """Cut the connection now, unsent bytes and closing handshake included; may be repeated."""


def text_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented text frame; the payload must be UTF-8."""
    return _header(_FIN_TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented binary frame."""
    return _header(_FIN_BINARY, len(payload)) + payload


def close_frame(code: int, reason: str = "") -> bytes:
    """One close frame. The reason is cut to what a control frame holds, on a character's border.

    The socket's own state doesn't learn of it: for a closing handshake send ASGI's `websocket.close` instead, and
    write this only right before abort(), as a last word to a peer that may be too slow to read it.
    """
    text = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore").encode()
    return _header(_FIN_CLOSE, 2 + len(text)) + code.to_bytes(2, "big") + text


def _header(first: int, length: int) -> bytes:
    if length < 126:
        return bytes((first, length))
    if length < 65_536:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")
