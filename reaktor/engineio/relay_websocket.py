"""The WebSocket half of the relay: a client of another worker's socket, pumped to and from an ASGI WebSocket.

Only what a relay between our own processes needs of RFC 6455: no extensions, and a zero mask, since no proxy that
could be tricked by chosen bytes stands between two ends of a Unix socket.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass

from reaktor.engineio.engine import Receive, Send, WorkerGoneError

HANDSHAKE_TIMEOUT_S = 5.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_NO_CODE = 1005
_LOST = 1006


@dataclass(frozen=True, slots=True)
class _Frame:
    opcode: int
    is_final: bool
    payload: bytes


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
            code = message.get("code", _NO_CODE)
            if code != _LOST:
                # Without a close frame that worker sees a lost connection, which is what it was.
                writer.write(_masked(_CLOSE, b"" if code == _NO_CODE else int(code).to_bytes(2, "big")))
                await writer.drain()
            return
        text = message.get("text")
        writer.write(_masked(_BINARY, message["bytes"]) if text is None else _masked(_TEXT, text.encode()))
        await writer.drain()


async def _pump_down(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, send: Send, patience_s: float) -> None:
    """From the other worker to our client, until that worker closes or is gone."""
    code = 1000
    try:
        async for opcode, payload in _messages(reader, writer, patience_s):
            if opcode == _CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1000
                break
            if opcode == _TEXT:
                await send({"type": "websocket.send", "text": payload.decode()})
            else:
                await send({"type": "websocket.send", "bytes": payload})
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        code = 1000
    await send({"type": "websocket.close", "code": code if code == 1000 or 3000 <= code <= 4999 else 1000})


async def _messages(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience_s: float
) -> AsyncIterator[tuple[int, bytes]]:
    """Whole messages and the close frame, as (opcode, payload); pings are answered."""
    opcode, parts = 0, bytearray()
    while True:
        async with asyncio.timeout(patience_s):
            frame = await _read_frame(reader)
        if frame.opcode == _PING:
            writer.write(_masked(_PONG, frame.payload))
        elif frame.opcode == _CLOSE:
            yield _CLOSE, frame.payload
            return
        elif frame.opcode in (_CONTINUATION, _TEXT, _BINARY):
            opcode = frame.opcode or opcode
            parts += frame.payload
            if len(parts) > MAX_MESSAGE_BYTES:
                raise ValueError("a message is too large")
            if frame.is_final:
                yield opcode, bytes(parts)
                parts.clear()


async def _read_frame(reader: asyncio.StreamReader) -> _Frame:
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8), "big")
    if second & 0x80 or length > MAX_MESSAGE_BYTES:
        raise ValueError("a server's frame is not masked and not this large")
    return _Frame(first & 0x0F, bool(first & 0x80), await reader.readexactly(length))


def _masked(opcode: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < 126:
        size = bytes((0x80 | length,))
    elif length < 65_536:
        size = bytes((0x80 | 126,)) + length.to_bytes(2, "big")
    else:
        size = bytes((0x80 | 127,)) + length.to_bytes(8, "big")
    return bytes((0x80 | opcode,)) + size + bytes(4) + payload
