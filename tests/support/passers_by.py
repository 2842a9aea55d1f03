"""People with short lives: connect, join, say something, and leave or vanish; on every kind of client.

Their connections are the least that a server can't tell from a client: what is read is looked through for a few
markers and forgotten. So many of them cost their own process little. For the test and the benchmark of what a server
holds when everybody is gone.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import random
import time
from collections import Counter
from collections.abc import Sequence

from reaktor.web.websocket_frames import Opcode, encode_frame

KINDS = ("native", "eio3", "eio4")
ANSWER_S = 20.0
ALPHABET = "abcdefghijklmnopqrstuvwxyz     "


class Connection:
    """One TCP connection of a person: an HTTP request or a WebSocket, read only as far as a person must know."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._seen = b""

    @classmethod
    async def open(cls, port: int, source: str) -> Connection:
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
        return cls(reader, writer)

    async def http(self, head: str, body: bytes = b"") -> tuple[int, bytes]:
        """One request on a kept-alive connection: status and body of its answer."""
        length = f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n" if body else ""
        self._writer.write(f"{head}\r\nHost: localhost\r\n{length}\r\n".encode() + body)
        async with asyncio.timeout(ANSWER_S):
            answer = await self._reader.readuntil(b"\r\n\r\n")
            size = next(
                int(line.partition(b":")[2])
                for line in answer.split(b"\r\n")
                if line.lower().startswith(b"content-length")
            )
            return int(answer.split(b" ", 2)[1]), await self._reader.readexactly(size)

    async def upgrade(self, path: str, subprotocol: str | None = None) -> None:
        """Become a WebSocket. Raises ConnectionError when refused."""
        key = base64.b64encode(os.urandom(16)).decode()
        protocol = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n".encode()
        )
        async with asyncio.timeout(ANSWER_S):
            answer = await self._reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in answer.split(b"\r\n", 1)[0]:
            raise ConnectionError(answer.split(b"\r\n", 1)[0].decode())

    def say(self, text: str) -> None:
        self._writer.write(encode_frame(Opcode.TEXT, text.encode(), mask=os.urandom(4)))

    async def until(self, marker: bytes) -> None:
        """Read until the marker has come."""
        async with asyncio.timeout(ANSWER_S):
            while marker not in self._seen:
                await self._read()
        self._seen = self._seen[self._seen.index(marker) + len(marker) :]

    async def read_for(self, seconds: float) -> None:
        """Read what comes for so long, and forget it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    await self._read()
                    self._seen = b""

    async def _read(self) -> None:
        data = await self._reader.read(64 * 1024)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._seen += data

    async def close(self, *, politely: bool) -> None:
        """With the closing handshake, or by a reset."""
        if politely:
            self._writer.write(encode_frame(Opcode.CLOSE, (1000).to_bytes(2, "big"), mask=os.urandom(4)))
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(2):
                    while await self._reader.read(64 * 1024):
                        pass
            self._writer.close()
        else:
            self._writer.transport.abort()


class PassersBy:
    """Lives on the server of one port, in channels that exist. `life_s`: how long one is, about.

    Half of the Socket.IO clients begin by polling, half of all leave with a goodbye. `done` counts the lives by kind.
    """

    def __init__(self, port: int, channels: Sequence[str], life_s: float) -> None:
        self._port = port
        self._channels = channels
        self._life_s = life_s
        self._chance = random.Random(1)
        self.done: Counter[str] = Counter()

    async def life(self, kind: str, token: str, source: str) -> None:
        """One life of an account. Raises OSError, TimeoutError or IncompleteReadError where the server ends it."""
        channel = self._chance.choice(self._channels)
        politely = self._chance.random() < 0.5
        line = await Connection.open(self._port, source)
        try:
            if kind == "native":
                await self._native(line, token, channel)
            else:
                line = await self._socketio(line, kind, token, channel, source)
            if politely and kind != "native":
                line.say("41")
        except BaseException:
            await line.close(politely=False)
            raise
        await line.close(politely=politely)
        self.done[kind] += 1

    async def _native(self, line: Connection, token: str, channel: str) -> None:
        await line.upgrade("/ws/v1", "reaktor.v1")

        def ask(number: int, op: str, **fields: object) -> None:
            at = {} if op == "hello" else {"channel": channel}
            line.say(json.dumps({"id": number, "op": op, "data": fields, **at}))

        ask(1, "hello", token=token)
        await line.until(b'"re":1,"ok":true')
        ask(2, "channel.join")
        await line.until(b'"re":2,"ok":true')
        for number in range(3, 3 + self._chance.randrange(4)):
            await line.read_for(self._pause_s())
            ask(number, "message.send", text=self._text(), nonce=f"{time.monotonic_ns()}{number}")
        await line.read_for(self._pause_s())

    async def _socketio(self, line: Connection, kind: str, token: str, channel: str, source: str) -> Connection:
        path = f"/socket.io/?EIO={kind[-1]}&token={token}&transport="
        if self._chance.random() < 0.5:
            # As browsers do: a poll opens the session, and a socket takes it over.
            _, body = await line.http(f"GET {path}polling HTTP/1.1")
            sid = json.loads(body[body.index(b"{") : body.index(b"}") + 1])["sid"]
            await line.close(politely=False)
            line = await Connection.open(self._port, source)
            await line.upgrade(f"{path}websocket&sid={sid}")
            line.say("2probe")
            await line.until(b"3probe")
            line.say("5")
        else:
            await line.upgrade(f"{path}websocket")
        if kind == "eio4":
            line.say("40" + json.dumps({"token": token}))
        await line.until(b'["logged_in"')
        rest = await Connection.open(self._port, source)
        try:
            status, body = await rest.http(
                f"POST /channels/{channel}/join HTTP/1.1\r\nAuthorization: Bearer {token}", b"{}"
            )
            if status != 200:
                raise ConnectionError(f"join: {status} {body[:80]!r}")
        finally:
            await rest.close(politely=False)
        for _ in range(self._chance.randrange(4)):
            await line.read_for(self._pause_s())
            line.say("42" + json.dumps(["message:post", {"channel": channel, "message": self._text()}]))
        await line.read_for(self._pause_s())
        return line

    def _pause_s(self) -> float:
        return self._chance.expovariate(3 / self._life_s)

    def _text(self) -> str:
        return "".join(self._chance.choices(ALPHABET, k=self._chance.randrange(10, 400))).strip() or "x"
