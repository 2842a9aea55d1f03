"""The bus as whoever holds or wants a lease uses it: it listens for its own beat there, and for leases that are free.

LeaseKeeper asks it whether the lease may be had, and says by it that one is given back. Made by the supervisor's
companion, over its own bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable

from reaktor.cluster.lease import BEAT_S, OwnBeat
from reaktor.process.bus import Bus, BusError

GROUP = "lease"
BEAT = "lease.beat"
FREE = "lease.free"
FIRST_S = 0.05
"""Between beats before the first was heard: a server that starts shall not wait for it."""


class LeaseLine:
    """run() it as long as it is asked. `freed`: set when somebody gave a lease back; cleared by who waits for it."""

    def __init__(self, bus: Bus, clock: Callable[[], float]) -> None:
        self._bus, self._clock = bus, clock
        self._mailbox = f"{GROUP}.{secrets.token_hex(8)}"
        self._beat = OwnBeat()
        self._has_heard = False
        self.freed = asyncio.Event()

    async def run(self) -> None:
        """Beat and listen until cancelled. A bus that is gone does not end it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="lease line")
            kept = self._bus.keep_subscribed(GROUP, self._mailbox, first_s=FIRST_S)
            tasks.create_task(kept, name="lease line group")
            tasks.create_task(self._beat_forever(), name="lease beat")

    def may_take(self) -> bool:
        """Whether we are heard on the bus."""
        return self._beat.may_take(self._clock())

    def must_give_back(self) -> bool:
        return self._beat.must_give_back()

    async def say_free(self) -> None:
        """Have those who stand by look at once. They look anyway, a little later."""
        with contextlib.suppress(BusError):
            await self._bus.broadcast(GROUP, FREE, {}, to_self=False)

    async def _listen(self) -> None:
        async with contextlib.aclosing(self._bus.listen(self._mailbox)) as messages:
            async for kind, _ in messages:
                if kind == BEAT:
                    self._beat.heard(self._clock())
                    self._has_heard = True
                elif kind == FREE:
                    self.freed.set()

    async def _beat_forever(self) -> None:
        saying: asyncio.Task[None] | None = None
        try:
            while True:
                self._beat.due(self._clock())
                # One that is stuck is not waited for: how long nothing is heard counts meanwhile.
                if saying is None or saying.done():
                    saying = asyncio.create_task(self._say_beat(), name="lease beat")
                await asyncio.sleep(BEAT_S if self._has_heard else FIRST_S)
        finally:
            if saying is not None:
                saying.cancel()
                await asyncio.gather(saying, return_exceptions=True)

    async def _say_beat(self) -> None:
        with contextlib.suppress(BusError):
            await self._bus.send(self._mailbox, BEAT, {})
