"""Revision 4 on the wire."""

import pytest

from reaktor.engineio.codec_v4 import CODEC_V4
from reaktor.engineio.packets import NOOP, PING, Packet, PacketType, PayloadError, ReadyPacket

MESSAGE = PacketType.MESSAGE


def decode(body: bytes, max_packets: int = 10) -> list[Packet]:
    return CODEC_V4.decode_payload(body, is_binary=False, max_packets=max_packets)


def test_packets_are_joined_by_the_record_separator() -> None:
    packets = [Packet(MESSAGE, "a€"), PING, Packet(MESSAGE, b"\x01\x02\x03\x04"), ReadyPacket("2[1]")]
    payload = CODEC_V4.encode_payload(packets, allow_binary=True)
    assert payload.body == "4a€\x1e2\x1ebAQIDBA==\x1e42[1]".encode()
    assert not payload.is_binary
    assert decode(payload.body)[:3] == packets[:3]


def test_binary_is_raw_on_a_websocket_and_base64_for_who_asked() -> None:
    packet = Packet(MESSAGE, b"\x00\xff")
    assert CODEC_V4.encode_frame(packet, allow_binary=True) == b"\x00\xff"
    assert CODEC_V4.encode_frame(packet, allow_binary=False) == "bAP8="
    assert CODEC_V4.decode_frame(b"\x00\xff") == CODEC_V4.decode_frame("bAP8=") == packet


def test_an_empty_attachment_is_an_empty_frame() -> None:
    assert CODEC_V4.decode_frame(b"") == Packet(MESSAGE, b"")
    assert CODEC_V4.encode_frame(Packet(MESSAGE, b""), allow_binary=True) == b""


@pytest.mark.parametrize(
    "body",
    [b"", b"abc", b"\x1e", b"4a\x1e", b"4\xff", b"bAQ", b"b\xc3\xa9", b"b====", b"b AQ==", b"7x"],
)
def test_junk_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        decode(body)


def test_octets_are_refused() -> None:
    with pytest.raises(PayloadError):
        CODEC_V4.decode_payload(b"4a", is_binary=True, max_packets=10)


def test_the_number_of_packets_is_bounded_before_they_are_made() -> None:
    assert len(decode(b"\x1e".join([b"6"] * 10))) == 10
    with pytest.raises(PayloadError):
        decode(b"\x1e".join([b"6"] * 11))
    with pytest.raises(PayloadError):
        decode(b"6\x1e" * 1_000_000)


def test_a_noop_is_one_character() -> None:
    assert CODEC_V4.encode_payload([NOOP], allow_binary=True).body == b"6"
