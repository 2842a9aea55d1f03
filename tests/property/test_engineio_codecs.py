"""Both codecs of Engine.IO: what is written is read back, and junk never raises anything but the codec's own error."""

from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from reaktor.engineio.codec_v3 import CODEC_V3
from reaktor.engineio.codec_v4 import CODEC_V4, SEPARATOR
from reaktor.engineio.packets import V3, V4, Packet, PacketType, PayloadError, ReadyPacket

MAX_PACKETS = 50
cheap = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text()
messages = st.builds(Packet, st.just(PacketType.MESSAGE), texts | st.binary())
others = st.builds(Packet, st.sampled_from([kind for kind in PacketType if kind is not PacketType.MESSAGE]), texts)
packets = st.lists(messages | others, min_size=1, max_size=8)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)


def reads_as_encoded_twice(text: str) -> bool:
    """The one kind of text that a string payload of revision 3 can't carry unharmed: see CodecV3.decode_payload."""
    try:
        return text.encode("latin-1").decode() != text
    except UnicodeError:
        return False


@cheap
@given(packets, st.booleans())
def test_revision_4_payloads_come_back(sent: list[Packet], allow_binary: bool) -> None:
    sent = [packet for packet in sent if isinstance(packet.data, bytes) or SEPARATOR not in packet.data]
    if sent:
        payload = CODEC_V4.encode_payload(sent, allow_binary=allow_binary)
        assert CODEC_V4.decode_payload(payload.body, is_binary=False, max_packets=MAX_PACKETS) == sent


@cheap
@given(packets, st.booleans())
@example([Packet(PacketType.MESSAGE, "😀"), Packet(PacketType.MESSAGE, "ž")], False)
def test_revision_3_payloads_come_back(sent: list[Packet], allow_binary: bool) -> None:
    payload = CODEC_V3.encode_payload(sent, allow_binary=allow_binary)
    assert payload.is_binary == (allow_binary and any(isinstance(packet.data, bytes) for packet in sent))
    if not payload.is_binary:
        sent = [packet for packet in sent if isinstance(packet.data, bytes) or not reads_as_encoded_twice(packet.data)]
        payload = CODEC_V3.encode_payload(sent, allow_binary=allow_binary)
    if sent:
        assert CODEC_V3.decode_payload(payload.body, is_binary=payload.is_binary, max_packets=MAX_PACKETS) == sent


@cheap
@given(packets)
def test_text_that_1x_encodes_twice_comes_back(sent: list[Packet]) -> None:
    body = ""
    for packet in sent:
        text = str(CODEC_V3.encode_frame(packet, allow_binary=False)).encode().decode("latin-1")
        body += f"{len(text)}:{text}"
    expected = [packet for packet in sent if isinstance(packet.data, bytes) or not packet.data.isascii()]
    decoded = CODEC_V3.decode_payload(body.encode(), is_binary=False, max_packets=MAX_PACKETS)
    assert [packet for packet in decoded if isinstance(packet.data, bytes) or not packet.data.isascii()] == expected


@cheap
@given(messages | others, st.booleans())
def test_frames_come_back_in_both_revisions(packet: Packet, allow_binary: bool) -> None:
    for codec in (CODEC_V3, CODEC_V4):
        assert codec.decode_frame(codec.encode_frame(packet, allow_binary=allow_binary)) == packet


@cheap
@given(texts, json_values)
def test_a_ready_packet_says_the_same_in_both_revisions(name: str, value: Any) -> None:
    ready = ReadyPacket("2" + json.dumps([name, value], ensure_ascii=False))
    assert json.loads(ready.text(V3)[2:]) == json.loads(ready.text(V4)[2:]) == [name, value]
    assert ready.text(V3).isascii()
    assert ready.frame(V3).endswith(ready.text(V3).encode())


@cheap
@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_lone_surrogates_never_stop_a_packet(text: str) -> None:
    for codec in (CODEC_V3, CODEC_V4):
        for packet in (Packet(PacketType.MESSAGE, text), ReadyPacket(text)):
            codec.encode_payload([packet], allow_binary=True)
            str(codec.encode_frame(packet, allow_binary=True)).encode()


almost_v3 = st.lists(
    st.sampled_from(["0", "1", "2", "4", "9", "99999999999", ":", "-", "b", "4", "é", "😀", "\x00", "Å¾", "٣", "a"])
).map(lambda parts: "".join(parts).encode())
almost_octets = st.lists(st.sampled_from([b"\x00", b"\x01", b"\x02", b"\x09", b"\xff", b"4", b"\x04", b"\xc5"])).map(
    b"".join
)
almost_v4 = st.lists(st.sampled_from([b"4", b"b", b"\x1e", b"=", b"AQ", b"\xff", b"6", b"x"])).map(b"".join)


@cheap
@given(st.binary() | almost_v3 | almost_octets | almost_v4, st.booleans())
def test_junk_raises_the_codecs_own_error_or_none(body: bytes, is_binary: bool) -> None:
    for codec in (CODEC_V3, CODEC_V4):
        for decode in (
            lambda codec=codec: codec.decode_payload(body, is_binary=is_binary, max_packets=MAX_PACKETS),
            lambda codec=codec: codec.decode_frame(body),
            lambda codec=codec: codec.decode_frame(body.decode("utf-8", "replace")),
        ):
            with contextlib.suppress(PayloadError):
                decode()


@cheap
@given(packets, st.data())
def test_a_changed_payload_raises_the_codecs_own_error_or_none(sent: list[Packet], data: st.DataObject) -> None:
    for codec in (CODEC_V3, CODEC_V4):
        payload = codec.encode_payload(sent, allow_binary=True)
        body = bytearray(payload.body)
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
        with contextlib.suppress(PayloadError):
            codec.decode_payload(bytes(body), is_binary=payload.is_binary, max_packets=MAX_PACKETS)


@pytest.mark.parametrize(
    "body",
    [
        b"1:6" * 300_000,
        b"6\x1e" * 500_000,
        b"9" * 1_000_000,
        "😀".encode() * 250_000,
        b"250001:4" + "😀".encode() * 250_000,
        b"\x00\x09\xff" * 300_000,
        b"\x00" + b"\x09" * 1_000_000,
        b"1000000:4" + b"x" * 999_999,
        b"b" * 1_000_000,
        b"1:6" * 999 + b"99:6",
        ("3:4Ã©" * 100_000).encode(),
    ],
)
@pytest.mark.parametrize("is_binary", [True, False])
def test_a_megabyte_of_junk_costs_less_than_a_millisecond_per_kilobyte(body: bytes, is_binary: bool) -> None:
    for codec in (CODEC_V3, CODEC_V4):
        started = time.process_time()
        with contextlib.suppress(PayloadError):
            codec.decode_payload(body, is_binary=is_binary, max_packets=1_000)
        assert time.process_time() - started < max(len(body) / 1024 * 0.001, 0.01)
