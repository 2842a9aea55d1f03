"""The WebSocket transport through the ASGI application, with frames straight to a sink."""

from __future__ import annotations

import asyncio
from typing import Any

from reaktor.config.model import EngineIO
from reaktor.engineio.packets import CloseReason, ReadyBatch, ReadyPacket
from tests.support.asgi import RecordingSink, Socket
from tests.support.engineio_served import PATH, Served, upgrade_of
from tests.support.engineio_served import WEBSOCKET_V4 as V4
from tests.support.waiting import until


async def test_with_a_sink_everything_goes_out_as_frames_in_order(served: Served) -> None:
    sink = RecordingSink()
    socket = await served.socket(V4, sink)
    await until(lambda: sink.data)
    session = served.echo.sessions[0]
    ready = [ReadyPacket('2["a"]'), ReadyPacket('2["ž"]')]
    session.send("1")
    session.write(ReadyBatch(ready))
    session.send_ready(ready[0])
    session.send("2")
    assert sink.texts()[1:] == ["41", '42["a"]', '42["ž"]', '42["a"]', "42"]
    session.close(code=4001)
    assert await socket.closed() == 4001


async def test_ready_packets_reach_a_poll_as_text_of_its_revision(served: Served) -> None:
    ready = [ReadyPacket('2["a"]'), ReadyPacket('2["ž"]')]
    for revision, expected in ((4, '42["a"]\x1e42["ž"]'), (3, '7:42["a"]12:42["\\u017e"]')):
        query = await served.polling(f"EIO={revision}&transport=polling")
        session = served.echo.sessions[-1]
        session.write(ReadyBatch(ready))
        assert (await served.http.get(query)).text == expected


async def test_ready_packets_keep_their_place_across_the_upgrade(served: Served) -> None:
    query, sink = await served.polling(), RecordingSink()
    session = served.echo.sessions[0]
    socket = await served.socket(upgrade_of(query), sink)
    socket.say("2probe")
    await until(lambda: sink.data)
    assert sink.texts() == ["3probe"]
    session.send_ready(ReadyPacket("1"))
    socket.say("5")
    await until(lambda: sink.data)
    session.send_ready(ReadyPacket("2"))
    session.send("3")
    assert sink.texts() == ["41", "42", "43"]


async def test_messages_are_handed_over_as_they_are_read_until_the_application_is_busy(served: Served) -> None:
    """Each went through a queue, and a turn of the loop for the task behind it."""
    sink = RecordingSink()
    socket = await served.socket(V4, sink)
    await until(lambda: sink.data)
    sink.data.clear()
    session = served.echo.sessions[0]
    socket.say("4a")
    socket.say("4b")
    assert sink.texts() == ["4a", "4b"]
    session.pause_reading()
    for text in ("4c", "4d", "4e"):
        socket.say(text)
    await asyncio.sleep(0.01)
    assert sink.texts() == ["4c"]
    session.resume_reading()
    await until(lambda: len(sink.data) > 4)
    await asyncio.sleep(0)
    assert sink.texts() == ["4d", "4e"]


async def test_junk_that_is_read_at_once_ends_the_session(served: Served) -> None:
    for junk, reason in (("9", CloseReason.MALFORMED), ("4" + "x" * 1000, CloseReason.TOO_LARGE)):
        sink = RecordingSink()
        socket = await served.socket(V4, sink)
        await until(lambda sink=sink: sink.data)
        socket.say(junk)
        assert served.echo.reasons[-1] is reason
        await socket.closed()


async def test_a_client_that_does_not_read_is_cut(served: Served) -> None:
    for way in ("ready", "plain"):
        sink = RecordingSink()
        await served.socket(V4, sink)
        await until(lambda sink=sink: sink.data)
        session = served.echo.sessions[-1]
        sink.unsent = 50_001
        if way == "ready":
            session.send_ready(ReadyPacket("2"))
        else:
            session.send("2")
        assert sink.is_aborted
        assert served.echo.reasons[-1] is CloseReason.TOO_SLOW


async def test_a_socket_with_unsent_bytes_is_not_writable(served: Served) -> None:
    sink = RecordingSink()
    await served.socket(V4, sink)
    await until(lambda: sink.data)
    assert served.echo.sessions[0].is_writable
    sink.unsent = 1
    assert not served.echo.sessions[0].is_writable


async def test_without_a_sink_what_the_server_does_not_take_stays_in_the_bounded_outbox() -> None:
    served = Served(EngineIO(max_queued_packets=10))
    takes = asyncio.Event()
    takes.set()
    sent: list[dict[str, Any]] = []

    async def server_with_a_full_socket(scope: Any, receive: Any, send: Any) -> None:
        async def slow_send(message: dict[str, Any]) -> None:
            await takes.wait()
            sent.append(message)

        await served.server(scope, receive, slow_send)

    Socket(server_with_a_full_socket, PATH + V4)
    await until(lambda: len(sent) == 2)
    takes.clear()
    served.echo.sessions[0].send("taken")
    await asyncio.sleep(0)
    for _ in range(10):
        served.echo.sessions[0].send("queued")
    assert served.echo.reasons == []
    served.echo.sessions[0].send("too much")
    assert served.echo.reasons == [CloseReason.TOO_SLOW]
    takes.set()
    await until(lambda: len(sent) == 4)
    assert [message.get("text", message["type"]) for message in sent[2:]] == ["4taken", "websocket.close"]
