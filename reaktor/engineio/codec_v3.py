"""Engine.IO revision 3 on the wire: length-prefixed payloads, as text or as octets.

Lengths in text count UTF-16 code units (JavaScript's String.length), in octets bytes. Clients of 1.x encode the text of
a string payload to UTF-8 twice; see decode_payload. Pure.
Source: Engine.IO protocol, revision 3, "Encoding"; engine.io-parser 1.3 and 2.2.
"""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence

from reaktor.engineio.packets import (
    V3,
    Outgoing,
    Packet,
    PacketType,
    Payload,
    PayloadError,
    parse_text_packet,
    well_formed,
)

# Ten digits cover every length below 10 GB; more of them would only make int() work.
MAX_LENGTH_DIGITS = 10
_TEXT = 0
_BINARY = 1
_END_OF_LENGTH = 0xFF


class CodecV3:
    """See packets.Codec."""

    revision = V3

    def encode_payload(self, packets: Sequence[Outgoing], *, allow_binary: bool) -> Payload:
        """Octets only when a binary packet is among them and the client can take it, as servers of 2.x do."""
        encoded = [self.encode_frame(packet, allow_binary=allow_binary) for packet in packets]
        texts = [item for item in encoded if isinstance(item, str)]
        if len(texts) == len(encoded):
            return Payload("".join(f"{_utf16_length(text)}:{text}" for text in texts).encode() or b"0:")
        return Payload(b"".join(_octets(item) for item in encoded), is_binary=True)

    def decode_payload(self, body: bytes, *, is_binary: bool, max_packets: int) -> list[Packet]:
        """The packets of a POST. Raises PayloadError.

        Nothing on the wire tells a client of 1.x, which encodes text twice, from one of 2.x. So text that reads as
        valid UTF-8 with at least one multi-byte character is decoded once more; that misreads only a 2.x client that
        writes such a sequence of Latin-1 characters by hand, on polling.
        """
        if is_binary:
            return _bounded(_split_octets(body), max_packets)
        try:
            text = body.decode()
        except UnicodeDecodeError as error:
            raise PayloadError("a payload must be UTF-8") from error
        if text == "0:":
            return []
        return _bounded((_parse_text(_once_more(part)) for part in _split_text(text)), max_packets)

    def encode_frame(self, packet: Outgoing, *, allow_binary: bool) -> str | bytes:
        if not isinstance(packet, Packet) or isinstance(packet.data, str):
            return well_formed(packet.text(V3))
        if allow_binary:
            return bytes((packet.type,)) + packet.data
        return f"b{packet.type.value}" + binascii.b2a_base64(packet.data, newline=False).decode("ascii")

    def decode_frame(self, data: str | bytes) -> Packet:
        return _parse_text(data) if isinstance(data, str) else _parse_binary(data)


CODEC_V3 = CodecV3()


def _bounded(packets: Iterator[Packet], limit: int) -> list[Packet]:
    taken: list[Packet] = []
    for packet in packets:
        if len(taken) >= limit:
            raise PayloadError("too many packets in one payload")
        taken.append(packet)
    if not taken:
        raise PayloadError("an empty payload")
    return taken


def _utf16_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2


def _split_text(text: str) -> Iterator[str]:
    """The packets of a text payload. Raises PayloadError at the first length that does not fit."""
    # Only text outside the Basic Multilingual Plane counts other than its characters; it is cut as UTF-16 bytes.
    wide = None if text.isascii() or max(text) <= "\uffff" else text.encode("utf-16-le")
    at, units_at = 0, 0
    while at < len(text):
        colon = text.find(":", at, at + MAX_LENGTH_DIGITS + 1)
        digits = text[at:colon] if colon > at else ""
        if not (digits.isascii() and digits.isdigit()):
            raise PayloadError("a length must be 1 to 10 digits")
        length = int(digits)
        if wide is None:
            part = text[colon + 1 : colon + 1 + length]
            taken = len(part)
        else:
            start = 2 * (units_at + len(digits) + 1)
            part, taken = _cut_utf16(wide, start, length)
        if not length or taken != length:
            raise PayloadError("a length does not fit its packet")
        yield part
        at = colon + 1 + len(part)
        units_at += len(digits) + 1 + length


def _cut_utf16(wide: bytes, start: int, length: int) -> tuple[str, int]:
    piece = wide[start : start + 2 * length]
    try:
        return piece.decode("utf-16-le"), len(piece) // 2
    except UnicodeDecodeError as error:
        raise PayloadError("a length cuts a character in two") from error


def _once_more(text: str) -> str:
    """The text of a client that encoded it twice; any other text as it is."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode()
    except UnicodeError:
        return text


def _split_octets(body: bytes) -> Iterator[Packet]:
    """The packets of an octet payload: flag, decimal digits as bytes 0 to 9, 0xff, that many bytes."""
    at = 0
    while at < len(body):
        flag = body[at]
        end = body.find(_END_OF_LENGTH, at + 1, at + MAX_LENGTH_DIGITS + 2)
        digits = body[at + 1 : end] if end > at + 1 else b""
        if flag not in (_TEXT, _BINARY) or not digits or max(digits) > 9:
            raise PayloadError("a binary payload's header is not valid")
        length = int("".join(map(str, digits)))
        part = body[end + 1 : end + 1 + length]
        if not length or len(part) != length:
            raise PayloadError("a length does not fit its packet")
        yield _parse_binary(part) if flag == _BINARY else _parse_octet_text(part)
        at = end + 1 + length


def _octets(item: str | bytes) -> bytes:
    data = item.encode() if isinstance(item, str) else item
    flag = _TEXT if isinstance(item, str) else _BINARY
    return bytes((flag, *map(int, str(len(data))), _END_OF_LENGTH)) + data


def _parse_octet_text(part: bytes) -> Packet:
    try:
        return _parse_text(part.decode())
    except UnicodeDecodeError as error:
        raise PayloadError("text must be UTF-8") from error


def _parse_binary(data: bytes) -> Packet:
    if data[:1] != bytes((PacketType.MESSAGE,)):
        raise PayloadError("a binary packet must be a message")
    return Packet(PacketType.MESSAGE, data[1:])


def _parse_text(text: str) -> Packet:
    if text[:1] != "b":
        return parse_text_packet(text)
    if text[1:2] != "4":
        raise PayloadError("a binary packet must be a message")
    try:
        return Packet(PacketType.MESSAGE, binascii.a2b_base64(text[2:], strict_mode=True))
    except ValueError as error:
        raise PayloadError("binary data must be base64") from error
