"""Requests that another host has relayed to this worker: read from the connection, and put to our own private socket.

The supervisor has read the pass and handed the connection over (reaktor.cluster.relay_door). What follows, in TLS where
hosts have it, must be the bytes that were sealed. After a request nothing more is taken from the other host, but the
frames of a WebSocket once our server has accepted it: so nobody on the way can put a request of his own behind ours.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from reaktor.observe.metrics import Metrics
from reaktor.owned import spawn
from reaktor.process.relay_pass import Pass
from reaktor.process.streams import Streams, closing

logger = logging.getLogger(__name__)

REQUEST_S = 10.0
HANDSHAKE_S = 5.0
READ_BYTES = 64 * 1024


class Relayed:
    """run() owns what take() starts. `path`: our private socket; `patience_s`: how long nothing may come on a
    connection; `max_open`: so many at a time; `tls`: what comes is encrypted.
    """

    def __init__(self, path: Path, *, patience_s: float, max_open: int, tls: ssl.SSLContext | None = None) -> None:
        self._path, self._patience_s, self._max_open, self._tls = path, patience_s, max_open, tls
        self._group: asyncio.TaskGroup | None = None
        self._open = 0
        self.served_total = 0
        self.broken_total = 0

    def take(self, descriptor: int, said: Mapping[str, Any]) -> None:
        """Serve a connection whose pass said this. Takes the descriptor over; never raises."""
        connection = socket.socket(fileno=descriptor)
        connection.setblocking(False)
        given = Pass(tuple(said["worker"]), bool(said["is_open"]), int(said["size"]), bytes.fromhex(said["digest"]))
        has_room = self._open < self._max_open
        if not has_room or spawn(self._group, self._serve(connection, given), "relayed request") is None:
            self.broken_total += 1
            connection.close()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as self._group:
            await asyncio.Event().wait()

    def metrics(self) -> Metrics:
        """What it has counted."""
        return {"counters": {"host_relays_served": self.served_total, "host_relays_broken": self.broken_total}}

    async def _serve(self, connection: socket.socket, given: Pass) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(HANDSHAKE_S):
                outside = await self._open_streams(connection)
            async with closing(outside[1]):
                await self._serve_from(outside, given)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self.broken_total += 1
            logger.debug("relayed: %r", error)
        except Exception:
            self.broken_total += 1
            logger.exception("a relayed request failed")
        finally:
            self._open -= 1
            connection.close()

    async def _open_streams(self, connection: socket.socket) -> Streams:
        if self._tls is None:
            return await asyncio.open_connection(sock=connection, limit=READ_BYTES)
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=READ_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection, ssl=self._tls)
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    async def _serve_from(self, outside: Streams, given: Pass) -> None:
        async with asyncio.timeout(REQUEST_S):
            request = await outside[0].readexactly(given.size)
            if not given.fits(request):
                raise OSError("these are not the bytes that were sealed")
            inside = await asyncio.open_unix_connection(str(self._path), limit=READ_BYTES)
        async with closing(inside[1]):
            if outside[0].at_eof():
                # This host stood still, and the other one has answered for it: the client says it again elsewhere.
                raise OSError("it was given up")
            inside[1].write(request)
            self.served_total += 1
            if not given.is_open:
                await _until_first(self._copy(inside, outside), _one_byte(outside[0]))
            elif await _is_accepted(inside, outside):
                await _until_first(self._copy(inside, outside), self._copy(outside, inside))

    async def _copy(self, source: Streams, sink: Streams) -> None:
        """Until the source has ended, or nothing was said or taken for too long."""
        while True:
            async with asyncio.timeout(self._patience_s):
                data = await source[0].read(READ_BYTES)
                if not data:
                    return
                sink[1].write(data)
                await sink[1].drain()


async def _is_accepted(inside: Streams, outside: Streams) -> bool:
    """Pass the answer to a handshake on: whether it is a WebSocket from here on."""
    async with asyncio.timeout(HANDSHAKE_S):
        head = await inside[0].readuntil(b"\r\n\r\n")
    outside[1].write(head)
    return head[9:12] == b"101"


async def _one_byte(reader: asyncio.StreamReader) -> None:
    """Its end is the client's; anything else is more than was sealed."""
    await reader.read(1)


async def _until_first(*ways: Coroutine[Any, Any, None]) -> None:
    """Run both until one ends. What it raises is raised."""
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error
