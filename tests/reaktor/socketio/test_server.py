"""SocketIOServer over a small application, without a server or a network."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence

import pytest

from reaktor.engineio.packets import ReadyBatch, ReadyPacket
from reaktor.socketio.application import Accepted, DisconnectReason
from reaktor.socketio.client import INBOX_HIGH
from reaktor.socketio.connection import ConnectRequested
from reaktor.socketio.packet import ready_event
from tests.support.socketio_served import V3, V4, Served
from tests.support.waiting import until


async def test_events_are_handled_in_order_and_acked_once(served: Served) -> None:
    socket = await served.joined()
    for number in range(20):
        socket.say(f'42{number}["n",{number}]')
    assert [await socket.text() for _ in range(20)] == [f"43{number}[{number}]" for number in range(20)]
    assert served.application.events == [("n", number) for number in range(20)]


async def test_a_slow_handler_makes_only_its_own_client_wait(served: Served) -> None:
    slow, other = await served.joined(), await served.joined()
    served.application.may_go_on.clear()
    for number in range(INBOX_HIGH + 50):
        slow.say(f'42["n",{number}]')
    await asyncio.sleep(0.05)
    other.say("2")
    await other.closed()
    assert len(served.application.sockets[0]._client._inbox) <= INBOX_HIGH + 1
    served.application.may_go_on.set()
    await until(lambda: len(served.application.events) == INBOX_HIGH + 50)


async def test_an_event_that_waits_for_nothing_is_handled_as_it_is_heard_behind_what_came_before(
    served: Served,
) -> None:
    """Each event was a task of its own, when nothing else was under way."""
    await served.joined()
    (client,) = [socket._client for socket in served.application.sockets]
    client.on_message('2["now",1]')
    client.on_message('2["now",2]')
    assert served.application.events == [("now", 1), ("now", 2)]
    client.on_message('2["later",3]')
    client.on_message('2["now",4]')
    assert len(served.application.events) == 2
    await until(lambda: len(served.application.events) == 4)
    assert served.application.events[2:] == [("later", 3), ("now", 4)]
    assert served.application.labels == [client.session.label] * 4


async def test_a_malformed_packet_ends_its_session_and_nothing_else(served: Served) -> None:
    socket, other = await served.joined(), await served.joined()
    socket.say("42{}")
    await socket.closed()
    await until(lambda: ("/", DisconnectReason.MALFORMED) in served.application.ends)
    other.say('421["a"]')
    assert await other.text() == "431[]"


@pytest.mark.parametrize("name", ["fail", "fail now"])
async def test_a_bug_in_a_handler_is_logged_without_the_key_and_the_session_goes_on(
    served: Served, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    socket = await served.joined(V3)
    with caplog.at_level(logging.DEBUG):
        socket.say(f'42["{name}"]')
        socket.say('421["a"]')
        assert await socket.text() == "431[]"
    assert "a bug of the application" in caplog.text
    assert served.application.sockets[0].id not in caplog.text


async def test_a_bug_in_connect_refuses_the_client(served: Served) -> None:
    served.application.answer = RuntimeError("boom")
    socket = await served.socket()
    socket.say("40")
    assert await socket.text() == '44{"message":"Internal error"}'
    await socket.closed()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("41", DisconnectReason.CLIENT_LEFT),
        ("1", DisconnectReason.CLIENT_CLOSED),
        (1000, DisconnectReason.CLIENT_CLOSED),
        (1006, DisconnectReason.LOST),
    ],
)
async def test_the_end_is_told_once_with_its_reason(served: Served, end: str | int, reason: DisconnectReason) -> None:
    socket = await served.joined()
    if isinstance(end, str):
        socket.say(end)
    else:
        socket.lose(end)
    await until(lambda: ("/", reason) in served.application.ends)
    socket.lose(1000)
    await socket.done()
    assert served.application.ends == [("/", reason)]


async def test_a_client_that_goes_while_connect_is_running_is_told_to_the_application(served: Served) -> None:
    served.application.may_go_on.clear()
    socket = await served.socket()
    socket.say("40")
    await until(lambda: served.application.requests)
    socket.lose(1006)
    await socket.done()
    served.application.may_go_on.set()
    await until(lambda: ("/", DisconnectReason.LOST) in served.application.ends)
    assert served.application.joined == 0


async def test_disconnect_says_41_and_close_transport_never_does(served: Served) -> None:
    socket = await served.joined()
    served.application.sockets[0].disconnect()
    assert await socket.text() == "41"
    assert await socket.closed() == 1000
    await until(lambda: ("/", DisconnectReason.SERVER_LEFT) in served.application.ends)
    socket = await served.joined()
    served.application.sockets[1].close_transport()
    assert await socket.closed() == 4001
    await until(lambda: ("/", DisconnectReason.SERVER_CLOSED) in served.application.ends)


async def test_a_polling_client_fetches_its_disconnect(served: Served) -> None:
    query = "EIO=3&transport=polling&b64=1"
    answer = await served.http.get(query)
    query += f"&sid={json.loads(answer.text.partition(':')[2][1:])['sid']}"
    await until(lambda: served.application.joined)
    served.application.sockets[0].disconnect()
    assert (await served.http.get(query)).text == '2:4035:42["early","held until the answer"]2:41'
    assert (await served.http.get(query)).text == "1:1"


async def test_one_namespace_can_be_ended_alone(served: Served) -> None:
    socket = await served.joined()
    socket.say("40/chat")
    await socket.text()
    await socket.text()
    served.application.sockets[1].disconnect(close=False)
    assert await socket.text() == "41/chat,"
    socket.say('42/chat,["under way"]')
    socket.say('421["a"]')
    assert await socket.text() == "431[]"
    assert not served.application.sockets[1].is_connected


async def test_the_client_can_be_asked(served: Served) -> None:
    socket = await served.joined()
    answers: list[Sequence[object]] = []
    served.application.sockets[0].emit("q", 1, ack=answers.append)
    assert await socket.text() == '420["q",1]'
    socket.say('430["yes"]')
    await until(lambda: answers)
    assert answers == [("yes",)]


async def test_binary_events_work_in_both_directions(served: Served) -> None:
    socket = await served.joined()
    socket.say('451-5["b",{"_placeholder":true,"num":0}]')
    socket.say(b"\x01")
    assert await socket.text() == '461-5[{"_placeholder":true,"num":0}]'
    assert await socket.binary() == b"\x01"


async def test_ready_events_reach_both_revisions_and_are_encoded_once_each(served: Served) -> None:
    old, new = await served.joined(V3), await served.joined(V4)
    ready = [ready_event("a", "ž"), ready_event("b")]
    batch = ReadyBatch(ready)
    for socket in served.application.sockets:
        socket.emit_ready(ready[0])
        socket.write(batch)
    assert [await old.text() for _ in range(3)] == ['42["a","\\u017e"]', '42["a","\\u017e"]', '42["b"]']
    assert [await new.text() for _ in range(3)] == ['42["a","ž"]', '42["a","ž"]', '42["b"]']


async def test_volatile_events_are_dropped_while_they_cannot_leave(served: Served) -> None:
    query = "EIO=4&transport=polling"
    query += f"&sid={json.loads((await served.http.get(query)).text[1:])['sid']}"
    await served.http.post(query, "40")
    await until(lambda: served.application.joined)
    await served.http.get(query)
    socket = served.application.sockets[0]
    socket.emit("gone", volatile=True)
    socket.emit("kept")
    assert (await served.http.get(query)).text == '42["kept"]'
    waiting = served.http.start("GET", query)
    await until(lambda: socket.is_writable)
    socket.emit("now", volatile=True)
    assert (await waiting.done()).text == '42["now"]'


async def test_a_session_is_brought_back_with_what_it_missed_before_the_answer(served: Served) -> None:
    served.application.answer = Accepted(sid="old-id", pid="private", missed=[ReadyPacket('2["news","missed","o2"]')])
    socket = await served.socket()
    socket.say('40{"pid":"private","offset":"o1"}')
    assert await socket.text() == '42["news","missed","o2"]'
    assert await socket.text() == '40{"sid":"old-id","pid":"private"}'
    assert served.application.requests[0] == ConnectRequested("/", {}, pid="private", offset="o1")
    assert (served.application.sockets[0].id, served.application.sockets[0].pid) == ("old-id", "private")


async def test_after_the_end_emitting_does_nothing(served: Served) -> None:
    socket = await served.joined()
    held = served.application.sockets[0]
    socket.lose()
    await socket.done()
    held.emit("a")
    held.emit("a", ack=lambda _: None)
    held.emit_ready(ready_event("a"))
    held.write(ReadyBatch([ready_event("a")]))
    held.disconnect()
    assert not held.is_connected
    assert not held.is_writable
