"""A client of either revision of Engine.IO against a real server, that does just what a test tells it."""

from __future__ import annotations

import asyncio

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.conformance_server import (
    ConformanceServer,
    sid_of,
)

WAIT_S = 5.0
GONE = '{"code":1,"message":"Session ID unknown"}'


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

    async def begin_poll(self, sid: str) -> asyncio.Task[httpx.Response]:
        """A poll that has left on the connection of open(), so the server reads it before a request on a new one."""
        sent = asyncio.Event()

        async def trace(event: str, _: object) -> None:
            if event == "http11.send_request_body.complete":
                sent.set()

        poll = asyncio.create_task(self.http.get(self.url(sid), extensions={"trace": trace}))
        async with asyncio.timeout(WAIT_S):
            await sent.wait()
        return poll

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


async def wait_closed(socket: ClientConnection) -> None:
    async with asyncio.timeout(WAIT_S):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            pass
