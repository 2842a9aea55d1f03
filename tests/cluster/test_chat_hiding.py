"""Blocks in a group on two workers: they hold within a second, and where the bus lost the word within a minute."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.js_client import js_driver
from tests.support.native import NativeClient
from tests.support.seed import Seed

pytestmark = pytest.mark.cluster

AT_ONCE_S = 5.0
"""A second is promised, to people; a busy machine has a little more."""
SAID_S = 0.5
MADE_GOOD_S = 60.0


@pytest.fixture(scope="module")
def lossy_chat(make_chat: MakeChat) -> Any:
    """Loses nothing until it is told to."""
    with make_chat(DJANGO_SETTINGS_MODULE="tests.support.lossy_settings", MAX_SESSIONS_PER_USER="8") as found:
        yield found


@dataclass
class Group:
    """ann's sessions by worker, in the group and outside of it; bob and eve on the first worker."""

    chat: ChatCluster
    key: str
    inside: dict[int, NativeClient]
    outside: dict[int, NativeClient]
    bob: NativeClient
    eve: NativeClient

    async def ask(self, method: str, path: str, slot: int = 1, **options: Any) -> Any:
        """What ann asks over REST."""
        chat, token = self.chat, self.inside[1].token
        answer = await asyncio.to_thread(chat.request, method, path, token, chat.source(slot), **options)
        assert answer.status_code < 300, answer.text
        return answer

    @property
    def blocked(self) -> str:
        return f"/api/v1/me/blocks/{self.eve.greeting['user']['username']}"

    def sessions(self) -> list[NativeClient]:
        return [*self.inside.values(), *self.outside.values(), self.bob, self.eve]


@asynccontextmanager
async def group_of(chat: ChatCluster) -> AsyncIterator[Group]:
    (_, ann), (bob, bob_token), (eve, eve_token) = (chat.account() for _ in range(3))

    async def native(slot: int, token: str) -> NativeClient:
        return await NativeClient.connect(chat.url, token, local_addr=(chat.source(slot), 0))

    opening = asyncio.to_thread(
        chat.request, "POST", "/api/v1/direct", ann, chat.source(1), json={"usernames": [bob, eve]}
    )
    key = (await opening).json()["key"]
    inside, outside = [{slot: await native(slot, ann) for slot in (1, 2)} for _ in range(2)]
    group = Group(chat, key, inside, outside, await native(1, bob_token), await native(1, eve_token))
    for client in (*inside.values(), group.bob, group.eve):
        await client.join(key)
    await group.eve.post(key, "before")
    for client in inside.values():
        await client.message("before")
    for client in outside.values():
        await client.event("channel.activity", key)
    try:
        yield group
    finally:
        await asyncio.gather(*(each.close() for each in group.sessions()))


async def test_a_block_holds_on_both_workers_within_a_second_and_is_lifted_as_soon(lossy_chat: ChatCluster) -> None:
    async with group_of(lossy_chat) as group, js_driver() as driver:
        chat, key = group.chat, group.key
        old = Seed(chat, group.inside[1].greeting["user"]["username"], group.inside[1].token)
        client = old.open(driver, "sio25", ["websocket"])
        await client.expect_event("logged_in")
        await old.join(key)
        await group.ask("PUT", group.blocked, slot=2)
        for slot in (1, 2):
            await group.inside[slot].reads(key, [None], AT_ONCE_S)
        said = await group.eve.post(key, "psst")
        await group.bob.post(key, "hello")
        for slot in (1, 2):
            told = await group.inside[slot].until(lambda frame: frame.get("seq") == said["seq"])
            assert (told["data"]["text"], told["data"]["hidden"]) == (None, True)
            await group.inside[slot].message("hello")
            last = (await group.outside[slot].event("channel.activity", key))["data"]["last"]
            assert (last["text"], last["hidden"]) == (None, True)
            listed = await group.ask("GET", f"/api/v1/channels/{key}/messages", slot=slot)
            assert [each["text"] for each in listed.json()["messages"]] == [None, None, "hello"]
        assert [line["message"] for line in await client.expect_event("message:post")] == ["hello"]
        await group.ask("DELETE", group.blocked, slot=1)
        for slot in (1, 2):
            await group.inside[slot].reads(key, ["before", "psst", "hello"], AT_ONCE_S)
        await group.eve.post(key, "heard again")
        for slot in (1, 2):
            await group.inside[slot].message("heard again")


@pytest.mark.long
async def test_where_the_bus_loses_the_word_of_a_block_it_holds_within_a_minute(lossy_chat: ChatCluster) -> None:
    async with group_of(lossy_chat) as group:
        loss = group.chat.directory / "loss"
        loss.write_text("1.0")
        try:
            await group.ask("PUT", group.blocked)
            # Long enough for the word of it to be said, and lost.
            await asyncio.sleep(SAID_S)
        finally:
            loss.unlink()
        at = time.monotonic()
        for slot in (1, 2):
            await group.inside[slot].reads(group.key, [None], MADE_GOOD_S)
        assert time.monotonic() - at < MADE_GOOD_S
        said = await group.eve.post(group.key, "psst")
        for client in group.inside.values():
            assert "hidden" in (await client.until(lambda frame: frame.get("seq") == said["seq"]))["data"]


async def test_after_a_workers_death_nothing_is_shown_either(lossy_chat: ChatCluster) -> None:
    async with group_of(lossy_chat) as group:
        chat, key = group.chat, group.key
        await group.ask("PUT", group.blocked)
        await group.inside[2].reads(key, [None])
        pid = chat.pid(2)
        chat.kill(2)
        said = await group.eve.post(key, "psst")
        await group.inside[2].closed()
        await asyncio.to_thread(chat.wait_replaced, 2, pid)
        token, source = group.inside[2].token, chat.source(2)
        async with await NativeClient.connect(chat.url, token, resume={key: 1}, local_addr=(source, 0)) as again:
            (missed,) = again.greeting["resume"][key]["messages"]
            assert (missed["id"], missed["text"], missed["hidden"]) == (said["id"], None, True)
            await again.reads(key, [None, None])
