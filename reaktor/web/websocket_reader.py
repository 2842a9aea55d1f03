"""FrameReader: what one side of a WebSocket has sent, read from its bytes. Nothing else here takes frames apart.

feed() takes bytes as they come, cut anywhere. take() reads one frame: a whole message is `str` or `bytes`, a frame
whose message goes on is PART, a control frame is Ping, Pong or Close; None: the next frame is not there yet. What is
not allowed raises FrameError with the close code for it, as early as that can be known: bad UTF-8 with the byte that
makes it bad, a size with the head that names it. What came before a bad frame was returned, and may be answered first.

Pure: no socket, no clock. Source: RFC 6455, sections 5, 7.4 and 8.1.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from reaktor.web.close_codes import INVALID_PAYLOAD, NO_CODE, PROTOCOL_ERROR, TOO_LARGE, may_be_sent
from reaktor.web.websocket_frames import (
    EIGHT_BYTE_LENGTH,
    FIN,
    FIRST_LONG_LENGTH,
    LENGTH_BITS,
    MASKED,
    NO_MASK,
    OPCODE_BITS,
    TWO_BYTE_LENGTH,
    Opcode,
    masked,
)

_RESERVED_BITS = 0x70
_TOO_LONG = 1 << 63
_FINAL_TEXT = FIN | Opcode.TEXT
_WHOLE_MESSAGES = frozenset({_FINAL_TEXT, FIN | Opcode.BINARY})
_OPCODES = frozenset(Opcode)
_new_utf8_decoder = codecs.getincrementaldecoder("utf-8")


class FrameError(ValueError):
    """What came is not allowed. Nothing after it can be read; `code` is how to close, and the text is the reason."""

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Ping:
    """To be answered with a pong that carries the same."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Pong:
    """An answer to a ping, or one that nobody asked for."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """The last frame of its side. `code` is NO_CODE where it has none."""

    code: int
    reason: str


class Part(Enum):
    """A frame whose message has more to come."""

    PART = "part"


PART = Part.PART
Received = str | bytes | Ping | Pong | Close | Part


class _Begun:
    """A message that is not complete. `size`: of its frames so far, as their heads say; `left`: due of the last.

    Its bytes are kept as they are, and decoded once more at the end: a list of short parts would take far more memory.
    """

    __slots__ = ("is_final", "left", "mask", "payload", "size", "utf8")

    def __init__(self, *, is_text: bool) -> None:
        self.utf8 = _new_utf8_decoder() if is_text else None
        self.payload = bytearray()
        self.size = self.left = 0
        self.is_final = False
        self.mask = NO_MASK

    def add(self, data: bytes) -> None:
        """What comes next of its frame, still masked."""
        payload = masked(data, self.mask)
        self.left -= len(data)
        turned = len(data) % 4
        self.mask = self.mask[turned:] + self.mask[:turned]
        if self.utf8 is not None:
            try:
                self.utf8.decode(payload)
            except UnicodeDecodeError:
                raise FrameError(INVALID_PAYLOAD, "a text is not UTF-8") from None
        self.payload += payload

    def whole(self) -> str | bytes:
        """The message, when its last frame is complete."""
        payload = bytes(self.payload)
        return payload if self.utf8 is None else _text(payload)


class FrameReader:
    """Reads one direction. `are_masked`: a client's frames must be, a server's must not. `max_bytes`: of a message."""

    __slots__ = ("_at", "_begun", "_data", "_mask_bit", "_max_bytes")

    def __init__(self, *, are_masked: bool = False, max_bytes: int | None = None) -> None:
        self._mask_bit = MASKED if are_masked else 0
        self._max_bytes = max_bytes
        self._data = b""
        self._at = 0
        self._begun: _Begun | None = None

    def read(self, data: bytes) -> Iterator[str | bytes | Ping | Pong | Close]:
        """All that is complete with these bytes, for who does not count frames."""
        self.feed(data)
        while (found := self.take()) is not None:
            if found is not PART:
                yield found

    def feed(self, data: bytes) -> None:
        """More bytes have come."""
        self._data = self._data[self._at :] + data if self._at < len(self._data) else data
        self._at = 0

    def take(self) -> Received | None:
        """The next frame. Raises FrameError; the reader is of no use then, nor after a Close."""
        data, at, begun = self._data, self._at, self._begun
        if begun is not None and begun.left:
            return self._go_on(begun)
        if len(data) < at + 2:
            if len(data) == at:
                self._data, self._at = b"", 0
            return None
        first, second = data[at], data[at + 1]
        is_usual = begun is None and first in _WHOLE_MESSAGES
        if not is_usual or second & MASKED != self._mask_bit:
            self._check_head(first, second)
        at += 2
        length = second & LENGTH_BITS
        if length >= TWO_BYTE_LENGTH:
            size, shortest = (8, FIRST_LONG_LENGTH) if length == EIGHT_BYTE_LENGTH else (2, TWO_BYTE_LENGTH)
            if len(data) < at + size:
                return None
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
            if not shortest <= length < _TOO_LONG:
                raise FrameError(PROTOCOL_ERROR, "a frame's length is written wrongly")
        if self._max_bytes is not None and length + (0 if begun is None else begun.size) > self._max_bytes:
            self._check_size(first)
        mask = NO_MASK
        if self._mask_bit:
            mask, at = data[at : at + 4], at + 4
        end = at + length
        if len(data) < end:
            return self._begin(first, length, mask, at) if len(data) >= at else None
        if is_usual:
            self._at = end
            payload = masked(data[at:end], mask)
            return _text(payload) if first == _FINAL_TEXT else payload
        if first & OPCODE_BITS >= Opcode.CLOSE:
            self._at = end
            return _control(first, masked(data[at:end], mask))
        return self._begin(first, length, mask, at)

    def _check_head(self, first: int, second: int) -> None:
        opcode = first & OPCODE_BITS
        if first & _RESERVED_BITS or opcode not in _OPCODES:
            raise FrameError(PROTOCOL_ERROR, "a frame belongs to an extension")
        if second & MASKED != self._mask_bit:
            raise FrameError(PROTOCOL_ERROR, "a frame is not masked" if self._mask_bit else "a frame is masked")
        if opcode >= Opcode.CLOSE:
            if not first & FIN or second & LENGTH_BITS >= TWO_BYTE_LENGTH:
                raise FrameError(PROTOCOL_ERROR, "a control frame is long, or in parts")
        elif (opcode == Opcode.CONTINUATION) == (self._begun is None):
            raise FrameError(PROTOCOL_ERROR, "a frame continues nothing, or another message than the one begun")

    def _check_size(self, first: int) -> None:
        if first & OPCODE_BITS < Opcode.CLOSE:
            raise FrameError(TOO_LARGE, "a message is too large")

    def _begin(self, first: int, length: int, mask: bytes, at: int) -> Received | None:
        """A frame of a message that is in parts, or of which the end is not there yet."""
        if first & OPCODE_BITS >= Opcode.CLOSE:
            return None
        begun = self._begun
        if begun is None:
            begun = self._begun = _Begun(is_text=first & OPCODE_BITS == Opcode.TEXT)
        begun.is_final = bool(first & FIN)
        begun.size += length
        begun.left, begun.mask = length, mask
        self._at = at
        return self._go_on(begun)

    def _go_on(self, begun: _Begun) -> Received | None:
        """Take what is there of the frame that was begun."""
        data = self._data[self._at : self._at + begun.left]
        self._at += len(data)
        begun.add(data)
        if begun.left:
            return None
        if not begun.is_final:
            return PART
        self._begun = None
        return begun.whole()


def _text(payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise FrameError(INVALID_PAYLOAD, "a text is not UTF-8") from None


def _control(first: int, payload: bytes) -> Ping | Pong | Close:
    opcode = first & OPCODE_BITS
    if opcode == Opcode.PING:
        return Ping(payload)
    if opcode == Opcode.PONG:
        return Pong(payload)
    if not payload:
        return Close(NO_CODE, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not may_be_sent(code):
        raise FrameError(PROTOCOL_ERROR, "a close code is not allowed")
    return Close(code, _text(payload[2:]))
