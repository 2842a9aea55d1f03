"""Revision 3 on the wire, with its lengths, its octets, and text that is encoded twice."""

import pytest

from reaktor.engineio.codec_v3 import CODEC_V3
from reaktor.engineio.packets import NOOP, Packet, PacketType, PayloadError, ReadyPacket

MESSAGE = PacketType.MESSAGE


def decode(body: bytes, max_packets: int = 10, *, is_binary: bool = False) -> list[Packet]:
    return CODEC_V3.decode_payload(body, is_binary=is_binary, max_packets=max_packets)


def test_lengths_count_utf16_code_units() -> None:
    packets = [Packet(MESSAGE, "hello"), Packet(MESSAGE, "€"), Packet(MESSAGE, "😀")]
    payload = CODEC_V3.encode_payload(packets, allow_binary=True)
    assert payload.body == "6:4hello2:4€3:4😀".encode()
    assert decode(payload.body) == packets


def test_binary_without_support_is_base64() -> None:
    payload = CODEC_V3.encode_payload([Packet(MESSAGE, b"\x01\x02\x03\x04")], allow_binary=False)
    assert (payload.body, payload.is_binary) == (b"10:b4AQIDBA==", False)
    assert decode(payload.body) == [Packet(MESSAGE, b"\x01\x02\x03\x04")]


def test_one_binary_packet_makes_the_payload_octets() -> None:
    packets = [Packet(MESSAGE, "a€"), Packet(MESSAGE, b"\x01\x02")]
    payload = CODEC_V3.encode_payload(packets, allow_binary=True)
    assert payload.body == b"\x00\x05\xff4a\xe2\x82\xac" + b"\x01\x03\xff\x04\x01\x02"
    assert payload.is_binary
    assert decode(payload.body, is_binary=True) == packets


def test_octet_lengths_are_decimal_digits_one_per_byte() -> None:
    payload = CODEC_V3.encode_payload([Packet(MESSAGE, b"x" * 122)], allow_binary=True)
    assert payload.body.startswith(b"\x01\x01\x02\x03\xff\x04x")


def test_a_ready_packet_is_sent_with_escapes() -> None:
    payload = CODEC_V3.encode_payload([ReadyPacket('2["ž"]')], allow_binary=True)
    assert payload.body == b'12:42["\\u017e"]'


def test_text_that_was_encoded_twice_is_decoded_twice() -> None:
    once = '42["echo","žluťoučký 😀"]'
    twice = once.encode().decode("latin-1")
    assert decode(f"{len(twice)}:{twice}".encode()) == [Packet(MESSAGE, once[1:])]


def test_text_that_was_encoded_once_is_left_alone() -> None:
    for text in ("žluťoučký 😀", "café", "naïve £", "Ã©1 ž"):
        payload = CODEC_V3.encode_payload([Packet(MESSAGE, text)], allow_binary=False)
        assert decode(payload.body) == [Packet(MESSAGE, text)]


def test_octets_and_frames_are_never_decoded_twice() -> None:
    mojibake = "Ã©"
    assert CODEC_V3.decode_frame(f"4{mojibake}") == Packet(MESSAGE, mojibake)
    octets = b"\x00\x05\xff4" + mojibake.encode()
    assert decode(octets, is_binary=True) == [Packet(MESSAGE, mojibake)]


def test_a_binary_frame_begins_with_its_type() -> None:
    packet = Packet(MESSAGE, b"\x01\x02\x03")
    assert CODEC_V3.encode_frame(packet, allow_binary=True) == b"\x04\x01\x02\x03"
    assert CODEC_V3.encode_frame(packet, allow_binary=False) == "b4AQID"
    assert CODEC_V3.decode_frame(b"\x04\x01\x02\x03") == CODEC_V3.decode_frame("b4AQID") == packet


def test_an_empty_list_is_a_length_of_zero() -> None:
    assert CODEC_V3.encode_payload([], allow_binary=True).body == b"0:"
    assert decode(b"0:") == []


@pytest.mark.parametrize(
    "body",
    [
        b"", b"garbage", b"99999999999:4a", b"9999999999:4a", b"-1:4", b"1e3:4", b" 1:4", b"+1:4", b":4", b"1:", b"1",
        b"3:4", b"0:1:4", b"2:4a1", "٣:4ab".encode(), b"1:4x", b"1:7", b"2:b5", b"4:b4AQ", b"1:\xff",
        "2:4😀".encode(), b"5:4a\x1e4b2",
    ],
)  # fmt: skip
def test_junk_text_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        decode(body)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"\x00", b"\x00\x01", b"\x00\xff4", b"\x02\x01\xff4", b"\x00\x0a\xff4", b"\x00\x02\xff4", b"\x00\x00\xff",
        b"\x00" + b"\x09" * 11 + b"\xff4", b"\x01\x01\xff4", b"\x01\x01\xff\x02", b"\x00\x02\xff4\xff", b"1:4",
    ],
)  # fmt: skip
def test_junk_octets_are_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        decode(body, is_binary=True)


def test_the_number_of_packets_is_bounded() -> None:
    assert len(decode(b"1:6" * 10)) == 10
    with pytest.raises(PayloadError):
        decode(b"1:6" * 11)


def test_a_noop_is_three_characters() -> None:
    assert CODEC_V3.encode_payload([NOOP], allow_binary=True).body == b"1:6"
