"""Departures: tells a worker that the client of one of its sessions was answered elsewhere that there is none.

So it is where a request finds no way to that worker (relay.py), though it lives, or goes on later. The client begins
another session. Its worker would learn of that from a missing heartbeat only, and the user's place would be the old
session's until then. Over the bus; what that loses costs this wait. Owned by the runtime of a worker.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from reaktor.engineio.sid import Worker
from reaktor.process.bus import Bus, BusError

KIND = "engineio.left"
MAX_WAITING = 1_000
"""More than the bus takes: the oldest is let go."""


class Departures:
    """run() says what tell() is told; on_message() hears. `mailbox_of`: that of a worker."""

    def __init__(self, bus: Bus, mailbox_of: Callable[[Worker], str]) -> None:
        self._bus, self._mailbox_of = bus, mailbox_of
        self._waiting: deque[tuple[Worker, str]] = deque(maxlen=MAX_WAITING)
        self._has_more = asyncio.Event()

    def tell(self, worker: Worker, sid: str) -> None:
        """That worker's session of this sid has lost its client. Never raises."""
        self._waiting.append((worker, sid))
        self._has_more.set()

    def on_message(self, kind: str, body: Mapping[str, Any], end: Callable[[str], None]) -> bool:
        """Take one message of the worker's mailbox: `end` is called with a sid. Returns whether it was one of these."""
        if kind != KIND:
            return False
        if isinstance(sid := body.get("sid"), str):
            end(sid)
        return True

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._has_more.wait()
            self._has_more.clear()
            while self._waiting:
                worker, sid = self._waiting.popleft()
                with contextlib.suppress(BusError):
                    await self._bus.send(self._mailbox_of(worker), KIND, {"sid": sid})
