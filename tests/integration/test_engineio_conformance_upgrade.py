"""The upgrade from polling to WebSocket against a real process: our Daphne and the stock one."""

from __future__ import annotations

import asyncio

import pytest
from websockets.asyncio.client import ClientConnection

from tests.support.engineio_client import Eio, receive, wait_closed


async def upgraded(eio: Eio) -> tuple[str, ClientConnection]:
    sid = await eio.open()
    socket = await eio.socket(sid)
    await socket.send("2probe")
    assert await receive(socket) == "3probe"
    await socket.send("5")
    return sid, socket


async def test_a_session_upgrades(eio: Eio) -> None:
    _, socket = await upgraded(eio)
    await socket.send("4hello")
    assert await receive(socket) == "4hello"


async def test_polling_is_refused_after_the_upgrade_and_the_session_lives(eio: Eio) -> None:
    sid, socket = await upgraded(eio)
    await socket.send("4a")
    assert await receive(socket) == "4a"
    assert (await eio.get(sid)).status_code == 400
    await socket.send("4hello")
    assert await receive(socket) == "4hello"


async def test_a_second_websocket_after_the_upgrade_is_closed_and_the_session_lives(eio: Eio) -> None:
    sid, socket = await upgraded(eio)
    await socket.send("4a")
    assert await receive(socket) == "4a"
    await wait_closed(await eio.socket(sid))
    await socket.send("4hello")
    assert await receive(socket) == "4hello"


async def test_a_probe_that_fails_leaves_the_polling_session(eio: Eio) -> None:
    sid = await eio.open()
    socket = await eio.socket(sid)
    await socket.send("hello")
    await wait_closed(socket)
    assert (await eio.post(sid, "4alive")).status_code == 200
    assert (await eio.get(sid)).text == eio.payload("4alive")


@pytest.mark.parametrize("delay_s", [0, 0.01, 0.12])
async def test_nothing_is_lost_doubled_or_reordered_by_an_upgrade_at_any_moment(eio: Eio, delay_s: float) -> None:
    sid = await eio.open()
    got: list[str] = []
    sent = 0

    async def post() -> None:
        nonlocal sent
        await eio.post(sid, f"4{sent}", f"4{sent + 1}")
        sent += 2

    async def poll() -> None:
        text = (await eio.get(sid)).text
        packets = text.split("\x1e") if eio.revision == 4 else split_v3(text)
        got.extend(packet[1:] for packet in packets if packet[0] == "4")

    await post()
    polling = asyncio.ensure_future(poll())
    socket = await eio.socket(sid)
    await asyncio.sleep(delay_s)
    await socket.send("2probe")
    await post()
    assert await receive(socket) == "3probe"
    await polling
    polling = asyncio.ensure_future(poll())
    await post()
    await polling
    await asyncio.sleep(delay_s)
    await post()
    await socket.send("5")
    for _ in range(3):
        await socket.send(f"4{sent}")
        sent += 1
    while len(got) < sent:
        text = str(await receive(socket))
        if text[0] == "4":
            got.append(text[1:])
    assert got == [str(number) for number in range(sent)]


def split_v3(text: str) -> list[str]:
    packets: list[str] = []
    while text:
        length, _, rest = text.partition(":")
        packets.append(rest[: int(length)])
        text = rest[int(length) :]
    return packets
