"""A bad line: a TCP relay that carries byte by byte, with latency and jitter, and can cut everything at once.

`async with bad_line(port) as line:` listens on `line.url` and relays to that port of this machine.
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

RESET = struct.pack("ii", 1, 0)
# Byte by byte for so many of each piece: longer ones would measure the loop of this process, not the server.
CHOPPED_BYTES = 300


class BadLine:
    """What either end closes is closed on both. Latency of each piece is `delay_s` give or take half of it."""

    def __init__(self, port: int, delay_s: float, seed: int) -> None:
        self._port, self._delay_s, self._chance = port, delay_s, random.Random(seed)
        self._ends: set[asyncio.StreamWriter] = set()
        self.url = ""

    async def cut(self) -> None:
        """Reset every connection, in both directions; returns when both sides' kernels know."""
        ends = list(self._ends)
        for end in ends:
            end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.transport.abort()
        await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)

    async def on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", self._port)
        ends = {writer, out}
        self._ends |= ends
        directions = [asyncio.create_task(self._carry(*each)) for each in ((reader, out), (there, writer))]
        try:
            await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for direction in directions:
                direction.cancel()
            self._ends -= ends
            for end in ends:
                end.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(65_536):
                await asyncio.sleep(self._delay_s * self._chance.uniform(0.5, 1.5))
                for at in range(min(len(piece), CHOPPED_BYTES)):
                    if writer.is_closing():
                        return
                    writer.write(piece[at : at + 1])
                    await asyncio.sleep(0)
                writer.write(piece[CHOPPED_BYTES:])
                await writer.drain()


@asynccontextmanager
async def bad_line(port: int, *, delay_s: float = 0.03, seed: int = 1) -> AsyncIterator[BadLine]:
    """A relay to a port of this machine; ended with the block."""
    line = BadLine(port, delay_s, seed)
    server = await asyncio.start_server(line.on_connection, "127.0.0.1", 0)
    line.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        await line.cut()
