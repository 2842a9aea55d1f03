"""The WebSocket half of the relay: a client of another worker's socket, pumped to and from an ASGI WebSocket.

It masks with zeros, since no proxy that could be tricked by chosen bytes stands between two ends of a Unix socket, nor
between two hosts of a cluster.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator

from reaktor.engineio.engine import WorkerGoneError
from reaktor.web.close_codes import LOST, NO_CODE, NORMAL
from reaktor.web.scope import Receive, Send
from reaktor.web.websocket_frames import NO_MASK, Opcode, encode_frame
from reaktor.web.websocket_reader import Close, FrameReader, Ping, Pong

HANDSHAKE_TIMEOUT_S = 5.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
READ_BYTES = 64 * 1024


async def relay_websocket(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    receive: Receive,
    send: Send,
    patience_s: float,
) -> None:
    """Accept our WebSocket when the other worker has, which was sent the handshake; pass messages both ways until one
    side closes.

    `patience_s`: the longest that nothing may come from that worker, whose heartbeats come more often.
    Raises WorkerGoneError when it does not accept.
    """
    await _wait_open(reader)
    await receive()
    await send({"type": "websocket.accept"})
    upstream = asyncio.ensure_future(_pump_up(receive, writer))
    downstream = asyncio.ensure_future(_pump_down(reader, writer, send, patience_s))
    try:
        await asyncio.wait((upstream, downstream), return_when=asyncio.FIRST_COMPLETED)
    finally:
        upstream.cancel()
        downstream.cancel()
        await asyncio.gather(upstream, downstream, return_exceptions=True)


def upgrade_lines() -> bytes:
    """The end of a handshake's head, with the empty line."""
    key = base64.b64encode(secrets.token_bytes(16))
    asked = b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: "
    return asked + key + b"\r\n\r\n"


async def _wait_open(reader: asyncio.StreamReader) -> None:
    try:
        async with asyncio.timeout(HANDSHAKE_TIMEOUT_S):
            answer = await reader.readuntil(b"\r\n\r\n")
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise WorkerGoneError from error
    if answer[9:12] != b"101":
        raise WorkerGoneError


async def _pump_up(receive: Receive, writer: asyncio.StreamWriter) -> None:
    """From our client to the other worker, until the client closes: its close code goes along."""
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            code = message.get("code", NO_CODE)
            if code != LOST:
                # Without a close frame that worker sees a lost connection, which is what it was.
                close_upstream(writer, code)
                await writer.drain()
            return
        text = message.get("text")
        opcode, payload = (Opcode.BINARY, message["bytes"]) if text is None else (Opcode.TEXT, text.encode())
        writer.write(encode_frame(opcode, payload, mask=NO_MASK))
        await writer.drain()


def close_upstream(writer: asyncio.StreamWriter, code: int) -> None:
    """Our client has come to its end with this code: that worker says what it still has to, and closes, too."""
    payload = b"" if code == NO_CODE else code.to_bytes(2, "big")
    writer.write(encode_frame(Opcode.CLOSE, payload, mask=NO_MASK))


async def _pump_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, send: Send, patience_s: float) -> None:
    """From the other worker to our client, until that worker closes or is gone."""
    code = NORMAL
    try:
        async for said in _said(reader, patience_s):
            if isinstance(said, str):
                await send({"type": "websocket.send", "text": said})
            elif isinstance(said, bytes):
                await send({"type": "websocket.send", "bytes": said})
            elif isinstance(said, Ping):
                writer.write(encode_frame(Opcode.PONG, said.payload, mask=NO_MASK))
            elif isinstance(said, Close):
                code = said.code
                break
    except (OSError, TimeoutError, ValueError):
        code = NORMAL
    await send({"type": "websocket.close", "code": code if 3000 <= code <= 4999 else NORMAL})


async def _said(reader: asyncio.StreamReader, patience_s: float) -> AsyncIterator[str | bytes | Ping | Pong | Close]:
    """What the other worker says, until it is gone."""
    frames = FrameReader(max_bytes=MAX_MESSAGE_BYTES)
    while True:
        async with asyncio.timeout(patience_s):
            data = await reader.read(READ_BYTES)
        if not data:
            return
        for said in frames.read(data):
            yield said
