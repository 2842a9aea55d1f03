"""WebSocket frames: from payloads to bytes, and from bytes back to frames. Nothing else here knows their layout.

Out: text_frame() and binary_frame() make what a server sends, encode_frame() any frame. The hub makes a frame once and
writes the same bytes to every socket. In: frames_in() reads a buffer, which may end in the middle of a frame.
Pure: no socket, no state. Source: RFC 6455, section 5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

NO_MASK = bytes(4)
"""A mask that changes nothing. RFC 6455 wants unguessable masks, for the sake of proxies between client and server."""

_FIN = 0x80
_RESERVED_BITS = 0x70
_OPCODE_BITS = 0x0F
_MASKED = 0x80
_LENGTH_BITS = 0x7F
_TWO_BYTE_LENGTH = 126
_EIGHT_BYTE_LENGTH = 127
_FIRST_LONG_LENGTH = 65_536


class Opcode(IntEnum):
    """What a frame carries."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


_FINAL_TEXT = _FIN | Opcode.TEXT
_FINAL_BINARY = _FIN | Opcode.BINARY
_OPCODES = frozenset(Opcode)


class FrameError(ValueError):
    """The bytes are no frame that this side takes. Nothing after them can be read."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was read, its mask taken off. `end`: where in the buffer the next one begins."""

    opcode: Opcode
    is_final: bool
    payload: bytes
    end: int


def text_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented text frame; the payload must be UTF-8."""
    return _head(_FINAL_TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """One unmasked, unfragmented binary frame."""
    return _head(_FINAL_BINARY, len(payload)) + payload


def encode_frame(opcode: Opcode, payload: bytes, *, is_final: bool = True, mask: bytes | None = None) -> bytes:
    """Any frame. `mask`: the four bytes that a client's frame must have, and a server's must not."""
    first = opcode | _FIN if is_final else opcode
    if mask is None:
        return _head(first, len(payload)) + payload
    return _head(first, len(payload), _MASKED) + mask + _masked(payload, mask)


def frames_in(
    buffer: bytes | bytearray, *, are_masked: bool = False, max_payload_bytes: int | None = None
) -> Iterator[Frame]:
    """The whole frames that the buffer begins with; what follows the last one's `end` waits for more bytes.

    The buffer must not change meanwhile. Raises FrameError, as soon as a head is there that is not allowed: masked when
    it should not be or the other way round, over `max_payload_bytes`, of an extension, a control frame that is long or
    in parts, a length that is written longer than necessary.
    """
    at = 0
    while (found := _frame_at(buffer, at, _MASKED if are_masked else 0, max_payload_bytes)) is not None:
        yield found
        at = found.end


def _frame_at(buffer: bytes | bytearray, at: int, mask_bit: int, max_payload_bytes: int | None) -> Frame | None:
    if len(buffer) < at + 2:
        return None
    first, second = buffer[at], buffer[at + 1]
    _check_head(first, second, mask_bit)
    length, start = second & _LENGTH_BITS, at + 2
    if length >= _TWO_BYTE_LENGTH:
        size, shortest = (2, _TWO_BYTE_LENGTH) if length == _TWO_BYTE_LENGTH else (8, _FIRST_LONG_LENGTH)
        if len(buffer) < start + size:
            return None
        length, start = int.from_bytes(buffer[start : start + size], "big"), start + size
        if length < shortest:
            raise FrameError("a frame's length is written longer than necessary")
    if max_payload_bytes is not None and length > max_payload_bytes:
        raise FrameError("a frame is too large")
    mask, start = (buffer[start : start + 4], start + 4) if mask_bit else (NO_MASK, start)
    end = start + length
    if len(buffer) < end:
        return None
    return Frame(Opcode(first & _OPCODE_BITS), bool(first & _FIN), _masked(bytes(buffer[start:end]), mask), end)


def _check_head(first: int, second: int, mask_bit: int) -> None:
    opcode = first & _OPCODE_BITS
    if first & _RESERVED_BITS or opcode not in _OPCODES:
        raise FrameError("a frame belongs to an extension")
    if second & _MASKED != mask_bit:
        raise FrameError("a frame is masked" if second & _MASKED else "a frame is not masked")
    if opcode >= Opcode.CLOSE and (not first & _FIN or second & _LENGTH_BITS >= _TWO_BYTE_LENGTH):
        raise FrameError("a control frame is long, or in parts")


def _head(first: int, length: int, mask_bit: int = 0) -> bytes:
    if length < _TWO_BYTE_LENGTH:
        return bytes((first, mask_bit | length))
    if length < _FIRST_LONG_LENGTH:
        return bytes((first, mask_bit | _TWO_BYTE_LENGTH)) + length.to_bytes(2, "big")
    return bytes((first, mask_bit | _EIGHT_BYTE_LENGTH)) + length.to_bytes(8, "big")


def _masked(payload: bytes, mask: bytes | bytearray) -> bytes:
    """The payload under the mask; the same once more takes it off. A loop over 64 KiB takes 30 times as long."""
    size = len(payload)
    if mask == NO_MASK:
        return payload
    key = (bytes(mask) * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
