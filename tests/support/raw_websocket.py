"""A WebSocket client that sends any bytes, as no library would: bad frames, frames cut anywhere, many at once."""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reaktor.web.websocket_frames import Opcode, encode_frame
from reaktor.web.websocket_reader import Close, FrameReader, Ping, Pong

MASK = b"\x01\x80\xff\x10"
WAIT_S = 5.0


def frame(first: int, payload: bytes = b"") -> bytes:
    """A client's frame with any first byte."""
    return bytes([first]) + encode_frame(Opcode.TEXT, payload, mask=MASK)[1:]


class RawWebSocket:
    """Use raw_websocket()."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._frames = FrameReader()

    async def send(self, *sent: bytes) -> None:
        """Each by itself."""
        for part in sent:
            self._writer.write(part)
            await self._writer.drain()

    async def receive(self) -> str | bytes | Ping | Pong | Close:
        """The next of what the server says. Raises TimeoutError, and EOFError at the end."""
        async with asyncio.timeout(WAIT_S):
            while (found := self._frames.take()) is None:
                data = await self._reader.read(65_536)
                if not data:
                    raise EOFError
                self._frames.feed(data)
        assert isinstance(found, str | bytes | Ping | Pong | Close)
        return found

    async def rest(self) -> list[str | bytes | Ping | Pong | Close]:
        """All that comes, up to the end of the connection. Raises TimeoutError."""
        async with asyncio.timeout(WAIT_S):
            return list(self._frames.read(await self._reader.read()))


@asynccontextmanager
async def raw_websocket(port: int, path: str, *headers: str) -> AsyncIterator[RawWebSocket]:
    """An open one. `headers`: lines that the handshake has beside its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = ["Host: x", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}"]
    lines += ["Sec-WebSocket-Version: 13", *headers]
    writer.write("\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode())
    try:
        async with asyncio.timeout(WAIT_S):
            answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101 ")
        yield RawWebSocket(reader, writer)
    finally:
        writer.close()
