"""The real clients, four JavaScript generations and Python's, against the generic server, without any chat.

Each by WebSocket alone, by polling alone, and by polling that upgrades, with heartbeats that come fast.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio
import socketio

from tests.support.conformance_server import CALM, ConformanceServer, conformance_server
from tests.support.js_client import LIBRARIES, JsClient, JsDriver, binary, js_driver

pytestmark = pytest.mark.interop

MODES: dict[str, dict[str, Any]] = {
    "websocket": {"transports": ["websocket"]},
    "polling": {"transports": ["polling"]},
    "upgrade": {},
}
TEXT = "žluťoučký kůň 😀 \u2028 Ã© \x00 end\n"
OLD = ("sio17", "sio25")
FAST = {**CALM, "ENGINEIO_PING_INTERVAL": "400ms", "ENGINEIO_PING_TIMEOUT": "2s"}


@pytest.fixture(scope="module")
def server() -> Iterator[ConformanceServer]:
    with conformance_server(timings=FAST) as server:
        yield server


@pytest_asyncio.fixture
async def driver() -> AsyncIterator[JsDriver]:
    async with js_driver() as driver:
        yield driver


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_javascript_client_does_everything(
    server: ConformanceServer, driver: JsDriver, library: str, mode: str
) -> None:
    client = driver.open(library, server.http, **MODES[mode])
    await client.expect("connect")
    assert await client.expect_event("auth") == [{}]
    await talk(client)
    await use_namespaces(driver, client, library)
    if mode == "upgrade":
        assert (await client.state())["transport"] == "websocket"
    # Several heartbeats later it is the same session.
    before = await client.state()
    await asyncio.sleep(1.0)
    assert await client.state() == before
    client.emit("kick")
    # "io server disconnect" is what keeps a client from coming back by itself.
    assert (await client.expect("disconnect"))["reason"] == "io server disconnect"


async def test_the_stock_daphne_serves_them_too(driver: JsDriver) -> None:
    with conformance_server("--plain", timings=FAST) as server:
        for library in LIBRARIES:
            client = driver.open(library, server.http)
            await client.expect("connect")
            await talk(client)
            assert (await client.state())["transport"] == "websocket"


async def talk(client: JsClient) -> None:
    """Text, binary data and acks in both directions, and their order."""
    assert await client.call("echo", TEXT, {"a": [1, None, True]}) == [TEXT, {"a": [1, None, True]}]
    client.emit("message", TEXT, binary(b"\x01\x02\x03"), {"deep": [binary(b"\xff")]})
    assert await client.expect_event("message-back") == [TEXT, binary(b"\x01\x02\x03"), {"deep": [binary(b"\xff")]}]
    assert await client.call("echo", binary(b"\x00\xfe")) == [binary(b"\x00\xfe")]
    client.do("answer", args=["yes", TEXT])
    client.emit("ask", "well?")
    assert await client.expect_event("question") == ["well?"]
    assert await client.expect_event("answered") == ["yes", TEXT]
    client.emit("say-ready", "ready", TEXT)
    assert await client.expect_event("ready") == [TEXT]
    for number in range(50):
        client.emit("message", number)
    assert [await client.expect_event("message-back") for _ in range(50)] == [[number] for number in range(50)]


async def use_namespaces(driver: JsDriver, client: JsClient, library: str) -> None:
    """One that is offered, one that is not, and leaving without hurting the rest."""
    other = driver.join(client, "/custom")
    await other.expect("connect")
    assert await other.call("echo", 1) == [1]
    refused = driver.join(client, "/nope")
    assert (await refused.expect("error"))["message"] == "Invalid namespace"
    other.do("close")
    await other.expect("disconnect", reason="io client disconnect")
    assert await client.call("echo", library) == [library]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_client_comes_back_after_its_transport_was_closed_and_not_after_a_disconnect(
    server: ConformanceServer, driver: JsDriver, library: str, mode: str
) -> None:
    client = driver.open(library, server.http, reconnectionDelay=20, reconnectionDelayMax=50, **MODES[mode])
    await client.expect("connect")
    client.emit("restart")
    assert (await client.expect("disconnect"))["reason"] == "transport close"
    await client.expect("connect")
    assert await client.call("echo", "back") == ["back"]
    client.do("close")
    assert (await client.expect("disconnect"))["reason"] == "io client disconnect"
    client.do("reopen")
    await client.expect("connect")
    client.emit("kick")
    await client.expect("disconnect", reason="io server disconnect")
    await asyncio.sleep(0.2)
    assert not (await client.state())["connected"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_bad_token_is_reported_wherever_it_stands(
    server: ConformanceServer, driver: JsDriver, library: str
) -> None:
    polling = driver.open(library, f"{server.http}?token=bad", transports=["polling"], reconnection=False)
    assert (await polling.expect("error"))["description"] == 401
    direct = driver.open(library, f"{server.http}?token=bad", transports=["websocket"], reconnection=False)
    assert (await direct.expect("error"))["message"] == "Token is not valid"
    if library not in OLD:
        by_auth = driver.open(library, server.http, auth={"token": "bad"}, reconnection=False)
        assert (await by_auth.expect("error"))["message"] == "Token is not valid"


async def test_auth_reaches_the_application(server: ConformanceServer, driver: JsDriver) -> None:
    for library in ("sio31", "sio48"):
        client = driver.open(library, server.http, auth={"token": "t", "n": 1})
        assert await client.expect_event("auth") == [{"token": "t", "n": 1}]


@pytest.mark.parametrize("mode", MODES)
async def test_pythons_client_does_everything(server: ConformanceServer, mode: str) -> None:
    client = socketio.AsyncClient(reconnection=False)
    got: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    ended = asyncio.Event()
    client.on("*", lambda name, *args: got.put_nowait((name, args)))
    client.on("question", lambda *args: ("yes", *args))
    client.on("disconnect", lambda reason: ended.set())
    transports = MODES[mode].get("transports")
    await client.connect(server.http, auth={"token": "t"}, transports=transports)
    async with asyncio.timeout(10):
        assert await got.get() == ("auth", ({"token": "t"},))
        assert await client.call("echo", (TEXT, 1)) == (TEXT, 1)
        await client.emit("message", b"\x01\x02")
        assert await got.get() == ("message-back", (b"\x01\x02",))
        await client.emit("ask", TEXT)
        assert await got.get() == ("answered", ("yes", TEXT))
        await asyncio.sleep(1.0)
        assert client.connected
        await client.emit("kick")
        await ended.wait()
    await client.disconnect()


async def test_pythons_client_is_refused(server: ConformanceServer) -> None:
    client = socketio.AsyncClient(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(f"{server.http}?token=bad")
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(server.http, auth={"token": "bad"}, transports=["websocket"])
    await client.disconnect()
