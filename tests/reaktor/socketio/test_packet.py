"""Socket.IO packets as text."""

import contextlib
from typing import Any

import pytest

from reaktor.engineio.packets import ReadyPacket
from reaktor.socketio.packet import Packet, PacketError, PacketType, dump_json, load_json, parse, ready_event, serialize

EVENT = PacketType.EVENT


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", Packet(PacketType.CONNECT)),
        ('0{"token":"x"}', Packet(PacketType.CONNECT, data={"token": "x"})),
        ("0/admin", Packet(PacketType.CONNECT, "/admin")),
        ("0/admin,", Packet(PacketType.CONNECT, "/admin")),
        ("0/chat?token=x,", Packet(PacketType.CONNECT, "/chat", query="token=x")),
        ("0/chat?token=x", Packet(PacketType.CONNECT, "/chat", query="token=x")),
        ('0/chat,{"a":1}', Packet(PacketType.CONNECT, "/chat", {"a": 1})),
        ("1", Packet(PacketType.DISCONNECT)),
        ("1/admin", Packet(PacketType.DISCONNECT, "/admin")),
        ('2["a",1]', Packet(EVENT, data=["a", 1])),
        ('2456["a",{"b":[false,null]}]', Packet(EVENT, data=["a", {"b": [False, None]}], id=456)),
        ('2/admin,0["echo",1]', Packet(EVENT, "/admin", ["echo", 1], 0)),
        ("2[5]", Packet(EVENT, data=[5])),
        ("3/admin,13[1]", Packet(PacketType.ACK, "/admin", [1], 13)),
        ("30[]", Packet(PacketType.ACK, data=[], id=0)),
        ('51-["b"]', Packet(PacketType.BINARY_EVENT, data=["b"], attachments=1)),
        ('62-/a,7["b"]', Packet(PacketType.BINARY_ACK, "/a", ["b"], 7, 2)),
    ],
)  # fmt: skip
def test_packets_are_read(text: str, packet: Packet) -> None:
    assert parse(text, 5) == packet


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "7", "9[]", "-1", "\x00", "٢[]",
        "2", "2[]", "2{}", '2"a"', "21", "2[null]", "2[true]", "2[{}]", "2[[]]", "2abc[1]", '2["a"', '2["a"]x', "2[1,]",
        '2["connect"]', '2["disconnect"]', '2["connect_error"]', '2["disconnecting"]', '2["newListener"]',
        '2["removeListener"]', '2["' + "x" * 129 + '"]', '21-["a"]', "2[NaN]", '2["a",Infinity]', '2["a",1e999]',
        '2["a",' + "1" * 10_000 + "]",
        "3[1]", "30", "30{}", '3abc["a"]', "30-[]",
        "4", '4"error"', '4{"message":"x"}',
        '5["a"]', '50-["a"]', '511-["a"]', '5x-["a"]', '5-["a"]', '5-1-["a"]', '51000000-["a"]', '6["a"]', '61-["a"]',
        "1[]", '1"x"', "15", "0[]", '0"x"', "01", "01{}", "0null1",
        "0/" + "x" * 300,
    ],
)  # fmt: skip
@pytest.mark.parametrize("revision", [4, 5])
def test_junk_is_refused(text: str, revision: int) -> None:
    if (text, revision) == ('50-["a"]', 4):
        # Clients of 1.x write it.
        assert parse(text, revision).attachments == 0
        return
    with pytest.raises(PacketError):
        parse(text, revision)


def test_an_id_of_too_many_digits_is_refused() -> None:
    assert parse("2" + "9" * 15 + '["a"]', 5).id == 10**15 - 1
    with pytest.raises(PacketError):
        parse("2" + "9" * 16 + '["a"]', 5)


def test_the_payload_may_be_64_levels_deep() -> None:
    def event(depth: int) -> str:
        return '2["a",' + "[" * (depth - 1) + "]" * (depth - 1) + "]"

    assert parse(event(64), 5).data[0] == "a"
    with pytest.raises(PacketError):
        parse(event(65), 5)
    assert parse('2["a","' + "[{" * 100 + '"]', 5).data[1] == "[{" * 100
    assert len(parse('2["a"' + ",[]" * 1000 + "]", 5).data) == 1001


@pytest.mark.parametrize(
    "text",
    [
        '2["a",' + "[" * 500_000,
        '2["a",' + '{"a":' * 200_000,
        '2["' + '\\"' * 300_000,
        '2["a",' + "[]," * 200_000,
        '2["a",' + '"[\\' * 200_000,
        "2" + "1" * 1_000_000,
        '2["a",' + "1" * 1_000_000 + "]",
        "2/" + "," * 500_000,
        '5999999-["a"]',
        '2["a","' + "\\ud800" * 100_000 + '"]',
    ],
)
def test_bombs_are_packets_or_packet_errors_and_nothing_else(text: str) -> None:
    """What takes more than its length in steps would not end here: each is half a megabyte or more."""
    with contextlib.suppress(PacketError):
        assert parse(text, 5).type is PacketType.EVENT


def test_lone_surrogates_become_replacement_characters() -> None:
    assert load_json('["a\\ud800b", {"\\uDC00": "\\ud83d\\ude00"}, "\\\\ud800"]') == [
        "a\ufffdb",
        {"\ufffd": "😀"},
        "\\ud800",
    ]


@pytest.mark.parametrize(
    ("packet", "ascii_only", "text"),
    [
        (Packet(PacketType.CONNECT), True, "0"),
        (Packet(PacketType.CONNECT, "/admin"), True, "0/admin,"),
        (Packet(PacketType.CONNECT, data={"sid": "x"}), False, '0{"sid":"x"}'),
        (Packet(PacketType.DISCONNECT, "/admin"), False, "1/admin,"),
        (Packet(EVENT, data=["a", "ž😀"]), False, '2["a","ž😀"]'),
        (Packet(EVENT, data=["a", "ž😀"]), True, '2["a","\\u017e\\ud83d\\ude00"]'),
        (Packet(PacketType.ACK, "/admin", [1], 13), False, "3/admin,13[1]"),
        (Packet(PacketType.CONNECT_ERROR, "/nope", "Invalid namespace"), True, '4/nope,"Invalid namespace"'),
        (Packet(PacketType.BINARY_EVENT, data=["b"], attachments=2), False, '52-["b"]'),
    ],
)
def test_packets_are_written(packet: Packet, ascii_only: bool, text: str) -> None:
    assert serialize(packet, ascii_only=ascii_only) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, object(), b"x"])
def test_what_is_no_json_is_an_error_of_the_caller(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        dump_json(value, ascii_only=False)


def test_a_ready_event_is_the_message_for_both_revisions() -> None:
    ready = ready_event("say", "ž", {"a": 1}, namespace="/chat")
    assert isinstance(ready, ReadyPacket)
    assert ready.text(4) == '42/chat,["say","ž",{"a":1}]'
    assert ready.text(3) == '42/chat,["say","\\u017e",{"a":1}]'
