"""Each live operation is held to its rate, over native WebSockets and over Socket.IO alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import socketio

from chat.live.operations import OPERATIONS
from reaktor.limits.rates import Limit
from tests.conftest import MakeServer
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer

PER_USER = sorted(name for name, allowance in OPERATIONS.items() if allowance in set(Limit) - {Limit.OPERATIONS})
FIELDS: dict[str, Any] = {
    "channel.create": {"name": "tea"}, "channel.update": {"topic": "tea"}, "message.send": {"text": "hi", "nonce": "1"},
    "message.edit": {"id": "x", "text": "y"}, "reaction.add": {"id": "x", "emoji": "x"},
    "pin.add": {"id": "x"}, "pin.remove": {"id": "x"},
    "thread.follow": {"thread": "x"}, "thread.unfollow": {"thread": "x"},
    "reaction.remove": {"id": "x", "emoji": "x"}, "report": {"id": "x", "reason": "spam"},
    "moderation.kick": {"user": "nobody"}, "moderation.mute": {"user": "nobody"}, "moderation.ban": {"user": "nobody"},
    "moderation.lift": {"user": "nobody"}, "moderation.purge": {"user": "nobody", "hours": 1},
}  # fmt: skip


@pytest.fixture(scope="module")
def strict_server(make_server: MakeServer) -> LiveServer:
    """A server where everything may be done once an hour, and twenty operations in all."""
    once = {f"LIMIT_{limit.name}": "1/1h" for limit in Limit if limit not in {Limit.REGISTER, Limit.LOGIN}}
    return make_server(**{**once, "LIMIT_OPERATIONS": "20/1h"})


@pytest_asyncio.fixture
async def old_client(strict_server: LiveServer) -> AsyncIterator[socketio.AsyncClient]:
    """A Socket.IO client that has logged in."""
    client = socketio.AsyncClient(reconnection=False)
    told: asyncio.Queue[str] = asyncio.Queue()
    client.on("logged_in", lambda data: told.put_nowait("logged_in"))
    auth = {"token": strict_server.account()[1]}
    await client.connect(strict_server.url, auth=auth, transports=["websocket"], wait_timeout=10)
    await asyncio.wait_for(told.get(), 10)
    yield client
    await client.disconnect()


async def code_of(client: NativeClient, operation: str) -> str:
    """The code that an operation is refused with; "" when it is granted."""
    try:
        await client.request(operation, "general", **FIELDS.get(operation, {}))
    except Refused as refused:
        return str(refused.code)
    return ""


@pytest.mark.parametrize("operation", PER_USER)
async def test_what_counts_for_the_user_is_refused_in_every_session(strict_server: LiveServer, operation: str) -> None:
    _, token = strict_server.account()
    async with (
        await NativeClient.connect(strict_server.url, token) as first,
        await NativeClient.connect(strict_server.url, token) as second,
        await NativeClient.connect(strict_server.url, strict_server.account()[1]) as other,
    ):
        assert await code_of(first, operation) != "rate_limited"
        assert await code_of(first, operation) == "rate_limited"
        assert await code_of(second, operation) == "rate_limited"
        assert await code_of(other, operation) != "rate_limited"


async def test_old_clients_are_held_to_the_operations_of_a_session(old_client: socketio.AsyncClient) -> None:
    payload = {"channel": "general", "status": "away"}
    answers = [await old_client.call("user : status_changed", payload, timeout=10) for _ in range(21)]
    assert answers[:20] == [{}] * 20
    assert answers[20]["error"]["code"] == "rate_limited"
    assert (await old_client.call("user : left", payload, timeout=10))["error"]["code"] == "rate_limited"


async def test_old_clients_are_held_to_the_messages_of_a_user(old_client: socketio.AsyncClient) -> None:
    payload = {"channel": "general", "message": "hi"}
    codes = [(await old_client.call("message:post", payload, timeout=10))["error"]["code"] for _ in range(2)]
    assert codes == ["not_a_member", "rate_limited"]
