"""Binary data in Socket.IO packets: taken out into placeholders, and put back. Pure.

Source: Socket.IO protocol, "Packet encoding", binary events.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reaktor.socketio.packet import MAX_ATTACHMENTS, Packet, PacketError, PacketType

MAX_ATTACHMENT_BYTES = 1024 * 1024


def take_out(data: Any) -> tuple[Any, list[bytes]]:
    """A copy of the JSON value with each bytes replaced by its placeholder, and those bytes in order."""
    found: list[bytes] = []
    return _take_out(data, found), found


def put_back(data: Any, attachments: Sequence[bytes]) -> Any:
    """A copy of the JSON value with each placeholder replaced by its attachment. Raises PacketError."""
    if isinstance(data, list):
        return [put_back(item, attachments) for item in data]
    if not isinstance(data, dict):
        return data
    if data.get("_placeholder") is not True:
        return {key: put_back(item, attachments) for key, item in data.items()}
    number = data.get("num")
    # A bool is an int to Python; anything but a position would let a client reach beyond the list.
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < len(attachments):
        raise PacketError("a placeholder points nowhere")
    return attachments[number]


class Assembly:
    """A binary packet whose attachments are still coming."""

    __slots__ = ("_bytes", "_packet", "_parts")

    def __init__(self, packet: Packet) -> None:
        self._packet = packet
        self._parts: list[bytes] = []
        self._bytes = 0

    def add(self, part: bytes) -> Packet | None:
        """Take the next attachment. The finished packet, as EVENT or ACK, with the last one. Raises PacketError."""
        self._bytes += len(part)
        if self._bytes > MAX_ATTACHMENT_BYTES:
            raise PacketError("the attachments are too large")
        self._parts.append(part)
        return self.finish() if len(self._parts) >= self._packet.attachments else None

    def finish(self) -> Packet:
        """The packet with what has come so far in its place. Raises PacketError."""
        packet = self._packet
        kind = PacketType.EVENT if packet.type is PacketType.BINARY_EVENT else PacketType.ACK
        return Packet(kind, packet.namespace, put_back(packet.data, self._parts), packet.id)


def _take_out(value: Any, found: list[bytes]) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        found.append(bytes(value))
        if len(found) > MAX_ATTACHMENTS:
            raise ValueError("too many attachments in one packet")
        return {"_placeholder": True, "num": len(found) - 1}
    if isinstance(value, list | tuple):
        return [_take_out(item, found) for item in value]
    if isinstance(value, dict):
        return {key: _take_out(item, found) for key, item in value.items()}
    return value
