"""A client that is answered elsewhere that there is no such session has left: its worker is told."""

from __future__ import annotations

import asyncio
from typing import Any

from channels.layers import InMemoryChannelLayer

from reaktor.config.model import EngineIO
from reaktor.engineio.departures import Departures
from reaktor.engineio.engine import WorkerGoneError
from reaktor.engineio.server import EngineServer
from reaktor.engineio.sid import Worker, new_sid
from reaktor.process.bus import Bus
from tests.support.asgi import HttpClient, Socket
from tests.support.engineio_echo import Echo
from tests.support.engineio_served import PATH, Served, upgrade_of
from tests.support.waiting import until

OTHER = Worker(2, 1, 1, 1)


class NoWay:
    """A relay that reaches nobody."""

    def __init__(self) -> None:
        self.left: list[tuple[Worker, str]] = []

    async def __call__(self, *arguments: Any) -> None:
        raise WorkerGoneError

    def client_left(self, worker: Worker, sid: str) -> None:
        self.left.append((worker, sid))


async def test_whoever_says_that_a_session_is_unknown_lets_its_worker_know() -> None:
    relay, sid = NoWay(), new_sid(OTHER)
    server = EngineServer(EngineIO(), Echo(), worker=(1, 1, 1, 1), relay=relay)
    answer = await HttpClient(server).get(f"EIO=4&transport=polling&sid={sid}")
    assert answer.status == 400
    # A WebSocket that is refused says nothing: its client goes on by polling.
    socket = Socket(server, f"{PATH}EIO=4&transport=websocket&sid={sid}")
    await socket.closed()
    assert relay.left == [(OTHER, sid)]


async def test_it_is_told_over_the_bus() -> None:
    bus = Bus(InMemoryChannelLayer())
    departures, ended = Departures(bus, lambda worker: f"worker-{worker.host}"), list[str]()
    running = asyncio.create_task(departures.run())
    departures.tell(OTHER, "some sid")
    async for kind, body in bus.listen("worker-2"):
        assert departures.on_message(kind, body, ended.append)
        break
    assert not departures.on_message("something else", {}, ended.append)
    assert departures.on_message(kind, {"sid": 7}, ended.append)
    assert ended == ["some sid"]
    running.cancel()


async def test_its_session_ends_unless_it_has_a_websocket(served: Served) -> None:
    await served.polling()
    query = await served.polling()
    socket = await served.socket(upgrade_of(query))
    socket.say("2probe")
    assert await socket.text() == "3probe"
    socket.say("5")
    polling, upgraded = served.echo.sessions
    await until(lambda: upgraded.transport == "websocket")
    for session in (polling, upgraded):
        served.server.client_left(session.sid)
    served.server.client_left("unknown")
    assert polling.is_closed
    assert not upgraded.is_closed
