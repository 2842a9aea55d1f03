"""What a worker does with a connection on which another host relays: one request, and nothing behind it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from reaktor.cluster.relayed import Relayed
from reaktor.config.model import RelayTls
from reaktor.process import relay_tls
from tests.support.certificates import certificates
from tests.support.waiting import until

REQUEST = b"GET /x HTTP/1.1\r\n\r\n"
ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
REFUSED = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class Private:
    """Our own private socket, as a stub: it says `answer` to each request, and keeps what came."""

    def __init__(self) -> None:
        self.answer = b"HTTP/1.1 200 OK\r\n\r\nok"
        self.heard: list[bytearray] = []
        self.ended = 0
        self.closes = True

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = bytearray(await reader.readexactly(len(REQUEST)))
        self.heard.append(heard)
        writer.write(self.answer)
        if not self.closes:
            while data := await reader.read(1_000):
                heard += data
        self.ended += 1
        writer.close()


class Served:
    """Relayed, in front of the stub."""

    def __init__(self, path: Path, tls: ssl.SSLContext | None = None) -> None:
        self.private = Private()
        self.relayed = Relayed(path, patience_s=5.0, max_open=2, tls=tls)
        self.outside: list[asyncio.StreamWriter] = []

    def take(
        self, *sent: bytes, request: bytes = REQUEST, is_open: bool = False, is_over: bool = False
    ) -> socket.socket:
        """A connection that another host has opened, on which so much was sent. `is_over`: it was closed, too."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        for part in sent:
            ours.sendall(part)
        if is_over:
            ours.shutdown(socket.SHUT_WR)
        said: dict[str, Any] = {"worker": [1, 1, 1, 1], "is_open": is_open, "size": len(request)}
        self.relayed.take(theirs.detach(), {**said, "digest": hashlib.sha256(request).hexdigest()})
        return ours

    async def answer(self, connection: socket.socket) -> bytes:
        """All that comes to the other host, to the end."""
        loop, found = asyncio.get_running_loop(), b""
        async with asyncio.timeout(5):
            try:
                while data := await loop.sock_recv(connection, 1_000):
                    found += data
            except ConnectionResetError:
                pass  # not all was read that was sent
        connection.close()
        return found

    def counted(self) -> tuple[int, int]:
        """Served, broken."""
        counters = self.relayed.metrics()["counters"]
        return counters["host_relays_served"], counters["host_relays_broken"]


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async with serving(None) as found:
        yield found


@contextlib.asynccontextmanager
async def serving(tls: ssl.SSLContext | None) -> AsyncIterator[Served]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.sock"
        found = Served(path, tls)
        server = await asyncio.start_unix_server(found.private.serve, str(path))
        running = asyncio.create_task(found.relayed.run())
        await asyncio.sleep(0)
        yield found
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()


async def test_a_request_is_put_to_our_socket_and_its_answer_goes_back(served: Served) -> None:
    assert await served.answer(served.take(REQUEST[:5], REQUEST[5:])) == served.private.answer
    assert served.private.heard == [REQUEST]
    assert served.counted() == (1, 0)


async def test_what_was_not_sealed_is_not_put_to_it(served: Served) -> None:
    assert await served.answer(served.take(REQUEST.replace(b"x", b"y"))) == b""
    assert await served.answer(served.take(REQUEST[:-1], is_over=True)) == b""
    assert served.private.heard == []
    assert served.counted() == (0, 2)


async def test_who_has_given_up_meanwhile_is_not_served(served: Served) -> None:
    """We stood still: the other host has told its client that the session is over."""
    assert await served.answer(served.take(REQUEST, is_over=True)) == b""
    assert served.private.heard == []
    assert served.counted() == (0, 1)


async def test_nothing_behind_a_request_is_put_to_it(served: Served) -> None:
    served.private.closes = False
    connection = served.take(REQUEST)
    await until(lambda: served.private.heard)
    connection.send(b"GET /metrics HTTP/1.1\r\n\r\n")
    await served.answer(connection)
    await until(lambda: served.private.ended)
    assert served.private.heard == [REQUEST]


async def test_the_end_of_the_client_ends_a_request_that_waits(served: Served) -> None:
    served.private.closes, served.private.answer = False, b""
    connection = served.take(REQUEST)
    await until(lambda: served.private.heard)
    connection.close()
    await until(lambda: served.private.ended)


async def test_frames_follow_a_handshake_that_was_accepted(served: Served) -> None:
    served.private.closes, served.private.answer = False, ACCEPTED
    connection = served.take(REQUEST, b"frame", is_open=True)
    await until(lambda: served.private.heard == [REQUEST + b"frame"])
    connection.send(b" and another")
    await until(lambda: served.private.heard == [REQUEST + b"frame and another"])
    connection.shutdown(socket.SHUT_WR)
    assert await served.answer(connection) == ACCEPTED


async def test_nothing_follows_one_that_was_refused(served: Served) -> None:
    served.private.closes, served.private.answer = False, REFUSED
    connection = served.take(REQUEST, b"GET /metrics HTTP/1.1\r\n\r\n", is_open=True)
    assert await served.answer(connection) == REFUSED
    await until(lambda: served.private.ended)
    assert served.private.heard == [REQUEST]


async def test_so_many_at_a_time(served: Served) -> None:
    served.private.closes, served.private.answer = False, b""
    held = [served.take(REQUEST) for _ in range(2)]
    await until(lambda: len(served.private.heard) == 2)
    assert await served.answer(served.take(REQUEST)) == b""
    for connection in held:
        connection.close()
    await until(lambda: not served.relayed._open)
    served.private.closes, served.private.answer = True, b"answer"
    assert await served.answer(served.take(REQUEST)) == b"answer"


async def test_by_tls_a_request_and_frames_come_encrypted_and_in_clear_nothing_is_taken(tmp_path: Path) -> None:
    authority, certificate, key = certificates(tmp_path)
    files = RelayTls(str(certificate), str(key), str(authority))
    calls = relay_tls.for_calls(files)
    async with serving(relay_tls.for_callers(files)) as served:
        served.private.closes, served.private.answer = False, ACCEPTED
        connection = served.take(is_open=True)
        reader, writer = await asyncio.open_connection(sock=connection, ssl=calls, server_hostname="127.0.0.1")
        writer.write(REQUEST)
        assert await reader.readexactly(len(ACCEPTED)) == ACCEPTED
        writer.write(b"frame")
        await until(lambda: served.private.heard == [REQUEST + b"frame"])
        writer.close()
        await until(lambda: served.private.ended)
        answer = await served.answer(served.take(REQUEST))
        assert ACCEPTED not in answer
        assert served.private.heard == [REQUEST + b"frame"]
        assert served.counted() == (1, 1)
