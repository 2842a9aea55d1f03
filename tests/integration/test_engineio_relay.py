"""Two workers as real processes: what arrives at the wrong one is answered as if it had arrived at the right one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reaktor.engineio.relay import parse_head
from reaktor.engineio.sid import Worker, new_sid
from reaktor.web.websocket_reader import Close
from tests.support.conformance_server import ConformanceServer, become, conformance_server, sid_of
from tests.support.raw_websocket import frame, raw_websocket

WAIT_S = 5.0
UNKNOWN = '{"code":1,"message":"Session ID unknown"}'
MARK = {"X-Reaktor-Relayed": "1"}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ConformanceServer, ConformanceServer, Path]]:
    directory = tmp_path_factory.mktemp("run")
    relay = ["--relay", str(directory / "{slot}.{incarnation}.sock")]
    with (
        conformance_server("--worker", "1.1.1.7", "--unix", str(directory / "1.7.sock"), *relay) as first,
        conformance_server("--worker", "1.1.2.3", "--unix", str(directory / "2.3.sock"), *relay) as second,
    ):
        yield first, second, directory


class Split:
    """A client whose handshake went to the first worker, and everything else to the second."""

    def __init__(self, workers: tuple[ConformanceServer, ConformanceServer, Path], http: httpx.AsyncClient) -> None:
        self.first, self.second, self.directory = workers
        self.http = http

    async def open(self, revision: int = 4) -> str:
        """What comes behind the base URL for this session's requests."""
        query = f"/engine.io/?EIO={revision}&transport=polling"
        text = (await self.http.get(self.first.http + query)).text
        assert sid_of(text).startswith("1.1.1.7.")
        return f"{query}&sid={sid_of(text)}"

    async def get(self, query: str, **options: object) -> httpx.Response:
        return await self.http.get(self.second.http + query, **options)  # type: ignore[arg-type]

    async def post(self, query: str, body: str | bytes, **options: object) -> httpx.Response:
        return await self.http.post(self.second.http + query, content=body, **options)  # type: ignore[arg-type]

    def socket(self, query: str) -> connect:
        return connect(self.second.ws + query.replace("polling", "websocket"), ping_interval=None)


@pytest_asyncio.fixture
async def split(workers: tuple[ConformanceServer, ConformanceServer, Path]) -> AsyncIterator[Split]:
    async with httpx.AsyncClient(timeout=WAIT_S, verify=False) as http:
        yield Split(workers, http)


async def receive(socket: ClientConnection) -> str | bytes:
    async with asyncio.timeout(WAIT_S):
        return await socket.recv()


@pytest.mark.parametrize("revision", [3, 4])
async def test_polling_goes_through_with_its_headers(split: Split, revision: int) -> None:
    query = await split.open(revision)
    text = "4žluť" if revision == 4 else "5:4žluť"
    posted = await split.post(query, text, headers={"Origin": "https://a.example"})
    assert (posted.status_code, posted.text) == (200, "ok")
    assert posted.headers["access-control-allow-origin"] == "https://a.example"
    assert (await split.get(query)).text == text


async def test_a_waiting_get_is_answered_through_the_relay(split: Split) -> None:
    query = await split.open()
    waiting = asyncio.ensure_future(split.get(query))
    await asyncio.sleep(0.1)
    await split.post(query, "4now")
    assert (await waiting).text == "4now"


async def test_a_get_that_is_dropped_at_the_relay_ends_the_session(split: Split) -> None:
    query = await split.open()
    waiting = asyncio.ensure_future(split.get(query))
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await become(UNKNOWN, lambda: split.post(query, "6"))


async def test_an_upgrade_goes_through(split: Split) -> None:
    query = await split.open()
    async with split.socket(query) as socket:
        await socket.send("2probe")
        assert await receive(socket) == "3probe"
        await split.post(query, "4before")
        await socket.send("5")
        assert await receive(socket) == "4before"
        for message in ("4žluť 😀", b"\x00\xff", "4" + "x" * 70_000, b"y" * 200, b"z" * 70_000):
            await socket.send(message)
            assert await receive(socket) == message
        assert (await split.get(query)).status_code == 400
    await become(UNKNOWN, lambda: split.get(query))


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (frame(0xC1, b"x"), 1002),
        (frame(0x81, b"\xff"), 1007),
        (frame(0x82, b"x" * 2_000_001), 1009),
        (frame(0x88), 1005),
    ],
    ids=["reserved bit", "bad text", "too large", "close"],
)
async def test_what_came_before_a_bad_frame_or_a_close_is_answered_through_the_relay_first(
    split: Split, last: bytes, code: int
) -> None:
    """The relay waited for the next message when the answer of the other worker was still to come."""
    query = (await split.open()).replace("polling", "websocket")
    async with raw_websocket(split.second.port, query) as client:
        await client.send(frame(0x81, b"2probe"), frame(0x81, b"5"))
        assert await client.receive() == "3probe"
        await client.send(frame(0x81, b"4one") + frame(0x81, b"4two") + last)
        *answered, close = await client.rest()
    assert answered == ["4one", "4two"]
    assert isinstance(close, Close)
    assert close.code == code
    await become(UNKNOWN, lambda: split.get(query.replace("websocket", "polling")))


async def test_the_end_of_a_session_closes_the_relayed_socket(split: Split) -> None:
    query = await split.open()
    async with split.socket(query) as socket:
        for message in ("2probe", "5", "1"):
            await socket.send(message)
        assert await receive(socket) == "3probe"
        with pytest.raises(ConnectionClosed):
            await receive(socket)


async def test_a_body_over_the_limit_ends_the_session_through_the_relay(split: Split) -> None:
    query = await split.open()
    assert (await split.post(query, b"4" * 1_000_001)).status_code == 413
    assert (await split.get(query)).text == UNKNOWN


@pytest.mark.parametrize(
    "gone", [Worker(1, 1, 1, 6), Worker(2, 1, 1, 7), Worker(1, 2, 1, 7)], ids=["worker", "other host", "other life"]
)
async def test_a_worker_that_is_gone_is_an_unknown_session(split: Split, gone: Worker) -> None:
    """The first worker here is 1.1.1.7: another host's, or another life's, of that place is not taken for it."""
    query = f"/engine.io/?EIO=4&transport=polling&sid={new_sid(gone)}"
    answer = await split.get(query, headers={"Origin": "https://a.example"})
    assert (answer.status_code, answer.text) == (400, UNKNOWN)
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert (await split.post(query, "4a")).text == UNKNOWN
    with pytest.raises(InvalidStatus):
        await split.socket(query)


async def test_a_mark_from_outside_changes_nothing(split: Split) -> None:
    query = await split.open()
    assert (await split.post(query, "4a", headers=MARK)).text == "ok"
    assert (await split.get(query, headers={**MARK, "X-Forwarded-For": "198.51.100.1"})).text == "4a"


async def test_what_is_marked_on_the_private_socket_is_not_relayed_again(split: Split) -> None:
    query = await split.open()
    transport = httpx.AsyncHTTPTransport(uds=str(split.directory / "2.3.sock"))
    async with httpx.AsyncClient(transport=transport, timeout=WAIT_S) as inside:
        url = f"http://reaktor{query}"
        assert (await inside.post(url, content="4a", headers=MARK)).text == UNKNOWN
        assert (await inside.post(url, content="4a")).text == "ok"


async def test_a_worker_that_accepts_and_says_nothing_is_given_up(split: Split) -> None:
    silent: list[asyncio.StreamWriter] = []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silent.append(writer)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    listener = await asyncio.start_unix_server(hang_up, str(split.directory / "9.9.sock"))
    query = f"/engine.io/?EIO=4&transport=polling&sid={new_sid(Worker(1, 1, 9, 9))}"
    assert (await split.get(query)).text == UNKNOWN
    with pytest.raises(InvalidStatus):
        await split.socket(query)
    assert len(silent) == 2
    listener.close()
    await listener.wait_closed()


def test_an_answers_head_is_read() -> None:
    assert parse_head(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n") == (400, [(b"content-length", b"2")])
    with pytest.raises(ValueError, match="not an HTTP answer"):
        parse_head(b"SSH-2.0-x\r\n\r\n")
