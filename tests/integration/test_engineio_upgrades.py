"""A thousand clients that upgrade at any moment, or try to, while both sides talk: order kept, nothing lost or doubled.

In one loop, without a network; a client polls, posts and probes side by side as the JavaScript clients do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random

from reaktor.config.model import EngineIO
from reaktor.engineio.server import EngineServer
from tests.support.asgi import HttpClient, RecordingSink, Socket
from tests.support.engineio_echo import Echo
from tests.support.waiting import until

CLIENTS = 1_000
AT_ONCE = 100
MESSAGES = 30


class UpgradingClient:
    """Sends MESSAGES numbers, which the server sends back, over whatever transport it has at the moment."""

    def __init__(self, server: EngineServer, seed: int) -> None:
        self.random = random.Random(seed)
        self.server = server
        self.http = HttpClient(server, "/engine.io/")
        self.revision = self.random.choice([3, 4])
        self.query = f"EIO={self.revision}&transport=polling"
        self.got: list[str] = []
        self.next = 0
        self.socket: Socket | None = None
        self.sink = RecordingSink() if self.random.random() < 0.5 else None
        self.pauses = False

    async def run(self) -> None:
        text = (await self.http.get(self.query)).text
        self.query += f"&sid={json.JSONDecoder().raw_decode(text[text.index('{') :])[0]['sid']}"
        polling = asyncio.ensure_future(self.poll())
        posting = asyncio.ensure_future(self.post())
        await self.nap()
        upgraded = await self.upgrade(polling, posting)
        if not upgraded:
            await posting
        while len(self.got) < MESSAGES:
            if upgraded:
                await self.say_and_hear()
            else:
                await asyncio.sleep(0.001)
        polling.cancel()
        await asyncio.gather(polling, return_exceptions=True)

    async def nap(self) -> None:
        await asyncio.sleep(self.random.choice([0, 0, 0.001, 0.01, 0.05]))

    def payload(self, *packets: str) -> str:
        return "\x1e".join(packets) if self.revision == 4 else "".join(f"{len(p)}:{p}" for p in packets)

    def packets(self, text: str) -> list[str]:
        if self.revision == 4:
            return text.split("\x1e")
        found: list[str] = []
        while text:
            length, _, rest = text.partition(":")
            found.append(rest[: int(length)])
            text = rest[int(length) :]
        return found

    def hear(self, packets: list[str]) -> None:
        self.got += [packet[1:] for packet in packets if packet[0] == "4"]

    async def poll(self) -> None:
        while not self.pauses and len(self.got) < MESSAGES:
            answer = await self.http.get(self.query)
            assert answer.status == 200, answer
            self.hear(self.packets(answer.text))

    async def post(self) -> None:
        while not self.pauses and self.next < MESSAGES:
            count = min(self.random.randint(1, 3), MESSAGES - self.next)
            packets = [f"4{number}" for number in range(self.next, self.next + count)]
            self.next += count
            assert (await self.http.post(self.query, self.payload(*packets))).body == b"ok"
            await self.nap()

    async def upgrade(self, polling: asyncio.Future[None], posting: asyncio.Future[None]) -> bool:
        """Probe once or twice; the first one may break at any point. Once probed, finish the GET and the POST first."""
        for breaks_at in (self.random.choice([None, "open", "probe", "junk"]), None):
            socket = Socket(self.server, f"/engine.io/?{self.query.replace('polling', 'websocket')}", self.sink)
            await socket.accepted()
            if breaks_at != "open":
                socket.say("hello" if breaks_at == "junk" else "2probe")
                if breaks_at != "junk":
                    await self.wait_for_pong(socket)
            if breaks_at is None:
                self.pauses = True
                await asyncio.gather(polling, posting)
                await self.nap()
                socket.say("5")
                self.socket = socket
                return True
            socket.lose()
            await socket.done()
            if self.random.random() < 0.3:
                return False
        raise AssertionError("unreachable")

    async def wait_for_pong(self, socket: Socket) -> None:
        if self.sink is None:
            assert await socket.text() == "3probe"
            return
        await until(lambda: self.sink is not None and self.sink.data)
        assert self.sink.texts() == ["3probe"]

    async def say_and_hear(self) -> None:
        assert self.socket is not None
        if self.next < MESSAGES:
            self.socket.say(f"4{self.next}")
            self.next += 1
        await asyncio.sleep(0)
        if self.sink is not None:
            self.hear(self.sink.texts())
        with contextlib.suppress(asyncio.QueueEmpty):
            while True:
                message = self.socket.sent.get_nowait()
                self.hear([message["text"]])


async def test_a_thousand_upgrades_keep_the_order_and_lose_nothing() -> None:
    server = EngineServer(EngineIO(), Echo())
    running = asyncio.ensure_future(server.run())
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> UpgradingClient:
        async with gate, asyncio.timeout(30):
            client = UpgradingClient(server, seed)
            await client.run()
            return client

    clients = await asyncio.gather(*(one(seed) for seed in range(CLIENTS)))
    expected = [str(number) for number in range(MESSAGES)]
    wrong = {seed: client.got for seed, client in enumerate(clients) if client.got != expected}
    assert not wrong
    assert 100 < sum(client.socket is None for client in clients) < 900
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
