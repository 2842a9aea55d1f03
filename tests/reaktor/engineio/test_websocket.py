"""The WebSocket transport through the ASGI application, over ASGI messages."""

from __future__ import annotations

import asyncio
import json

import pytest

from reaktor.config.model import EngineIO, Rate
from reaktor.engineio.packets import CloseReason
from tests.support.asgi import Socket
from tests.support.engineio_served import PATH, Served, upgrade_of
from tests.support.engineio_served import WEBSOCKET_V3 as V3
from tests.support.engineio_served import WEBSOCKET_V4 as V4
from tests.support.waiting import until


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
async def test_the_close_code_tells_a_close_from_a_loss(served: Served, code: int, reason: CloseReason) -> None:
    socket = await served.socket()
    socket.lose(code)
    await socket.done()
    assert served.echo.reasons == [reason]
    assert len(served.server) == 0


async def test_a_close_packet_closes(served: Served) -> None:
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
    assert asyncio.get_running_loop().time() - started < 2.0


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


async def test_a_probe_that_stalls_is_closed_and_polling_goes_on(hurried: Served) -> None:
    query = await hurried.polling()
    socket = await hurried.socket(upgrade_of(query))
    await socket.closed()
    assert (await hurried.http.post(query, "4alive")).body == b"ok"


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
