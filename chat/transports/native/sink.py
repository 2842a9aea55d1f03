"""A FrameSink for servers that give us none (stock Daphne, any other ASGI server): frames go out through ASGI.

Frames are taken apart again, since ASGI wants messages; one task of the consumer sends them in order.
"""

from __future__ import annotations

import asyncio
import contextlib

from reaktor.web.scope import Send
from reaktor.web.websocket_reader import FrameReader


class AsgiSink:
    """write() queues, run() sends until cancelled or aborted."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self.unsent_bytes = 0
        self._aborted = False

    @property
    def is_open(self) -> bool:
        """What became of the socket is told to the consumer alone."""
        return not self._aborted

    def write(self, data: bytes) -> int:
        """The queue's bound is the hub's: it closes a session whose unsent bytes pass the limit."""
        if not self._aborted:
            self.unsent_bytes += len(data)
            self._queue.put_nowait(data)
        return self.unsent_bytes

    def abort(self) -> None:
        self._aborted = True

    async def run(self) -> None:
        while True:
            data = await self._queue.get()
            for text in FrameReader().read(data):
                if not self._aborted:
                    await self._send({"type": "websocket.send", "text": text})
            self.unsent_bytes -= len(data)
            self._queue.task_done()

    async def flushed(self, timeout_s: float) -> None:
        """Until everything written so far was handed to the server, or for that long: a client may read nothing."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._queue.join()
