"""WebSocket frames, from payloads to bytes: the layout, and whoever writes it. Reading: reaktor.web.websocket_reader.

text_frame() and binary_frame() make what a server sends, encode_frame() any frame. The hub makes a frame once and
writes the same bytes to every socket. Pure: no socket, no state. Source: RFC 6455, section 5.
"""

from __future__ import annotations

from enum import IntEnum

NO_MASK = bytes(4)
"""A mask that changes nothing. RFC 6455 wants unguessable masks, for the sake of proxies between client and server."""

FIN = 0x80
OPCODE_BITS = 0x0F
MASKED = 0x80
LENGTH_BITS = 0x7F
TWO_BYTE_LENGTH = 126
EIGHT_BYTE_LENGTH = 127
FIRST_LONG_LENGTH = 65_536


class Opcode(IntEnum):
    """What a frame carries."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


_FINAL_TEXT = FIN | Opcode.TEXT
_FINAL_BINARY = FIN | Opcode.BINARY


def text_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented text frame; the payload must be UTF-8."""
    return _head(_FINAL_TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented binary frame."""
    return _head(_FINAL_BINARY, len(payload)) + payload


def encode_frame(opcode: Opcode, payload: bytes, *, is_final: bool = True, mask: bytes | None = None) -> bytes:
    """Any frame. `mask`: the four bytes that a client's frame must have, and a server's must not."""
    first = opcode | FIN if is_final else opcode
    if mask is None:
        return _head(first, len(payload)) + payload
    return _head(first, len(payload), MASKED) + mask + masked(payload, mask)


def _head(first: int, length: int, mask_bit: int = 0) -> bytes:
    if length < TWO_BYTE_LENGTH:
        return bytes((first, mask_bit | length))
    if length < FIRST_LONG_LENGTH:
        return bytes((first, mask_bit | TWO_BYTE_LENGTH)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | EIGHT_BYTE_LENGTH)) + length.to_bytes(8, "big")


def masked(payload: bytes, mask: bytes | bytearray) -> bytes:
    """The payload under the mask; the same once more takes it off. A loop over 64 KiB takes 30 times as long."""
    size = len(payload)
    if mask == NO_MASK:
        return payload
    key = (bytes(mask) * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
