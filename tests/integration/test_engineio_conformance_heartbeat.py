"""Engine.IO's heartbeat against a real process with short times: our Daphne and the stock one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.support.conformance_server import (
    HASTY,
    PING_INTERVAL_S,
    PING_TIMEOUT_S,
    ConformanceServer,
    become,
    conformance_server,
)
from tests.support.engineio_client import GONE, Eio, receive, wait_closed


@pytest.fixture(scope="module", params=["ours", "stock"])
def conformance(request: pytest.FixtureRequest) -> Iterator[ConformanceServer]:
    """In place of the server whose pings no test notices."""
    with conformance_server(*(["--plain"] if request.param == "stock" else []), timings=HASTY) as server:
        yield server


async def test_the_heartbeat_keeps_a_polling_session(eio: Eio) -> None:
    sid = await eio.open()
    for _ in range(4):
        if eio.revision == 4:
            assert (await eio.get(sid)).text == "2"
            assert (await eio.post(sid, "3")).status_code == 200
        else:
            await asyncio.sleep(PING_INTERVAL_S)
            assert (await eio.post(sid, "2")).status_code == 200
            assert (await eio.get(sid)).text == "1:3"


async def test_the_heartbeat_keeps_a_websocket_session(eio: Eio) -> None:
    socket = await eio.socket()
    for _ in range(4):
        if eio.revision == 4:
            assert await receive(socket) == "2"
            await socket.send("3")
        else:
            await asyncio.sleep(PING_INTERVAL_S)
            await socket.send("2")
            assert await receive(socket) == "3"


async def test_silence_ends_sessions_of_both_transports(eio: Eio) -> None:
    sid, socket = await eio.open(), await eio.socket()
    started = asyncio.get_running_loop().time()
    await wait_closed(socket)
    assert asyncio.get_running_loop().time() - started > PING_INTERVAL_S + PING_TIMEOUT_S - 0.1
    await become(GONE, lambda: eio.get(sid))
