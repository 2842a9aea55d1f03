"""Engine.IO packets, what is queued for a client, and why a session ends.

Both revisions share these values; how they look on the wire is the codecs' business. Pure.
A ReadyPacket is encoded once and then only appended: to a socket as a finished frame, to a poll as text.
Source: Engine.IO protocol, revisions 3 and 4, "Packet types".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import NamedTuple, Protocol

from reaktor.web.websocket_frames import text_frame

V3 = 3
V4 = 4
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class PacketType(IntEnum):
    """The digit that a packet begins with."""

    OPEN = 0
    CLOSE = 1
    PING = 2
    PONG = 3
    MESSAGE = 4
    UPGRADE = 5
    NOOP = 6


class PayloadError(Exception):
    """Bytes from a client that are no packet, or too many packets; its session is to be ended."""


class CloseReason(StrEnum):
    """Why an Engine.IO session ended."""

    CLIENT = "client closed"
    LOST = "transport lost"
    PING_TIMEOUT = "ping timeout"
    MALFORMED = "malformed packet"
    TOO_LARGE = "too large"
    OVERLAP = "overlapping requests"
    FLOOD = "too many packets"
    TOO_SLOW = "too slow"
    SERVER = "server closed"


class Packet(NamedTuple):
    """One packet. `data` is bytes only in a binary MESSAGE.

    A tuple, since one is made of each frame: a frozen dataclass takes four times as long to make.
    """

    type: PacketType
    data: str | bytes = ""

    @property
    def size(self) -> int:
        """Roughly what it weighs in a queue: characters or bytes, type digit included."""
        return 1 + len(self.data)

    def text(self, revision: int) -> str:
        """Type digit and data of a packet that carries text; the same in both revisions."""
        if isinstance(self.data, bytes):
            raise TypeError("a binary packet has no text form of its own")
        return f"{self.type.value}{self.data}"


class ReadyPacket:
    """A MESSAGE with JSON text for many sessions, encoded at most once per revision.

    `data` is the message without its `4`, JSON outside of which everything is ASCII (a Socket.IO packet is). Revision 3
    gets it with \\uXXXX escapes: its clients disagree on how text is encoded and counted, but not for ASCII.
    """

    __slots__ = ("_ascii", "_frames", "_text")

    def __init__(self, data: str) -> None:
        self._text = well_formed(f"4{data}")
        self._ascii: str | None = None
        self._frames: dict[int, bytes] = {}

    def __repr__(self) -> str:
        return f"ReadyPacket({self._text[1:]!r})"

    @property
    def size(self) -> int:
        """As Packet.size."""
        return len(self._text)

    def text(self, revision: int) -> str:
        """The packet's text, type digit included, for a poll of this revision."""
        if revision != V3:
            return self._text
        if self._ascii is None:
            self._ascii = self._text if self._text.isascii() else _NOT_ASCII.sub(_escape, self._text)
        return self._ascii

    def frame(self, revision: int) -> bytes:
        """The packet as one complete WebSocket text frame for sessions of this revision."""
        frame = self._frames.get(revision)
        if frame is None:
            frame = self._frames[revision] = text_frame(self.text(revision).encode())
        return frame


class ReadyBatch:
    """Ready packets in order, joined once per revision for all the sessions that are sent the same."""

    __slots__ = ("_joined", "packets")

    def __init__(self, packets: Sequence[ReadyPacket]) -> None:
        self.packets = packets
        self._joined: dict[int, bytes] = {}

    def frames(self, revision: int) -> bytes:
        """The packets as WebSocket text frames for sessions of this revision."""
        joined = self._joined.get(revision)
        if joined is None:
            joined = self._joined[revision] = b"".join([packet.frame(revision) for packet in self.packets])
        return joined


Outgoing = Packet | ReadyPacket
"""What may be queued for a client."""


@dataclass(frozen=True, slots=True)
class Payload:
    """An encoded batch of packets, and the content type that says how to read it."""

    body: bytes
    is_binary: bool = False


class Codec(Protocol):
    """One revision's wire form; chosen once per session, stateless."""

    @property
    def revision(self) -> int:
        """3 or 4."""

    def encode_payload(self, packets: Sequence[Outgoing], *, allow_binary: bool) -> Payload:
        """The body of a polling answer. `allow_binary`: the client did not ask for base64 (`b64=1`)."""

    def decode_payload(self, body: bytes, *, is_binary: bool, max_packets: int) -> list[Packet]:
        """The packets in a POST's body, `is_binary` when it is an octet-stream. Raises PayloadError."""

    def encode_frame(self, packet: Outgoing, *, allow_binary: bool) -> str | bytes:
        """One WebSocket message: str for a text frame, bytes for a binary one."""

    def decode_frame(self, data: str | bytes) -> Packet:
        """The packet in one WebSocket message. Raises PayloadError."""


# By the character: int() would also take the digits of other scripts.
_TYPES = {str(kind.value): kind for kind in PacketType}
CLOSE = Packet(PacketType.CLOSE)
NOOP = Packet(PacketType.NOOP)
PING = Packet(PacketType.PING)
PROBE = "probe"


def well_formed(text: str) -> str:
    """The text with each lone surrogate replaced by U+FFFD: UTF-8 has no form for them."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def parse_text_packet(text: str) -> Packet:
    """A packet in its common text form, `4hello`. Raises PayloadError."""
    kind = _TYPES.get(text[:1])
    if kind is None:
        raise PayloadError("a packet must begin with 0 to 6")
    return Packet(kind, text[1:])


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
