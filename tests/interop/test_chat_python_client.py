"""python-socketio 5, another implementation of the same protocol, chats with a native client over both transports."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import socketio

from tests.support.native import NativeClient
from tests.support.seed import TEXT, Seed
from tests.support.server import LiveServer

pytestmark = pytest.mark.interop


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_python_socketio_joins_talks_and_leaves(server: LiveServer, transport: str) -> None:
    name, key = f"py{transport}", f"python-{transport}"
    user = await Seed(server, name).register()
    heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    client = socketio.AsyncClient(reconnection=False)
    # Handlers with one argument: an event that brought a second one would raise in this client.
    for event in ("logged_in", "user : joined", "message:post"):
        client.on(event, lambda data, event=event: heard.put_nowait((event, data)))
    try:
        await client.connect(server.url, auth={"token": user.token}, transports=[transport], wait_timeout=10)
        assert await asyncio.wait_for(heard.get(), 10) == ("logged_in", {})
        await user.join(key)
        assert await asyncio.wait_for(heard.get(), 10) == ("user : joined", {"username": name, "channel": key})
        async with await NativeClient.connect(server.url, server.account(f"n{name}")[1]) as native:
            await native.join(key)
            await asyncio.wait_for(heard.get(), 10)
            answer = await client.call("message:post", {"channel": key, "message": TEXT}, timeout=10)
            assert (await native.message(TEXT))["seq"] == answer["seq"]
            await native.post(key, TEXT)
            event, posted = await asyncio.wait_for(heard.get(), 10)
            assert (event, posted["message"]) == ("message:post", TEXT)
            await client.disconnect()
            await native.event("member.left", key, username=name, reason="quit")
    finally:
        await client.disconnect()


async def test_python_socketio_is_told_that_its_token_is_bad(server: LiveServer) -> None:
    client = socketio.AsyncClient(reconnection=False)
    reasons: list[dict[str, Any]] = []
    client.on("connect_error", reasons.append)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(server.url, auth={"token": "junk"}, transports=["websocket"], wait_timeout=10)
    assert [reason["message"] for reason in reasons] == ["Token is not valid"]
