"""Old clients and direct messages: who asks for all events is told wherever they are; others find the channel."""

from __future__ import annotations

import httpx
import pytest

from tests.support.js_client import LIBRARIES, JsDriver
from tests.support.native import NativeClient
from tests.support.seed import Seed
from tests.support.server import LiveServer

pytestmark = pytest.mark.interop

SOON_S = 5.0
"""A second is promised, on a machine that does nothing else."""


@pytest.mark.parametrize("wants_all", [False, True], ids=["usual", "all events"])
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_direct_message_comes_to_a_client_that_is_in_no_channel(
    server: LiveServer, driver: JsDriver, library: str, *, wants_all: bool
) -> None:
    user = Seed(server, *server.account())
    client = user.open(driver, library, ["websocket"], wants_all=wants_all)
    await client.expect_event("logged_in")
    name, token = server.account()
    async with (
        httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as http,
        await NativeClient.connect(server.url, token) as other,
    ):
        key = (await http.post("/api/v1/direct", json={"username": user.name})).json()["key"]
        await other.join(key)
        posted = await other.post(key, "psst")
        if not wants_all:
            assert await client.expect_event("channel : created", SOON_S) == [{"name": name, "key": key}]
            await user.join(key)
            await other.post(key, "there you are")
            [heard] = await client.expect_event("message:post", SOON_S)
            assert heard["message"] == "there you are"
            return
        assert await client.expect_event("channel : added", SOON_S) == [{"name": name, "key": key, "kind": "direct"}]
        [told] = await client.expect_event("channel : activity", SOON_S)
        assert (told["channel"], told["last"]["text"], told["last"]["author"]) == (key, "psst", name)
        assert told["head"] == {"number": 1, "seq": posted["seq"], "flow": 1}
        await user.join(key)
        await other.post(key, "there you are")
        [heard] = await client.expect_event("message:post", SOON_S)
        assert heard["message"] == "there you are", "in the channel its messages come, and nothing beside them"
