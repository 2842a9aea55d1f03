"""Engine.IO revision 4 on the wire: packets joined by U+001E, binary as `b` and base64, raw on WebSocket.

Pure. Text must not hold U+001E when it travels by polling (JSON never does): the protocol has no escape for it.
Source: Engine.IO protocol, revision 4, "Packet encoding".
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence

from reaktor.engineio.packets import (
    V4,
    Outgoing,
    Packet,
    PacketType,
    Payload,
    PayloadError,
    parse_text_packet,
    well_formed,
)

SEPARATOR = "\x1e"


class CodecV4:
    """See packets.Codec."""

    revision = V4

    def encode_payload(self, packets: Sequence[Outgoing], *, allow_binary: bool) -> Payload:
        text = SEPARATOR.join(_as_text(packet) for packet in packets)
        return Payload(well_formed(text).encode())

    def decode_payload(self, body: bytes, *, is_binary: bool, max_packets: int) -> list[Packet]:
        if is_binary:
            raise PayloadError("revision 4 has no binary payloads")
        if body.count(b"\x1e") >= max_packets:
            raise PayloadError("too many packets in one payload")
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise PayloadError("a payload must be UTF-8") from error
        return [_parse_text(part) for part in text.split(SEPARATOR)]

    def encode_frame(self, packet: Outgoing, *, allow_binary: bool) -> str | bytes:
        if isinstance(packet, Packet) and isinstance(packet.data, bytes):
            return packet.data if allow_binary else _as_text(packet)
        return well_formed(packet.text(V4))

    def decode_frame(self, data: str | bytes) -> Packet:
        if isinstance(data, bytes):
            return Packet(PacketType.MESSAGE, data)
        return _parse_text(data)


CODEC_V4 = CodecV4()


def _as_text(packet: Outgoing) -> str:
    if isinstance(packet, Packet) and isinstance(packet.data, bytes):
        return "b" + binascii.b2a_base64(packet.data, newline=False).decode("ascii")
    return packet.text(V4)


def _parse_text(text: str) -> Packet:
    if text[:1] != "b":
        return parse_text_packet(text)
    try:
        return Packet(PacketType.MESSAGE, binascii.a2b_base64(text[1:], strict_mode=True))
    except ValueError as error:
        raise PayloadError("binary data must be base64") from error
