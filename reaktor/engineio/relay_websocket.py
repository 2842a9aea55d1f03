"""The WebSocket half of the relay: a client of another worker's socket, pumped to and from an ASGI WebSocket.

Only what a relay between our own processes needs of RFC 6455: no extensions, and a zero mask, since no proxy that
could be tricked by chosen bytes stands between two ends of a Unix socket.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator

from reaktor.engineio.engine import WorkerGoneError
from reaktor.web.close_codes import LOST, NO_CODE, NORMAL
from reaktor.web.scope import Receive, Send
from reaktor.web.websocket_frames import NO_MASK, Frame, Opcode, encode_frame, frames_in

HANDSHAKE_TIMEOUT_S = 5.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
READ_BYTES = 64 * 1024


async def relay_websocket(
    head: bytes,
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    receive: Receive,
    send: Send,
    patience_s: float,
) -> None:
    """Open the other worker's WebSocket, accept ours, and pass messages both ways until one side closes.

    `patience_s`: the longest that nothing may come from that worker, whose heartbeats come more often.
    Raises WorkerGoneError when it does not accept.
    """
    await _open(head, reader, writer)
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


async def _open(head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    key = base64.b64encode(secrets.token_bytes(16))
    writer.write(
        head
        + b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: "
        + key
        + b"\r\n\r\n"
    )
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
                payload = b"" if code == NO_CODE else int(code).to_bytes(2, "big")
                writer.write(encode_frame(Opcode.CLOSE, payload, mask=NO_MASK))
                await writer.drain()
            return
        text = message.get("text")
        opcode, payload = (Opcode.BINARY, message["bytes"]) if text is None else (Opcode.TEXT, text.encode())
        writer.write(encode_frame(opcode, payload, mask=NO_MASK))
        await writer.drain()


async def _pump_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, send: Send, patience_s: float) -> None:
    """From the other worker to our client, until that worker closes or is gone."""
    code = NORMAL
    try:
        async for opcode, payload in _messages(reader, writer, patience_s):
            if opcode is Opcode.CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else NORMAL
                break
            if opcode is Opcode.TEXT:
                await send({"type": "websocket.send", "text": payload.decode()})
            else:
                await send({"type": "websocket.send", "bytes": payload})
    except (OSError, TimeoutError, ValueError):
        code = NORMAL
    await send({"type": "websocket.close", "code": code if 3000 <= code <= 4999 else NORMAL})


async def _messages(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience_s: float
) -> AsyncIterator[tuple[Opcode, bytes]]:
    """Whole messages and the close frame, as (opcode, payload); pings are answered. Ends when that worker is gone."""
    opcode, parts = Opcode.CONTINUATION, bytearray()
    async for frame in _frames(reader, patience_s):
        if frame.opcode is Opcode.PING:
            writer.write(encode_frame(Opcode.PONG, frame.payload, mask=NO_MASK))
        elif frame.opcode is Opcode.CLOSE:
            yield frame.opcode, frame.payload
            return
        elif frame.opcode is not Opcode.PONG:
            opcode = frame.opcode or opcode
            parts += frame.payload
            if len(parts) > MAX_MESSAGE_BYTES:
                raise ValueError("a message is too large")
            if frame.is_final:
                yield opcode, bytes(parts)
                parts.clear()


async def _frames(reader: asyncio.StreamReader, patience_s: float) -> AsyncIterator[Frame]:
    buffer = bytearray()
    while True:
        async with asyncio.timeout(patience_s):
            data = await reader.read(READ_BYTES)
        if not data:
            return
        buffer += data
        end = 0
        for frame in frames_in(buffer, max_payload_bytes=MAX_MESSAGE_BYTES):
            yield frame
            end = frame.end
        del buffer[:end]
