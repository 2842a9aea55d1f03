"""Socket.IO packets: what is written is read back, by any client revision; junk ends in the parser's own error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reaktor.socketio.attachments import put_back, take_out
from reaktor.socketio.connection import Connection
from reaktor.socketio.packet import (
    BINARY_TYPES,
    MAX_ATTACHMENTS,
    MAX_ID_DIGITS,
    RESERVED_EVENTS,
    Packet,
    PacketError,
    PacketType,
    parse,
    serialize,
)

cheap = settings(max_examples=175, deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(max_size=30)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts
)


def values_with(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    keys = texts.filter(lambda key: key != "_placeholder")
    return st.recursive(
        leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
    )


def fits(value: Any) -> bool:
    """Whether it has no more attachments than one packet may have."""
    try:
        take_out(value)
    except ValueError:
        return False
    return True


json_values = values_with(scalars)
binary_values = values_with(scalars | st.binary(max_size=20)).filter(fits)
names = texts.filter(lambda name: name not in RESERVED_EVENTS)
ids = st.none() | st.integers(0, 10**MAX_ID_DIGITS - 1)
namespaces = st.just("/") | texts.filter(lambda name: not set(name) & set(",?")).map(lambda name: f"/{name}")
events = st.tuples(names, st.lists(json_values, max_size=3)).map(lambda pair: [pair[0], *pair[1]])


def built(kind: PacketType, *fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Packet]:
    """Packets of a type with these fields, in their order, and no others."""
    return st.tuples(*fields).map(lambda found: Packet(kind, *found))


packets = st.one_of(
    built(PacketType.EVENT, namespaces, events, ids),
    built(PacketType.ACK, namespaces, st.lists(json_values), st.integers(0, 10**MAX_ID_DIGITS - 1)),
    built(PacketType.CONNECT, namespaces, st.none() | st.dictionaries(texts, json_values)),
    built(PacketType.DISCONNECT, namespaces),
    built(PacketType.BINARY_EVENT, namespaces, events, ids, st.integers(1, MAX_ATTACHMENTS)),
)


@cheap
@given(packets, st.booleans())
def test_packets_come_back(packet: Packet, ascii_only: bool) -> None:
    for revision in (4, 5):
        assert parse(serialize(packet, ascii_only=ascii_only), revision) == packet


@cheap
@given(binary_values)
def test_binary_data_comes_back(value: Any) -> None:
    taken, found = take_out([value])
    assert put_back(taken, found) == [value]


@cheap
@given(names, st.lists(binary_values, max_size=3).filter(fits), ids, st.sampled_from([3, 4]))
def test_an_event_travels_from_one_side_to_the_other(
    name: str, args: list[Any], number: int | None, revision: int
) -> None:
    sides = Connection(revision, {"/"}), Connection(revision, {"/"})
    for side in sides:
        side.opened() or side.receive("0")
        side.accept("/", "id")
    called: list[Any] = []
    messages = sides[0].event("/", name, args, called.append if number is not None else None)
    heard = [item for message in messages for item in sides[1].receive(message)]
    assert [(item.name, list(item.args)) for item in heard] == [(name, args)]  # type: ignore[union-attr]
    if number is not None:
        answers = sides[1].ack("/", heard[0].id, args)  # type: ignore[union-attr, arg-type]
        acks = [item for message in answers for item in sides[0].receive(message)]
        assert [list(item.args) for item in acks] == [args]  # type: ignore[union-attr]


PIECES = (
    *"01234567-,/?[]{}:é\\😀\x00",
    *("/a", '"', '"a"', "null", "true", "1e9", "-0", '["a"]', "__proto__", "\\ud800", '{"_placeholder":true,"num":0}'),
)
almost = st.lists(st.sampled_from(PIECES)).map("".join)


@settings(max_examples=750, deadline=None)
@given(st.lists(st.text() | almost | st.binary(max_size=10), max_size=5), st.sampled_from([3, 4]))
def test_junk_raises_the_parsers_own_error_or_none(messages: list[str | bytes], revision: int) -> None:
    connection = Connection(revision, {"/", "/a"})
    for heard in connection.opened() or connection.receive("0"):
        connection.accept(heard.namespace, "id")  # type: ignore[union-attr]
    for message in messages:
        try:
            connection.receive(message)
        except PacketError:
            return


@cheap
@given(packets, st.data())
def test_a_changed_packet_is_read_or_refused(packet: Packet, data: st.DataObject) -> None:
    text = serialize(packet, ascii_only=False)
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 3)) :]
    try:
        read = parse(changed, 5)
    except PacketError:
        return
    assert (read.type in BINARY_TYPES) == bool(read.attachments)


@cheap
@given(json_values | st.integers(-3, 12), st.lists(st.binary(max_size=3), max_size=MAX_ATTACHMENTS))
def test_a_placeholder_points_at_an_attachment_or_the_packet_is_an_error(number: Any, attachments: list[bytes]) -> None:
    pointing = {"_placeholder": True, "num": number}
    if type(number) is int and number in range(len(attachments)):
        assert put_back([pointing], attachments) == [attachments[number]]
    else:
        with pytest.raises(PacketError):
            put_back([pointing], attachments)
