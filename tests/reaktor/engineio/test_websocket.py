"""The WebSocket transport through the ASGI application: over ASGI messages, and with frames straight to a sink."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from reaktor.config import EngineIO, Rate
from reaktor.engineio.packets import CloseReason, ReadyPacket
from reaktor.engineio.server import EngineServer
from tests.support.asgi import HttpClient, RecordingSink, Socket
from tests.support.engineio_echo import Echo
from tests.support.waiting import until

PATH = "/socket.io/?"
V4 = "EIO=4&transport=websocket"
V3 = "EIO=3&transport=websocket"


class Served:
    """A server, its application, and clients of it."""

    def __init__(self, options: EngineIO) -> None:
        self.echo = Echo()
        self.server = EngineServer(options, self.echo)
        self.http = HttpClient(self.server)

    async def socket(self, query: str = V4, sink: RecordingSink | None = None) -> Socket:
        """An accepted socket; its open packet is still to be read."""
        socket = Socket(self.server, PATH + query, sink)
        await socket.accepted()
        return socket

    async def polling(self, revision: int = 4) -> str:
        """An open polling session's query."""
        query = f"EIO={revision}&transport=polling"
        text = (await self.http.get(query)).text
        return f"{query}&sid={json.loads(text[text.index('{') :])['sid']}"


def upgrade_of(query: str) -> str:
    return query.replace("polling", "websocket")


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    served = Served(EngineIO(max_payload_bytes=1000, upgrade_timeout_s=0.2, max_queued_bytes=50_000))
    running = asyncio.ensure_future(served.server.run())
    yield served
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_opening_a_websocket_is_a_handshake(served: Served) -> None:
    socket = await served.socket()
    text = await socket.text()
    fields = json.loads(text[1:])
    assert text[0] == "0"
    assert list(fields) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    assert fields["upgrades"] == []


async def test_text_and_binary_come_back(served: Served) -> None:
    for query, said, binary in ((V4, b"\x01\x02", b"\x01\x02"), (V3, b"\x04\x01\x02", b"\x04\x01\x02")):
        socket = await served.socket(query)
        await socket.text()
        socket.say("4žluť 😀")
        assert await socket.text() == "4žluť 😀"
        socket.say(said)
        assert await socket.binary() == binary


async def test_a_client_that_asked_for_base64_gets_it(served: Served) -> None:
    socket = await served.socket(V3 + "&b64=1")
    await socket.text()
    socket.say("b4AQI=")
    assert await socket.text() == "b4AQI="


@pytest.mark.parametrize(
    "query",
    [
        "EIO=4", "EIO=4&transport=abc", "transport=websocket", "EIO=abc&transport=websocket", "EIO=4&transport=polling",
        V4 + "&sid=nosuch", V4 + "&sid=__proto__", V4 + "&refuse=1",
    ],
)  # fmt: skip
async def test_bad_handshakes_are_refused_before_accept(served: Served, query: str) -> None:
    socket = Socket(served.server, PATH + query)
    await socket.closed()
    await socket.done()
    assert len(served.server) == 0


@pytest.mark.parametrize("message", ["abc", "", "7", "٤x", "b!", "b4AQ", b"\x00"])
async def test_junk_ends_the_session(served: Served, message: str | bytes) -> None:
    socket = await served.socket(V3)
    await socket.text()
    socket.say(message)
    await socket.closed()
    assert served.echo.reasons == [CloseReason.MALFORMED]


async def test_a_message_over_the_limit_ends_the_session(served: Served) -> None:
    for message in ("4" + "x" * 1000, "4" + "ž" * 500, b"x" * 1001):
        socket = await served.socket()
        await socket.text()
        socket.say(message)
        await socket.closed()
    assert served.echo.reasons == [CloseReason.TOO_LARGE] * 3


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1000, CloseReason.CLIENT),
        (1001, CloseReason.CLIENT),
        (1005, CloseReason.CLIENT),
        (1006, CloseReason.LOST),
        (1011, CloseReason.LOST),
    ],
)
async def test_the_close_code_tells_a_goodbye_from_a_loss(served: Served, code: int, reason: CloseReason) -> None:
    socket = await served.socket()
    socket.lose(code)
    await socket.done()
    assert served.echo.reasons == [reason]
    assert len(served.server) == 0


async def test_a_close_packet_is_a_goodbye(served: Served) -> None:
    socket = await served.socket()
    await socket.text()
    socket.say("1")
    await socket.closed()
    assert served.echo.reasons == [CloseReason.CLIENT]


async def test_what_was_sent_leaves_before_the_close(served: Served) -> None:
    socket = await served.socket()
    await socket.text()
    session = served.echo.sessions[0]
    session.send("last words")
    session.close(code=4001)
    session.send("dropped")
    assert await socket.text() == "4last words"
    assert await socket.closed() == 4001


async def test_an_upgrade_takes_over_what_was_queued(served: Served) -> None:
    query = await served.polling()
    waiting = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    socket = await served.socket(upgrade_of(query))
    socket.say("2probe")
    assert await socket.text() == "3probe"
    assert (await waiting.done()).body == b"6"
    assert (await served.http.post(query, "4by post")).body == b"ok"
    assert (await served.http.get(query)).body == b"4by post"
    served.echo.sessions[0].send("queued")
    socket.say("5")
    assert await socket.text() == "4queued"
    socket.say("4by socket")
    assert await socket.text() == "4by socket"
    assert (await served.http.get(query)).body == b'{"code":3,"message":"Bad request"}'
    assert (await served.http.post(query, "4a")).body == b'{"code":3,"message":"Bad request"}'
    assert served.echo.sessions[0].transport == "websocket"


async def test_a_poll_during_the_upgrade_is_answered_within_100_ms(served: Served) -> None:
    query = await served.polling()
    socket = await served.socket(upgrade_of(query))
    socket.say("2probe")
    await socket.text()
    started = asyncio.get_running_loop().time()
    assert (await served.http.get(query)).body == b"6"
    assert asyncio.get_running_loop().time() - started < 0.2


@pytest.mark.parametrize("said", [["5"], ["hello"], ["2probe", "4a"], [b"\x01"], ["2"], ["4" + "x" * 2000]])
async def test_a_bad_probe_ends_that_socket_alone(served: Served, said: list[str | bytes]) -> None:
    query = await served.polling()
    socket = await served.socket(upgrade_of(query))
    for message in said:
        socket.say(message)
    if said[0] == "2probe":
        await socket.text()
    await socket.closed()
    assert (await served.http.post(query, "4alive")).body == b"ok"
    assert (await served.http.get(query)).body == b"4alive"
    assert served.echo.reasons == []


async def test_a_probe_that_stalls_is_closed_and_polling_goes_on(served: Served) -> None:
    query = await served.polling()
    socket = await served.socket(upgrade_of(query))
    await socket.closed()
    assert (await served.http.post(query, "4alive")).body == b"ok"


async def test_a_probing_socket_that_breaks_leaves_the_session_alone(served: Served) -> None:
    query = await served.polling()
    socket = await served.socket(upgrade_of(query))
    socket.say("2probe")
    await socket.text()
    socket.lose()
    await socket.done()
    assert (await served.http.post(query, "4alive")).body == b"ok"
    assert (await served.http.get(query)).body == b"4alive"


async def test_a_second_websocket_for_a_session_is_accepted_and_closed(served: Served) -> None:
    query = await served.polling()
    first = await served.socket(upgrade_of(query))
    for message in ("2probe", "5"):
        first.say(message)
    assert await first.text() == "3probe"
    second = await served.socket(upgrade_of(query))
    await second.closed()
    first.say("4alive")
    assert await first.text() == "4alive"


async def test_a_session_that_ends_closes_its_probing_socket(served: Served) -> None:
    query = await served.polling()
    socket = await served.socket(upgrade_of(query))
    await served.http.post(query, "1")
    await socket.closed()


async def test_a_flood_ends_the_session() -> None:
    served = Served(EngineIO(packet_rate=Rate(20, 10)))
    socket = await served.socket()
    for _ in range(30):
        socket.say("4a")
    await until(lambda: served.echo.reasons)
    assert served.echo.reasons == [CloseReason.FLOOD]


async def test_a_busy_application_stops_the_reading(served: Served) -> None:
    socket = await served.socket()
    await socket.text()
    session = served.echo.sessions[0]
    socket.say("4a")
    assert await socket.text() == "4a"
    session.pause_reading()
    socket.say("4b")
    socket.say("4c")
    assert await socket.text() == "4b"
    await asyncio.sleep(0.01)
    assert socket.sent.empty()
    session.resume_reading()
    assert await socket.text() == "4c"


async def test_a_session_that_ends_while_reading_is_paused_lets_its_socket_go(served: Served) -> None:
    socket = await served.socket()
    await socket.text()
    served.echo.sessions[0].pause_reading()
    socket.say("4a")
    await socket.text()
    served.echo.sessions[0].close()
    await socket.closed()
    socket.lose(1000)
    await socket.done()


# With a sink


async def test_with_a_sink_everything_goes_out_as_frames_in_order(served: Served) -> None:
    sink = RecordingSink()
    socket = await served.socket(V4, sink)
    await until(lambda: sink.data)
    session = served.echo.sessions[0]
    ready = [ReadyPacket('2["a"]'), ReadyPacket('2["ž"]')]
    session.send("1")
    session.write(b"".join(packet.frame(4) for packet in ready), ready)
    session.send_ready(ready[0])
    session.send("2")
    assert sink.texts()[1:] == ["41", '42["a"]', '42["ž"]', '42["a"]', "42"]
    session.close(code=4001)
    assert await socket.closed() == 4001


async def test_ready_packets_reach_a_poll_as_text_of_its_revision(served: Served) -> None:
    ready = [ReadyPacket('2["a"]'), ReadyPacket('2["ž"]')]
    for revision, expected in ((4, '42["a"]\x1e42["ž"]'), (3, '7:42["a"]12:42["\\u017e"]')):
        query = await served.polling(revision)
        session = served.echo.sessions[-1]
        session.write(b"".join(packet.frame(revision) for packet in ready), ready)
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
