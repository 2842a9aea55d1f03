"""Engine.IO 3 and 4 against a real process, case by case as the published suites ask: our Daphne and the stock one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.support.conformance_server import (
    PING_INTERVAL_S,
    PING_TIMEOUT_S,
    ConformanceServer,
    become,
    conformance_server,
    sid_of,
)

WAIT_S = 5.0
GONE = '{"code":1,"message":"Session ID unknown"}'


@pytest.fixture(scope="module", params=["ours", "stock"])
def server(request: pytest.FixtureRequest) -> Iterator[ConformanceServer]:
    with conformance_server(*(["--plain"] if request.param == "stock" else [])) as server:
        yield server


class Eio:
    """One revision's client: how it asks, and how it frames a payload."""

    def __init__(self, server: ConformanceServer, http: httpx.AsyncClient, revision: int) -> None:
        self.revision = revision
        self.http = http
        self._server = server
        self._sockets: list[ClientConnection] = []

    def url(self, sid: str | None = None, transport: str = "polling", base: str | None = None) -> str:
        url = f"{base or self._server.http}/engine.io/?EIO={self.revision}&transport={transport}"
        return url if sid is None else f"{url}&sid={sid}"

    def payload(self, *packets: str) -> str:
        if self.revision == 4:
            return "\x1e".join(packets)
        return "".join(f"{len(packet)}:{packet}" for packet in packets)

    async def open(self) -> str:
        """A polling session's sid."""
        return sid_of((await self.http.get(self.url())).text)

    async def get(self, sid: str) -> httpx.Response:
        return await self.http.get(self.url(sid))

    async def post(self, sid: str, *packets: str) -> httpx.Response:
        return await self.http.post(self.url(sid), content=self.payload(*packets))

    async def socket(self, sid: str | None = None) -> ClientConnection:
        """A WebSocket; without sid, its open packet has been read."""
        socket = await connect(self.url(sid, "websocket", self._server.ws), ping_interval=None)
        self._sockets.append(socket)
        if sid is None:
            assert str(await receive(socket)).startswith("0{")
        return socket

    async def aclose(self) -> None:
        for socket in self._sockets:
            await socket.close()


async def receive(socket: ClientConnection) -> str | bytes:
    async with asyncio.timeout(WAIT_S):
        return await socket.recv()


async def message(socket: ClientConnection) -> str | bytes:
    """The next message that is no ping."""
    while (data := await receive(socket)) == "2":
        await socket.send("3")
    return data


async def wait_closed(socket: ClientConnection) -> None:
    async with asyncio.timeout(WAIT_S):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            pass


@pytest_asyncio.fixture(params=[3, 4], ids=["v3", "v4"])
async def eio(server: ConformanceServer, request: pytest.FixtureRequest) -> AsyncIterator[Eio]:
    async with httpx.AsyncClient(timeout=WAIT_S, verify=False) as http:
        eio = Eio(server, http, request.param)
        yield eio
        await eio.aclose()


# Handshake


async def test_polling_opens_a_session(eio: Eio) -> None:
    response = await eio.http.get(eio.url())
    assert response.status_code == 200
    fields = json.loads(response.text[response.text.index("{") :])
    keys = {"sid", "upgrades", "pingInterval", "pingTimeout"} | ({"maxPayload"} if eio.revision == 4 else set())
    assert set(fields) == keys
    assert fields["upgrades"] == ["websocket"]
    assert (fields["pingInterval"], fields["pingTimeout"]) == (300, 500)


async def test_a_websocket_opens_a_session(eio: Eio) -> None:
    socket = await connect(eio.url(None, "websocket", eio._server.ws))
    fields = json.loads(str(await receive(socket))[1:])
    assert fields["upgrades"] == []
    assert fields.get("maxPayload") == (1_000_000 if eio.revision == 4 else None)
    await socket.close()


@pytest.mark.parametrize(
    "query", ["", "EIO=4", "transport=polling", "EIO=abc&transport=polling", "EIO=4&transport=abc"]
)
async def test_bad_queries_are_refused_on_both_transports(eio: Eio, query: str) -> None:
    assert (await eio.http.get(f"{eio._server.http}/engine.io/?{query}")).status_code == 400
    with pytest.raises(InvalidStatus):
        await connect(f"{eio._server.ws}/engine.io/?{query.replace('polling', 'websocket')}")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_handshake_must_be_a_get(eio: Eio, method: str) -> None:
    assert (await eio.http.request(method, eio.url())).status_code == 400


# Messages


async def test_polling_carries_several_packets(eio: Eio) -> None:
    sid = await eio.open()
    posted = await eio.post(sid, "4test1", "4test2", "4test3")
    assert (posted.status_code, posted.text) == (200, "ok")
    assert (await eio.get(sid)).text == eio.payload("4test1", "4test2", "4test3")


async def test_polling_carries_non_ascii_text_as_it_is(eio: Eio) -> None:
    sid = await eio.open()
    await eio.post(sid, "4utf-8 string: €")
    assert (await eio.get(sid)).text == eio.payload("4utf-8 string: €")


async def test_polling_carries_binary(eio: Eio) -> None:
    sid = await eio.open()
    if eio.revision == 4:
        await eio.post(sid, "bAQIDBA==")
        assert (await eio.get(sid)).text == "bAQIDBA=="
        return
    await eio.http.post(
        eio.url(sid), content=b"\x01\x05\xff\x04\x01\x02\x03\x04", headers={"Content-Type": "application/octet-stream"}
    )
    response = await eio.get(sid)
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.content == b"\x01\x05\xff\x04\x01\x02\x03\x04"


async def test_polling_carries_base64_for_who_asked_for_it(eio: Eio) -> None:
    url = f"{eio.url()}&b64=1"
    sid = sid_of((await eio.http.get(url)).text)
    packet = "b4AQIDBA==" if eio.revision == 3 else "bAQIDBA=="
    await eio.http.post(f"{url}&sid={sid}", content=eio.payload(packet))
    assert (await eio.http.get(f"{url}&sid={sid}")).text == eio.payload(packet)


async def test_junk_by_post_ends_the_session(eio: Eio) -> None:
    sid = await eio.open()
    assert (await eio.http.post(eio.url(sid), content="abc")).status_code == 400
    assert (await eio.get(sid)).text == GONE


async def test_a_duplicate_poll_ends_the_session(eio: Eio) -> None:
    sid = await eio.open()
    first = asyncio.ensure_future(eio.get(sid))
    await asyncio.sleep(0.1)
    second = await eio.get(sid)
    assert second.status_code == 400
    assert ((await first).status_code, (await first).text) == (200, eio.payload("1"))
    assert (await eio.get(sid)).text == GONE


async def test_a_cancelled_poll_ends_the_session(eio: Eio) -> None:
    sid = await eio.open()
    poll = asyncio.ensure_future(eio.get(sid))
    await asyncio.sleep(0.1)
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    await become(GONE, lambda: eio.post(sid, "6"))


async def test_a_body_over_the_limit_ends_the_session(eio: Eio) -> None:
    sid = await eio.open()
    assert (await eio.http.post(eio.url(sid), content="4" + "x" * 1_000_000)).status_code == 413
    assert (await eio.get(sid)).text == GONE


async def test_a_body_at_the_limit_is_taken(eio: Eio) -> None:
    sid = await eio.open()
    text = "4" + "x" * 999_000
    assert (await eio.post(sid, text)).status_code == 200
    assert (await eio.get(sid)).text == eio.payload(text)


async def test_a_websocket_carries_text_and_binary(eio: Eio) -> None:
    socket = await eio.socket()
    await socket.send("4utf-8: €😀")
    assert await message(socket) == "4utf-8: €😀"
    binary = bytes([4] * (eio.revision == 3)) + b"\x01\x02\x03"
    await socket.send(binary)
    assert await message(socket) == binary


async def test_junk_by_websocket_ends_the_session(eio: Eio) -> None:
    socket = await eio.socket()
    await socket.send("abc")
    await wait_closed(socket)


# Heartbeat


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


# Close


async def test_a_client_closes_by_polling(eio: Eio) -> None:
    sid = await eio.open()
    poll = asyncio.ensure_future(eio.get(sid))
    await asyncio.sleep(0.1)
    assert (await eio.post(sid, "1")).status_code == 200
    assert ((await poll).status_code, (await poll).text) == (200, eio.payload("6"))
    assert (await eio.get(sid)).text == GONE


async def test_a_client_closes_by_websocket(eio: Eio) -> None:
    socket = await eio.socket()
    await socket.send("1")
    await wait_closed(socket)


# Upgrade


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
    assert await message(socket) == "4hello"


async def test_polling_is_refused_after_the_upgrade_and_the_session_lives(eio: Eio) -> None:
    sid, socket = await upgraded(eio)
    await socket.send("4a")
    assert await message(socket) == "4a"
    assert (await eio.get(sid)).status_code == 400
    await socket.send("4hello")
    assert await message(socket) == "4hello"


async def test_a_second_websocket_after_the_upgrade_is_closed_and_the_session_lives(eio: Eio) -> None:
    sid, socket = await upgraded(eio)
    await socket.send("4a")
    assert await message(socket) == "4a"
    await wait_closed(await eio.socket(sid))
    await socket.send("4hello")
    assert await message(socket) == "4hello"


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
        text = str(await message(socket))
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
