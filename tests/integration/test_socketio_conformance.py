"""Socket.IO revision 5 against a real process, case by case as the published suite asks; then revision 4."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.conformance_server import ConformanceServer, conformance_server, sid_of

WAIT_S = 5.0


@pytest.fixture(scope="module", params=["ours", "stock"])
def server(request: pytest.FixtureRequest) -> Iterator[ConformanceServer]:
    with conformance_server(*(["--plain"] if request.param == "stock" else [])) as server:
        yield server


@pytest_asyncio.fixture
async def socket(server: ConformanceServer) -> AsyncIterator[ClientConnection]:
    """A revision 5 client that has not joined anything."""
    async with connect(f"{server.ws}/socket.io/?EIO=4&transport=websocket", ping_interval=None) as socket:
        assert str(await receive(socket)).startswith("0{")
        yield socket


@pytest_asyncio.fixture
async def joined(socket: ClientConnection) -> ClientConnection:
    """A revision 5 client in `/`."""
    await socket.send("40")
    assert str(await receive(socket)).startswith('40{"sid":"')
    assert await receive(socket) == '42["auth",{}]'
    return socket


@pytest_asyncio.fixture
async def old(server: ConformanceServer) -> AsyncIterator[ClientConnection]:
    """A revision 4 client, which is in `/` unasked."""
    async with connect(f"{server.ws}/socket.io/?EIO=3&transport=websocket", ping_interval=None) as socket:
        assert str(await receive(socket)).startswith("0{")
        assert await receive(socket) == "40"
        assert await receive(socket) == '42["auth",{}]'
        yield socket


async def receive(socket: ClientConnection) -> str | bytes:
    async with asyncio.timeout(WAIT_S):
        return await socket.recv()


async def is_closed(socket: ClientConnection) -> bool:
    try:
        async with asyncio.timeout(WAIT_S):
            while True:
                await socket.recv()
    except ConnectionClosed:
        return True


# Connecting


async def test_the_main_namespace_with_and_without_auth(server: ConformanceServer) -> None:
    for payload, auth in (("", {}), ('{"token":"123"}', {"token": "123"})):
        async with connect(f"{server.ws}/socket.io/?EIO=4&transport=websocket") as socket:
            open_packet = str(await receive(socket))
            await socket.send(f"40{payload}")
            answer = json.loads(str(await receive(socket))[2:])
            assert list(answer) == ["sid"]
            assert answer["sid"] != sid_of(open_packet)
            assert json.loads(str(await receive(socket))[2:]) == ["auth", auth]


@pytest.mark.parametrize("request_text", ["40/custom", "40/custom,"])
async def test_a_custom_namespace(socket: ClientConnection, request_text: str) -> None:
    await socket.send(request_text)
    assert str(await receive(socket)).startswith('40/custom,{"sid":"')
    assert await receive(socket) == '42/custom,["auth",{}]'
    await socket.send('40/custom,{"token":"abc"}')
    assert await is_closed(socket)


async def test_a_custom_namespace_with_auth(socket: ClientConnection) -> None:
    await socket.send('40/custom,{"token":"abc"}')
    await receive(socket)
    assert await receive(socket) == '42/custom,["auth",{"token":"abc"}]'


async def test_an_unknown_namespace_is_refused(socket: ClientConnection) -> None:
    await socket.send("40/random")
    assert await receive(socket) == '44/random,{"message":"Invalid namespace"}'


async def test_a_client_that_joins_nothing_is_closed(socket: ClientConnection) -> None:
    started = asyncio.get_running_loop().time()
    assert await is_closed(socket)
    assert 0.8 < asyncio.get_running_loop().time() - started < WAIT_S


# Leaving


async def test_leaving_the_main_namespace_leaves_the_transport(joined: ClientConnection) -> None:
    await joined.send("41")
    await joined.send("40")
    assert str(await receive(joined)).startswith('40{"sid":"')


async def test_leaving_a_custom_namespace_leaves_the_main_one(joined: ClientConnection) -> None:
    await joined.send("40/custom")
    await receive(joined)
    await receive(joined)
    await joined.send("41/custom")
    await joined.send('42["message","message to main namespace"]')
    assert await receive(joined) == '42["message-back","message to main namespace"]'


# Messages


async def test_a_text_message(joined: ClientConnection) -> None:
    await joined.send('42["message",1,"2",{"3":[true]}]')
    assert await receive(joined) == '42["message-back",1,"2",{"3":[true]}]'


async def test_binary_messages(joined: ClientConnection) -> None:
    await joined.send('452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    await joined.send(b"\x01\x02\x03")
    await joined.send(b"\x04\x05\x06")
    assert await receive(joined) == ('452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    assert await receive(joined) == b"\x01\x02\x03"
    assert await receive(joined) == b"\x04\x05\x06"


async def test_an_ack(joined: ClientConnection) -> None:
    await joined.send('42456["message-with-ack",1,"2",{"3":[false]}]')
    assert await receive(joined) == '43456[1,"2",{"3":[false]}]'


async def test_a_binary_ack(joined: ClientConnection) -> None:
    await joined.send('452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    await joined.send(b"\x01\x02\x03")
    await joined.send(b"\x04\x05\x06")
    assert await receive(joined) == '462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert await receive(joined) == b"\x01\x02\x03"
    assert await receive(joined) == b"\x04\x05\x06"


@pytest.mark.parametrize(
    "messages",
    [
        ["4abc"],
        ["42{}"],
        ["42abc[]"],
        ['42abc["message-with-ack",1,"2",{"3":[false]}]'],
        ["43"],
        ["4"],
        ["400"],
        ["41{}"],
        ['451-["message",{"_placeholder":true,"num":0}]', "42[1]"],
        [b"\x00"],
    ],
)
async def test_malformed_packets_close_the_connection(joined: ClientConnection, messages: list[str | bytes]) -> None:
    for message in messages:
        await joined.send(message)
    assert await is_closed(joined)


async def test_a_packet_before_connect_closes_the_connection(socket: ClientConnection) -> None:
    await socket.send('42["message",1]')
    assert await is_closed(socket)


async def test_polling_works_from_end_to_end(server: ConformanceServer) -> None:
    url = f"{server.http}/socket.io/?EIO=4&transport=polling"
    async with httpx.AsyncClient(timeout=WAIT_S, verify=False) as http:
        url += f"&sid={sid_of((await http.get(url)).text)}"
        await http.post(url, content='40{"token":"a"}')
        text = (await http.get(url)).text
        if "42[" not in text:
            text += (await http.get(url)).text
        assert text.startswith('40{"sid":"')
        assert text.endswith('42["auth",{"token":"a"}]')
        await http.post(url, content='421["message-with-ack","ž"]\x1e42["message",2]')
        text = (await http.get(url)).text
        if "message-back" not in text:
            text += "\x1e" + (await http.get(url)).text
        assert text == '431["ž"]\x1e42["message-back",2]'


# Revision 4


async def test_revision_4_speaks_the_same_without_objects(old: ClientConnection) -> None:
    await old.send('421["message-with-ack","žluť 😀"]')
    assert await receive(old) == '431["\\u017elu\\u0165 \\ud83d\\ude00"]'
    await old.send("40/custom")
    assert await receive(old) == "40/custom,"
    assert await receive(old) == '42/custom,["auth",{}]'
    await old.send("40/nope")
    assert await receive(old) == '44/nope,"Invalid namespace"'
    await old.send("41/custom")
    await old.send('451-["message",{"_placeholder":true,"num":0}]')
    await old.send(b"\x04\x01")
    assert await receive(old) == '451-["message-back",{"_placeholder":true,"num":0}]'
    assert await receive(old) == b"\x04\x01"
    await old.send("4x")
    assert await is_closed(old)


async def test_a_refused_token_is_an_answer_that_pages_can_read(server: ConformanceServer) -> None:
    async with httpx.AsyncClient(timeout=WAIT_S, verify=False) as http:
        response = await http.get(
            f"{server.http}/socket.io/?EIO=3&transport=polling&token=bad", headers={"Origin": "https://a.example"}
        )
        assert (response.status_code, response.json()) == (401, {"error": "Token is not valid"})
        assert response.headers["access-control-allow-origin"] == "https://a.example"
    async with connect(f"{server.ws}/socket.io/?EIO=3&transport=websocket&token=bad") as socket:
        await receive(socket)
        assert await receive(socket) == '44"Token is not valid"'
        assert await is_closed(socket)
