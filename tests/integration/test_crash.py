"""kill -9 while many post: what was acknowledged is there after a restart, once and in order."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import websockets

from tests.conftest import MakeServer
from tests.integration.test_native_order import history
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer
from tests.support.waiting import until

SENDERS = 20


class Sender:
    """Posts one message after another over however many connections it takes; remembers what was acknowledged."""

    def __init__(self, server: LiveServer, channel: str, name: str) -> None:
        self.server, self.channel, self.name = server, channel, name
        self.token = server.account()[1]
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.is_over = False

    async def run(self) -> None:
        """A message that was not acknowledged is sent again under its nonce, until it is."""
        for serial in itertools.count():
            text = f"{self.name} {serial}"
            while text not in self.acknowledged:
                if self.is_over:
                    return
                with contextlib.suppress(
                    OSError, websockets.WebSocketException, ConnectionError, Refused, TimeoutError
                ):
                    client = await NativeClient.connect(self.server.url, self.token)
                    await self._talk(client, text, serial)
                await asyncio.sleep(0.05)

    async def _talk(self, client: NativeClient, text: str, serial: int) -> None:
        try:
            await client.join(self.channel)
            for number in itertools.count(serial):
                if self.is_over:
                    return
                text = f"{self.name} {number}"
                if text not in self.acknowledged:
                    self.acknowledged[text] = await client.post(self.channel, text, nonce=text)
        finally:
            await client.close()


async def test_what_was_acknowledged_before_a_kill_is_in_the_history_once_and_in_order(
    make_server: MakeServer,
) -> None:
    server = make_server(LIMIT_SEND="100000/1s", LIMIT_OPERATIONS="100000/1s")
    async with await NativeClient.connect(server.url, server.account()[1]) as owner:
        channel = (await owner.request("channel.create", name="crash", kind="unlisted"))["key"]
    senders = [Sender(server, channel, f"s{number}") for number in range(SENDERS)]
    tasks = [asyncio.create_task(sender.run()) for sender in senders]

    def acknowledged() -> int:
        return sum(len(sender.acknowledged) for sender in senders)

    await until(lambda: acknowledged() >= 300, 30)
    before = {text: answer for sender in senders for text, answer in sender.acknowledged.items()}
    server.kill()
    await asyncio.to_thread(server.start)
    async with await NativeClient.connect(server.url, server.account()[1]) as reader:
        stored = {message["text"]: message for message in await history(reader, channel)}
    assert not before.keys() - stored.keys(), "acknowledged, and lost"
    enough = acknowledged() + SENDERS
    await until(lambda: acknowledged() >= enough, 30)
    for sender in senders:
        sender.is_over = True
    await asyncio.wait_for(asyncio.gather(*tasks), 30)

    async with await NativeClient.connect(server.url, server.account()[1]) as reader:
        messages = await history(reader, channel)
    assert [message["number"] for message in messages] == list(range(1, len(messages) + 1))
    texts = [message["text"] for message in messages]
    assert len(texts) == len(set(texts)), "stored twice"
    by_text = {message["text"]: message for message in messages}
    for sender in senders:
        for text, answer in sender.acknowledged.items():
            assert (answer["id"], answer["number"]) == (by_text[text]["id"], by_text[text]["number"])
        mine = [int(text.split()[1]) for text in texts if text.split()[0] == sender.name]
        assert mine == sorted(mine), "each author's messages are in the order in which they were sent"
