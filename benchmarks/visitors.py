"""Clients that come back by themselves, as the published libraries do: what a storm is made of.

A Visitor is one client on asyncio: native, Socket.IO 1.x/2.x (Engine.IO 3), 3.x/4.x (Engine.IO 4) with or without the
recovery of 4.6. It connects, tries again with growing delays when it is cut or not answered in time, and notes which
messages it was sent, how often, and when. Native ones page through the history after a reset.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import re
import time
from collections import Counter

from reaktor.web.websocket_frames import Opcode, encode_frame
from reaktor.web.websocket_reader import Close, FrameReader

KINDS = ("native", "sio2", "sio3", "sio4")
"""sio2: 1.x and 2.x. sio3: 3.x to 4.5. sio4: from 4.6 on, which says how far it had come."""
TIMEOUT_S = {"native": 10.0, "sio2": 20.0, "sio3": 20.0, "sio4": 20.0}
"""So long our web client and the libraries wait for an answer to their handshake."""
FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 5.0
PAGE = 100
BUFFER_BYTES = 32 * 1024
NUMBER = re.compile(r'"number":(\d+),"seq":\d+,"(?:changed_seq|created_at)"')
SEQ = re.compile(r'"seq":(\d+)\}\]$')


class Visitor(asyncio.BufferedProtocol):
    """One client of one kind, in one channel. `seen`: how often each message came, by its number, since forget()."""

    def __init__(self, kind: str, port: int, token: str, channel: str) -> None:
        self.kind, self.port, self.token, self.channel = kind, port, token, channel
        self.seen: Counter[int] = Counter()
        self.newest = 0
        self.began_at = self.back_at = self.full_at = self.entered_at = 0.0
        self._lacking: set[int] = set()
        self._first_live = 0
        self.tries = self.timeouts = self.refused = self.cut = self.disorder = 0
        self._may_try = asyncio.Event()
        self._pid = self._offset = ""
        self._page_from: int | None = None
        self._page_until = 0
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._buffer = bytearray(BUFFER_BYTES)
        self._reset()

    # -- Life -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Connect, and again whenever the connection is gone while return_from() lets it."""
        self._may_try.set()
        self._task = asyncio.create_task(self._live())

    def stay_away(self) -> None:
        """The network is gone: no attempts from now on."""
        self._may_try.clear()

    def cut_off(self) -> None:
        """The connection is gone, without a word."""
        if self._transport is not None:
            self._transport.abort()

    def return_from(self, delay_s: float, wanted: range) -> None:
        """Try again after so long; it is complete with these messages, and what comes behind them is live."""
        self.seen.clear()
        self._lacking, self._first_live = set(wanted), wanted.stop
        self.tries = self.timeouts = self.refused = self.cut = self.disorder = 0
        self.back_at = self.full_at = self.entered_at = 0.0
        asyncio.get_running_loop().call_later(delay_s, self._may_try.set)

    async def leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self.cut_off()

    async def _live(self) -> None:
        delay_s = FIRST_DELAY_S
        while True:
            await self._may_try.wait()
            if not self.tries:
                self.began_at = time.monotonic()
            self.tries += 1
            self._reset()
            try:
                async with asyncio.timeout(TIMEOUT_S[self.kind]):
                    await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self.port)
                    await self._greeted.wait()
                delay_s = FIRST_DELAY_S
                await self._gone.wait()
            except TimeoutError:
                self.timeouts += 1
            except OSError:
                self.refused += 1
            if self._transport is not None:
                self._transport.abort()
            if self._may_try.is_set():
                await asyncio.sleep(delay_s * random.uniform(0.5, 1.5))
                delay_s = min(delay_s * 2, LONGEST_DELAY_S)

    def _reset(self) -> None:
        self._head, self._reader = b"", FrameReader()
        self._is_open = False
        self._greeted, self._gone = asyncio.Event(), asyncio.Event()

    # -- asyncio.BufferedProtocol -------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        revision = {"sio2": 3, "sio3": 4, "sio4": 4}.get(self.kind)
        path = "/ws/v1" if revision is None else f"/socket.io/?EIO={revision}&transport=websocket&token={self.token}"
        offered = "Sec-WebSocket-Protocol: reaktor.v1\r\n" if revision is None else ""
        transport.write(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{offered}\r\n".encode()
        )

    def connection_lost(self, error: Exception | None) -> None:
        if self._greeted.is_set():
            self.cut += 1
        self._greeted.set()
        self._gone.set()

    def get_buffer(self, sizehint: int) -> bytearray:
        """Asked for by asyncio, whose own buffer of 256 KiB is mapped anew for each piece that comes."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self._take(bytes(memoryview(self._buffer)[:nbytes]))

    def _take(self, data: bytes) -> None:
        if not self._is_open:
            self._head += data
            head, found, rest = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.refused += 1
                self._close()
                return
            self._is_open, data = True, rest
            if self.kind == "native":
                resume = {self.channel: self.newest} if self.newest else {}
                self._ask("hello", token=self.token, resume=resume)
        for said in self._reader.read(data):
            if isinstance(said, str):
                self._on_text(said)
            elif isinstance(said, Close):
                self._close()

    def post(self, text: str, nonce: str) -> None:
        """Say it in the channel, as a native client."""
        self._ask("message.send", text=text, nonce=nonce)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _send(self, payload: bytes) -> None:
        if self._transport is not None:
            self._transport.write(encode_frame(Opcode.TEXT, payload, mask=os.urandom(4)))

    def _ask(self, op: str, **data: object) -> None:
        frame: dict[str, object] = {"id": op, "op": op, "data": data}
        if op.startswith(("channel.", "message.")):
            frame["channel"] = self.channel
        self._send(json.dumps(frame).encode())

    # -- What comes -------------------------------------------------------------------------------------------

    def _on_text(self, payload: str) -> None:
        if self.kind == "native":
            self._on_native(payload)
        elif payload.startswith('42["message:post"'):
            if (found := SEQ.search(payload)) is not None:
                self._note(int(found[1]))
        elif payload.startswith('42["offset"'):
            self._offset = json.loads(payload[2:])[1]
        elif payload.startswith('42["logged_in"'):
            self._on_back()
        elif payload.startswith("0{"):
            self._greeted.set()
            if self.kind != "sio2":
                auth = {"pid": self._pid, "offset": self._offset} if self.kind == "sio4" and self._pid else {}
                self._send(f"40{json.dumps(auth)}".encode())
        elif payload.startswith("40{") and self.kind == "sio4":
            self._pid = json.loads(payload[2:])["pid"]
        elif payload.startswith(("41", "44")):
            self.refused += 1

    def _on_native(self, payload: str) -> None:
        for found in NUMBER.findall(payload):
            self._note(int(found))
        if payload.startswith('{"re":"hello"'):
            answer = json.loads(payload)
            if not answer["ok"]:
                self.refused += 1
                return
            self._greeted.set()
            known = answer["data"]["resume"].get(self.channel, {"reset": True})
            if known.get("reset") or self._page_from is not None:
                # A page that was not read yet is read after the next hello.
                self._page_from = self._page_from or self.newest or None
                self._ask("channel.join")
            else:
                self._on_back()
        elif payload.startswith('{"re":"channel.join"'):
            self._on_back()
            if self._page_from is not None:
                shown = json.loads(payload)["data"]["messages"]
                self._page_until = min((each["number"] for each in shown), default=self._page_from + 1)
                self._read_on()
        elif payload.startswith('{"re":"message.list"'):
            answer = json.loads(payload)
            if not answer["ok"]:
                self.refused += 1
                self._close()
            elif answer["data"]["has_more"]:
                self._page_from = answer["data"]["messages"][-1]["number"]
                self._read_on()
            else:
                self._page_from = None
        elif payload.startswith('{"event":"ping"'):
            self._send(b'{"op":"pong"}')

    def _read_on(self) -> None:
        """Ask for what lies between what was known and what the join has shown, page by page, and for no more."""
        assert self._page_from is not None
        lacking = self._page_until - self._page_from - 1
        if lacking > 0:
            self._ask("message.list", after=self._page_from, limit=min(PAGE, lacking))
        else:
            self._page_from = None

    def _on_back(self) -> None:
        if not self.back_at:
            self.back_at = time.monotonic()
            if not self._lacking:
                self.full_at = self.back_at

    def _note(self, number: int) -> None:
        self.seen[number] += 1
        if number > self.newest:
            self.newest = number
        elif self.kind != "native":
            self.disorder += 1
        if number >= self._first_live > 0 and not self.entered_at:
            self.entered_at = time.monotonic()
        if self._lacking:
            self._lacking.discard(number)
            if not self._lacking:
                self.full_at = time.monotonic()

    @property
    def repeats(self) -> int:
        return sum(self.seen.values()) - len(self.seen)
