"""Sessions by sid, and their deadlines over a real clock."""

from __future__ import annotations

import asyncio
import json

from reaktor.config.model import EngineIO
from reaktor.engineio.packets import CloseReason
from reaktor.engineio.server import EngineServer
from reaktor.engineio.sid import Worker, new_sid, worker_of
from tests.support.asgi import HttpClient, Socket
from tests.support.conformance_server import sid_of
from tests.support.engineio_echo import Echo
from tests.support.waiting import until

FAST = EngineIO(ping_interval_s=0.1, ping_timeout_s=0.1)


def test_sids_name_their_worker_and_never_repeat() -> None:
    sids = {new_sid(Worker(2, 40, 3, 17)) for _ in range(10_000)}
    assert len(sids) == 10_000
    assert {worker_of(sid) for sid in sids} == {Worker(2, 40, 3, 17)}
    assert all(len(sid.rpartition(".")[2]) * 6 >= 128 for sid in sids)


def test_only_what_we_made_names_a_worker() -> None:
    random = "A" * 24
    former = f"1.2.{random}"
    wrong = ["", "nosuch", "__proto__", random, former, f"1.1.-1.2.{random}", f"1.1.1.2.{random}x"]
    for text in (*wrong, f"1.1.1.2.{random}\n", f"1.1.٣.2.{random}", f"1.1.1.2.{'.' * 24}", f"1.1.99999.1.{random}"):
        assert worker_of(text) is None
    assert worker_of(f"0.0.0.0.{random}") == Worker(0, 0, 0, 0)


async def test_sessions_without_heartbeat_end_on_both_transports_and_revisions() -> None:
    echo = Echo()
    server = EngineServer(FAST, echo)
    running = asyncio.ensure_future(server.run())
    for revision in (3, 4):
        await HttpClient(server).get(f"EIO={revision}&transport=polling")
        await Socket(server, f"/?EIO={revision}&transport=websocket").accepted()
    assert len(server) == 4
    await until(lambda: len(server) == 0)
    assert echo.reasons == [CloseReason.PING_TIMEOUT] * 4
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_sessions_with_a_heartbeat_live_on() -> None:
    echo = Echo()
    server = EngineServer(FAST, echo)
    running = asyncio.ensure_future(server.run())
    socket = Socket(server, "/?EIO=4&transport=websocket")
    await socket.accepted()
    await socket.text()
    http = HttpClient(server)
    answer = await http.get("EIO=3&transport=polling")
    query = f"EIO=3&transport=polling&sid={json.loads(answer.text.partition(':')[2][1:])['sid']}"
    for _ in range(4):
        assert await socket.text() == "2"
        socket.say("3")
        assert (await http.post(query, "1:2")).body == b"ok"
        assert (await http.get(query)).body == b"1:3"
    assert echo.reasons == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_stopping_closes_every_session_so_that_clients_come_back() -> None:
    echo = Echo()
    server = EngineServer(EngineIO(), echo)
    running = asyncio.ensure_future(server.run())
    http = HttpClient(server)
    answer = await http.get("EIO=4&transport=polling")
    waiting = http.start("GET", f"EIO=4&transport=polling&sid={json.loads(answer.text[1:])['sid']}")
    socket = Socket(server, "/?EIO=4&transport=websocket")
    await socket.accepted()
    await socket.text()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (await waiting.done()).body == b"1"
    assert await socket.closed() == 4001
    assert echo.reasons == [CloseReason.SERVER] * 2


class Clock:
    """Time that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


async def test_a_request_that_comes_after_its_deadline_finds_the_session_gone_whatever_the_timers_do() -> None:
    clock = Clock()
    server = EngineServer(EngineIO(), Echo(), clock=clock)
    http = HttpClient(server)
    for revision, body in ((3, "1:2"), (4, "3")):
        answer = await http.get(f"EIO={revision}&transport=polling")
        query = f"EIO={revision}&transport=polling&sid={sid_of(answer.text)}"
        if revision == 4:
            clock.now += 25.2
            assert (await http.get(query)).body == b"2"
            clock.now += 19.8
        else:
            clock.now += 45
        assert json.loads((await http.post(query, body)).body)["code"] == 1


async def test_a_process_that_stood_still_reads_what_came_meanwhile_before_it_ends_anybody() -> None:
    clock, echo = Clock(), Echo()
    server = EngineServer(EngineIO(), echo, clock=clock)
    http = HttpClient(server)
    queries = []
    for _ in range(2):
        answer = await http.get("EIO=3&transport=polling")
        queries.append(f"EIO=3&transport=polling&sid={sid_of(answer.text)}")
    registry = server.engine.registry
    clock.now += 60
    registry._sweep()
    assert (await http.post(queries[0], "1:2")).body == b"ok"
    registry._sweep()
    assert echo.reasons == []
    clock.now += 1
    registry._sweep()
    assert echo.reasons == [CloseReason.PING_TIMEOUT]
    assert (await http.get(queries[0])).body == b"1:3"
    clock.now += 45
    registry._sweep()
    assert echo.reasons == [CloseReason.PING_TIMEOUT] * 2
