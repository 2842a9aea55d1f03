"""Values that both revisions share."""

import json

import pytest

from reaktor.engineio.packets import (
    V3,
    V4,
    Packet,
    PacketType,
    PayloadError,
    ReadyPacket,
    parse_text_packet,
    well_formed,
)
from reaktor.web.websocket_frames import text_frame


def test_a_ready_packet_is_ascii_for_revision_3_and_utf8_for_revision_4() -> None:
    ready = ReadyPacket('2["a","žluť 😀"]')
    assert ready.text(V4) == '42["a","žluť 😀"]'
    assert ready.text(V3) == '42["a","\\u017elu\\u0165 \\ud83d\\ude00"]'
    assert json.loads(ready.text(V3)[2:]) == ["a", "žluť 😀"]


def test_a_ready_packet_is_encoded_once_per_revision() -> None:
    ready = ReadyPacket('2["a","ž"]')
    assert ready.frame(V4) is ready.frame(V4)
    assert ready.frame(V3) is ready.frame(V3)
    assert ready.frame(V4) == text_frame('42["a","ž"]'.encode())
    assert ready.frame(V3) == text_frame(b'42["a","\\u017e"]')


def test_a_lone_surrogate_becomes_a_replacement_character() -> None:
    assert well_formed("a\ud800b") == "a\ufffdb"
    assert well_formed("😀") == "😀"
    assert ReadyPacket('2["\udc00"]').frame(V4) == text_frame('42["\ufffd"]'.encode())


def test_only_the_digits_0_to_6_begin_a_packet() -> None:
    assert parse_text_packet("4") == Packet(PacketType.MESSAGE, "")
    for text in ("", "7", "a", "-1", "٣x", "\x004"):
        with pytest.raises(PayloadError):
            parse_text_packet(text)
