"""Clients behind a line that is slow, chops all into bytes, and is cut: nothing is lost, doubled or reordered."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.bad_line import bad_line
from tests.support.js_client import LIBRARIES, JsClient, JsDriver
from tests.support.native import NativeClient
from tests.support.seed import TEXT, Seed
from tests.support.server import LiveServer

pytestmark = pytest.mark.interop

KEY = "bad-line"
MODES = {"websocket": ["websocket"], "polling": ["polling"], "upgrade": ["polling", "websocket"]}
BACK_S = 20.0


async def texts(client: JsClient, count: int) -> list[str]:
    return [(await client.expect_event("message:post", BACK_S))[0]["message"] for _ in range(count)]


async def test_clients_talk_over_a_bad_line_and_come_back_when_it_was_cut(server: LiveServer, driver: JsDriver) -> None:
    async with (
        bad_line(server.port) as line,
        await NativeClient.connect(server.url, server.account()[1]) as speaker,
    ):
        users = [Seed(server, *server.account()) for _ in range(len(LIBRARIES) * len(MODES))]
        kinds = [(library, mode) for library in LIBRARIES for mode in MODES.values()]
        clients: list[JsClient] = []
        for user, (library, mode) in zip(users, kinds, strict=True):
            user.url = line.url
            clients.append(user.open(driver, library, mode))
        for client in clients:
            await client.expect_event("logged_in", BACK_S)
        # Nobody is told of an upgrade but the client; what it says meanwhile is not yet of interest.
        on_websocket = [client for client, (_, mode) in zip(clients, kinds, strict=True) if "websocket" in mode]
        async with asyncio.timeout(BACK_S):
            for client in on_websocket:
                while (await client.state())["transport"] != "websocket":  # noqa: ASYNC110  it happens in another process
                    await asyncio.sleep(0.02)
        await asyncio.gather(*(user.join(KEY) for user in users))
        await speaker.join(KEY)

        said = [f"{number} {TEXT}" for number in range(5)]
        for text in said:
            await speaker.post(KEY, text)
        assert await asyncio.gather(*(texts(client, 5) for client in clients)) == [said] * len(clients)
        (answer,) = await clients[0].call("message:post", {"channel": KEY, "message": TEXT})
        assert (await speaker.message(TEXT))["seq"] == answer["seq"]
        assert await asyncio.gather(*(texts(client, 1) for client in clients[1:])) == [[TEXT]] * (len(clients) - 1)

        await line.cut()
        # What is sent before the server has read of the cut is lost to clients that cannot say what they have. It reads
        # in one turn whatever is there, so after an answer to a later request it has.
        await speaker.request("channel.list")
        missed = [f"missed {number} {TEXT}" for number in range(5)]
        for text in missed:
            await speaker.post(KEY, text)
        # Clients before 4.6 that poll, and are between two polls at that moment, are missed by their heartbeat only:
        # they are back before, and nothing says that they are not another client of their user.
        named = [client for client, (library, _) in zip(clients, kinds, strict=True) if library == "sio48"]
        back = [client for client in clients if client in on_websocket or client in named]
        assert await asyncio.gather(*(texts(client, 5) for client in back)) == [missed] * len(back)
