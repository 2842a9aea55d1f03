"""Clients of every generation in a group, whose users block one of the others: they are told nothing of that one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.support.js_client import LIBRARIES, JsDriver
from tests.support.native import NativeClient
from tests.support.seed import Seed
from tests.support.server import LiveServer

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("wants_all", [False, True], ids=["usual", "all events"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_what_the_blocked_one_does_is_not_told(
    server: LiveServer, driver: JsDriver, library: str, *, wants_all: bool
) -> None:
    user = Seed(server, *server.account())
    (bob, bob_token), (eve, eve_token) = server.account(), server.account()
    headers = {"Authorization": f"Bearer {user.token}"}
    async with (
        httpx.AsyncClient(base_url=server.url, headers=headers) as http,
        await NativeClient.connect(server.url, bob_token) as friend,
        await NativeClient.connect(server.url, eve_token) as blocked,
    ):
        key = (await http.post("/api/v1/direct", json={"usernames": [bob, eve]})).json()["key"]
        client = user.open(driver, library, ["websocket"], wants_all=wants_all)
        await client.expect_event("logged_in")
        await user.join(key)
        for each in (friend, blocked):
            await each.join(key)
        await blocked.post(key, "before")
        await client.expect_event("message:post")
        await http.put(f"/api/v1/me/blocks/{eve}")
        async with await NativeClient.connect(server.url, user.token) as same:
            await same.reads(key, [None])
        said = await blocked.post(key, "psst")
        await blocked.request("message.edit", key, id=said["id"], text="hush")
        await friend.request("reaction.add", key, id=said["id"], emoji="👍")
        await blocked.request("message.delete", key, id=said["id"])
        heard = await friend.post(key, "hello")
        await blocked.request("reaction.add", key, id=heard["id"], emoji="👍")
        await friend.post(key, "last")
        while (await client.expect_event("message:post"))[0]["message"] != "last":
            pass
        told = [line for line in client.history if line["type"] == "event"]
        assert "psst" not in str(told)
        assert "hush" not in str(told)
        assert "hidden" not in str(told)
        assert said["id"] not in [arg.get("id") for line in told for arg in line["args"][:1] if isinstance(arg, dict)]
        changed = [line["args"][0] for line in told if line["name"] == "reaction:changed"]
        assert [each["reactions"] for each in changed] == ([{}] if wants_all else [])


@pytest.mark.parametrize("library", ["sio25", "sio48"])
async def test_nothing_of_it_is_sent_to_who_comes_back(server: LiveServer, driver: JsDriver, library: str) -> None:
    user = Seed(server, *server.account())
    (bob, bob_token), (eve, eve_token) = server.account(), server.account()
    headers = {"Authorization": f"Bearer {user.token}"}
    async with (
        httpx.AsyncClient(base_url=server.url, headers=headers) as http,
        await NativeClient.connect(server.url, bob_token) as friend,
        await NativeClient.connect(server.url, eve_token) as blocked,
    ):
        key = (await http.post("/api/v1/direct", json={"usernames": [bob, eve]})).json()["key"]
        await http.put(f"/api/v1/me/blocks/{eve}")
        client = user.open(driver, library, ["websocket"])
        await client.expect_event("logged_in")
        await user.join(key)
        for each in (friend, blocked):
            await each.join(key)
        await friend.post(key, "one")
        assert (await client.expect_event("message:post"))[0]["message"] == "one"
        client.do("cut")
        await client.expect("disconnect")
        # The server has read of it: what comes now is missed.
        await friend.request("channel.list")
        missed: list[Any] = [await blocked.post(key, "psst"), await friend.post(key, "two")]
        assert (await client.expect_event("message:post"))[0]["message"] == "two"
        await friend.post(key, "three")
        assert (await client.expect_event("message:post"))[0]["message"] == "three"
        assert missed[0]["id"] not in str(client.history)
