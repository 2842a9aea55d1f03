"""Whoever goes on against refusals loses the session, over native WebSockets and over Socket.IO alike."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import socketio
import websockets

from tests.conftest import MakeServer
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer


@pytest.fixture(scope="module")
def strict_server(make_server: MakeServer) -> LiveServer:
    return make_server(LIMIT_OPERATIONS="5/1h", LIMIT_REFUSALS="30/20s")


async def test_a_native_session_that_goes_on_against_refusals_is_ended_with_4006(strict_server: LiveServer) -> None:
    """A client that ignored `rate_limited` could ask for ever, and took 200 ms from everybody else."""
    _, token = strict_server.account()
    client = await NativeClient.connect(strict_server.url, token)
    with contextlib.suppress(websockets.ConnectionClosed):
        for _ in range(60):
            await client.send("channel.list")
    assert await client.closed() == 4006
    assert len([each for each in client.log if each.get("ok") is False]) == 31
    assert client.bye is not None
    assert 0 < client.bye["retry_after"] <= 20
    with pytest.raises((Refused, ConnectionError)):
        await NativeClient.connect(strict_server.url, token)
    other = await NativeClient.connect(strict_server.url, strict_server.account()[1])
    assert await other.request("channel.list")
    await other.close()


async def test_a_socketio_session_that_goes_on_against_refusals_is_cut(strict_server: LiveServer) -> None:
    client = socketio.AsyncClient(reconnection=False)
    gone = asyncio.Event()
    logged_in = asyncio.Event()
    client.on("logged_in", lambda data: logged_in.set())
    client.on("disconnect", gone.set)
    await client.connect(
        strict_server.url, auth={"token": strict_server.account()[1]}, transports=["websocket"], wait_timeout=10
    )
    await asyncio.wait_for(logged_in.wait(), 10)
    for _ in range(60):
        with contextlib.suppress(socketio.exceptions.SocketIOError):
            await client.emit("message:post", {"channel": "general", "message": "hi"})
    await asyncio.wait_for(gone.wait(), 20)


async def test_refusals_now_and_then_end_nothing(strict_server: LiveServer) -> None:
    async with await NativeClient.connect(strict_server.url, strict_server.account()[1]) as client:
        for _ in range(20):
            with contextlib.suppress(Refused):
                await client.request("channel.list")
        with pytest.raises(Refused, match="rate_limited"):
            await client.request("channel.list")
