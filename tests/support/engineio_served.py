"""An Engine.IO server with an echoing application, and clients of it, without a server or a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from reaktor.config.model import EngineIO
from reaktor.engineio.server import EngineServer
from tests.support.asgi import HttpClient, RecordingSink, Socket
from tests.support.engineio_echo import Echo

OPTIONS = EngineIO(
    max_payload_bytes=1000,
    max_queued_bytes=50_000,
    allowed_origins=("https://good.example",),
    linger_s=60.0,
    upgrade_timeout_s=60.0,
)
HURRIED = replace(OPTIONS, linger_s=0.2, upgrade_timeout_s=0.2)
WEBSOCKET_V4 = "EIO=4&transport=websocket"
WEBSOCKET_V3 = "EIO=3&transport=websocket"
POLLING_V4 = "EIO=4&transport=polling"
POLLING_V3 = "EIO=3&transport=polling"
PATH = "/socket.io/?"
ERRORS = {
    0: b'{"code":0,"message":"Transport unknown"}',
    1: b'{"code":1,"message":"Session ID unknown"}',
    2: b'{"code":2,"message":"Bad handshake method"}',
    3: b'{"code":3,"message":"Bad request"}',
    4: b'{"code":4,"message":"Forbidden"}',
    5: b'{"code":5,"message":"Unsupported protocol version"}',
}


def upgrade_of(query: str) -> str:
    """The query of the WebSocket that takes over from a polling session's."""
    return query.replace("polling", "websocket")


class Served:
    """The server, its application, and clients of it."""

    def __init__(self, options: EngineIO = OPTIONS) -> None:
        self.echo = Echo()
        self.server = EngineServer(options, self.echo)
        self.http = HttpClient(self.server)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Served]:
        """The server's own tasks, for as long as the block lasts."""
        task = asyncio.ensure_future(self.server.run())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def polling(self, query: str = POLLING_V4) -> str:
        """A handshake; the query for what follows."""
        text = (await self.http.get(query)).text
        return f"{query}&sid={json.loads(text[text.index('{') :])['sid']}"

    async def socket(self, query: str = WEBSOCKET_V4, sink: RecordingSink | None = None) -> Socket:
        """An accepted socket; its open packet is still to be read."""
        socket = Socket(self.server, PATH + query, sink)
        await socket.accepted()
        return socket
