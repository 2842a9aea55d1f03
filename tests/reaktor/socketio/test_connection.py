"""The Socket.IO machine: namespaces, acks and binary data, by revision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from reaktor.socketio.attachments import MAX_ATTACHMENT_BYTES, put_back, take_out
from reaktor.socketio.connection import (
    MAX_PENDING_ACKS,
    AckReceived,
    Connection,
    ConnectRequested,
    EventReceived,
    Left,
    Reply,
)
from reaktor.socketio.packet import PacketError

OFFERED = {"/", "/chat"}


def refuses_one_of(connection: Connection, messages: Sequence[str | bytes]) -> bool:
    """Whether these messages, in order, end the connection."""
    try:
        for message in messages:
            connection.receive(message)
    except PacketError:
        return True
    return False


def joined(engine_revision: int) -> Connection:
    """A connection in `/`."""
    connection = Connection(engine_revision, OFFERED)
    if engine_revision == 3:
        connection.opened()
    else:
        connection.receive("0")
    connection.accept("/", "id")
    return connection


# Engine.IO 3, Socket.IO revision 4


def test_a_client_of_revision_4_is_connected_unasked() -> None:
    connection = Connection(3, OFFERED)
    assert connection.opened() == [ConnectRequested("/")]
    assert connection.accept("/", "sid") == ["0"]
    assert connection.is_joined("/")


def test_in_revision_4_its_own_connect_to_root_is_ignored() -> None:
    connection = joined(3)
    assert connection.receive("0") == []
    assert connection.receive("0/") == []


def test_in_revision_4_other_namespaces_wait_for_root() -> None:
    connection = Connection(3, OFFERED)
    connection.opened()
    assert connection.receive("0/chat?token=x") == [ConnectRequested("/chat", query="token=x")]
    assert not connection.is_wanted("/chat")
    connection.accept("/", "sid")
    assert connection.is_wanted("/chat")
    assert connection.accept("/chat", "id") == ["0/chat,"]


def test_in_revision_4_nothing_is_wanted_where_root_was_refused() -> None:
    connection = Connection(3, OFFERED)
    connection.opened()
    assert connection.refuse("/", "bad token") == ['4"bad token"']
    connection.receive("0/chat")
    assert not connection.is_wanted("/chat")


def test_in_revision_4_errors_are_text_or_the_data() -> None:
    connection = joined(3)
    assert connection.receive("0/nope") == [Reply(['4/nope,"Invalid namespace"'])]
    connection.receive("0/chat")
    assert connection.refuse("/chat", "no", {"code": 7}) == ['4/chat,{"code":7}']


def test_in_revision_4_events_for_a_namespace_that_is_not_connected_are_ignored() -> None:
    connection = joined(3)
    assert connection.receive('2/chat,["a"]') == connection.receive("1/chat") == []


def test_revision_4_is_sent_ascii() -> None:
    connection = joined(3)
    assert connection.event("/", "a", ["ž"], None) == ['2["a","\\u017e"]']
    assert connection.ack("/", 3, ["ž"]) == ['33["\\u017e"]']


# Engine.IO 4, Socket.IO revision 5


def test_a_client_of_revision_5_asks_for_every_namespace() -> None:
    connection = Connection(4, OFFERED)
    assert connection.opened() == []
    assert connection.receive('0{"token":"x"}') == [ConnectRequested("/", {"token": "x"})]
    assert connection.accept("/", "id") == ['0{"sid":"id"}']
    assert connection.receive("0/chat") == [ConnectRequested("/chat")]
    assert connection.accept("/chat", "id2", "private") == ['0/chat,{"sid":"id2","pid":"private"}']


def test_recovery_fields_are_taken_out_of_auth() -> None:
    connection = Connection(4, OFFERED)
    (request,) = connection.receive('0{"pid":"p","offset":"o","token":"x"}')
    assert request == ConnectRequested("/", {"token": "x"}, pid="p", offset="o")
    (request,) = connection.receive('0/chat,{"pid":7,"offset":[1]}')
    assert request == ConnectRequested("/chat", {})


def test_in_revision_5_errors_are_objects() -> None:
    connection = joined(4)
    assert connection.receive("0/nope,{}") == [Reply(['4/nope,{"message":"Invalid namespace"}'])]
    connection.receive("0/chat")
    assert connection.refuse("/chat", "no", {"code": 7}) == ['4/chat,{"message":"no","data":{"code":7}}']
    assert connection.receive("0/chat") == [ConnectRequested("/chat")]


@pytest.mark.parametrize("text", ['2["a"]', "1", "30[]", '2/chat,["a"]', "1/nope", '51-["a"]'])
def test_in_revision_5_nothing_else_comes_before_connect(text: str) -> None:
    connection = Connection(4, OFFERED)
    connection.receive("0/chat")
    assert refuses_one_of(connection, [text, b"x"])


def test_in_revision_5_a_second_connect_is_an_error() -> None:
    with pytest.raises(PacketError):
        joined(4).receive("0")
    connection = Connection(4, OFFERED)
    connection.receive("0")
    with pytest.raises(PacketError):
        connection.receive("0")


def test_a_namespace_can_be_left_and_joined_again() -> None:
    for revision in (3, 4):
        connection = joined(revision)
        connection.receive("0/chat")
        connection.accept("/chat", "id")
        assert connection.receive("1/chat") == [Left("/chat")]
        assert (connection.is_joined("/"), connection.is_joined("/chat")) == (True, False)
        assert connection.receive("0/chat") == [ConnectRequested("/chat")]


def test_packets_under_way_to_a_namespace_that_we_ended_are_ignored() -> None:
    for revision in (3, 4):
        connection = joined(revision)
        assert connection.leave("/") == ["1"]
        assert connection.receive('2["a"]') == connection.receive("1") == []
        assert not connection.is_joined("/")


# Events and acks


def test_events_carry_their_ack_id_and_acks_come_back_once() -> None:
    connection = joined(4)
    assert connection.receive('2["a",1,[2]]') == [EventReceived("/", "a", (1, [2]), None)]
    assert connection.receive('27["a"]') == [EventReceived("/", "a", (), 7)]
    assert connection.receive("2[1.5]") == [EventReceived("/", "1.5", (), None)]
    assert connection.ack("/", 7, [1, "x"]) == ['37[1,"x"]']
    got: list[Any] = []
    assert connection.event("/", "q", [1], got.append) == ['20["q",1]']
    assert connection.event("/", "q", [1], got.append) == ['21["q",1]']
    (heard,) = connection.receive('31["yes"]')
    assert isinstance(heard, AckReceived)
    assert heard.args == ("yes",)
    assert connection.receive('31["again"]') == connection.receive("399[]") == []


def test_acks_that_never_come_are_forgotten() -> None:
    connection = joined(4)
    for _ in range(MAX_PENDING_ACKS + 10):
        connection.event("/", "q", [], lambda _: None)
    assert connection.receive("39[]") == []
    assert len(connection.receive("310[]")) == 1


# Binary


def test_binary_data_goes_out_as_placeholders_and_attachments() -> None:
    connection = joined(4)
    assert connection.event("/", "b", [b"\x01", {"c": [b"\x02"]}], None) == [
        '52-["b",{"_placeholder":true,"num":0},{"c":[{"_placeholder":true,"num":1}]}]',
        b"\x01",
        b"\x02",
    ]
    assert connection.ack("/", 3, [b"\x01"]) == ['61-3[{"_placeholder":true,"num":0}]', b"\x01"]


def test_binary_data_is_put_back_when_its_last_attachment_came() -> None:
    connection = joined(4)
    assert connection.receive('52-4["b",{"_placeholder":true,"num":1},[{"_placeholder":true,"num":0}]]') == []
    assert connection.receive(b"\x01") == []
    assert connection.receive(b"\x02") == [EventReceived("/", "b", (b"\x02", [b"\x01"]), 4)]
    got: list[Any] = []
    connection.event("/", "q", [], got.append)
    connection.receive('61-0[{"_placeholder":true,"num":0}]')
    (heard,) = connection.receive(b"\xff")
    assert isinstance(heard, AckReceived)
    assert heard.args == (b"\xff",)


@pytest.mark.parametrize(
    "messages",
    [
        [b"\x01"],
        ['51-["b"]', '2["a"]'],
        ['51-["b",{"_placeholder":true,"num":1}]', b"\x01"],
        ['51-["b",{"_placeholder":true,"num":-1}]', b"\x01"],
        ['51-["b",{"_placeholder":true,"num":true}]', b"\x01"],
        ['51-["b",{"_placeholder":true,"num":0.0}]', b"\x01"],
        ['51-["b",{"_placeholder":true,"num":"0"}]', b"\x01"],
        ['51-["b",{"_placeholder":true}]', b"\x01"],
        ['51-["b",{"_placeholder":true,"num":"length"}]', b"\x01"],
        ['52-["b"]', b"x" * MAX_ATTACHMENT_BYTES, b"x"],
        ['51-["b"]', b"\x01", b"\x01"],
    ],
)
def test_binary_data_out_of_place_is_refused(messages: list[str | bytes]) -> None:
    assert refuses_one_of(joined(4), messages)


def test_no_attachment_at_all_is_taken_from_revision_4_alone() -> None:
    assert joined(3).receive('50-["b"]') == [EventReceived("/", "b", (), None)]
    with pytest.raises(PacketError):
        joined(4).receive('50-["b"]')


def test_more_than_ten_attachments_are_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="too many"):
        joined(4).event("/", "b", [b"x"] * 11, None)
    with pytest.raises(TypeError):
        joined(4).event("/", "b", [object()], None)


def test_taking_out_leaves_the_callers_data_alone() -> None:
    data = ["b", {"c": [b"\x01"]}]
    taken, found = take_out(data)
    assert data == ["b", {"c": [b"\x01"]}]
    assert put_back(taken, found) == data
