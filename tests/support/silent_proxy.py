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
        self._alive: dict[asyncio.Task[None], int] = {}
        self._writers: list[asyncio.StreamWriter] = []
        self.is_dead = False
        self.lines = 0
        self.port = 0

    def silence(self, *lines: int) -> None:
        """The lines there are, or those of these numbers from 1 on, carry nothing any more; new ones do, unless
        `is_dead`."""
        for pump in [pump for pump, line in self._alive.items() if not lines or line in lines]:
            pump.cancel()
            del self._alive[pump]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.lines += 1
        line = self.lines
        self._writers.append(writer)
        if self.is_dead:
            return
        server_reader, server_writer = await self._connect()
        self._writers.append(server_writer)
        for source, target in ((reader, server_writer), (server_reader, writer)):
            pump = asyncio.create_task(_pump(source, target))
            self._alive[pump] = line
            pump.add_done_callback(lambda ended: self._alive.pop(ended, None))

    async def end(self) -> None:
        """Nothing is left of any line, silent ones too."""
        self.silence()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)


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
        server.close()
        await proxy.end()
