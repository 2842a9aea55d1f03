"""A TCP proxy whose lines can fall silent: what is sent on them goes nowhere, and nobody is told that they are dead.

The kernel behind it goes on acknowledging, so this is worse than a route that drops packets: keepalives don't help.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class SilentProxy:
    """Runs in the loop of the test. `lines`: how many were ever opened."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._alive: set[asyncio.Task[None]] = set()
        self.is_dead = False
        self.lines = 0
        self.port = 0

    def silence(self) -> None:
        """The lines there are carry nothing any more; new ones do, unless `is_dead`."""
        for pump in self._alive:
            pump.cancel()
        self._alive.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines += 1
        if self.is_dead:
            return
        server_reader, server_writer = await self._connect()
        for source, target in ((reader, server_writer), (server_reader, writer)):
            pump = asyncio.create_task(_pump(source, target))
            self._alive.add(pump)
            pump.add_done_callback(self._alive.discard)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(65_536):
        target.write(data)
    target.close()


@asynccontextmanager
async def silent_proxy(connect: Callable[[], Awaitable[Streams]]) -> AsyncIterator[SilentProxy]:
    """A proxy on a free port of 127.0.0.1 to whatever `connect` reaches."""
    proxy = SilentProxy(connect)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        proxy.silence()
        server.close()
