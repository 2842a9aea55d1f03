"""What one address holds in all workers together: each tells the others its own counts once a second.

Matters behind a trusted proxy, where one client's connections may be on several workers, and while a worker is being
replaced; whoever connects directly has them all in one. Only counts that come near the bound are told, so that a quiet
server says nothing. Owned by the runtime of a worker; the counts are the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from reaktor.cluster.address_counts import AddressCounts
from reaktor.process.bus import Bus, BusError

GROUP = KIND = "cluster.counts"
INTERVAL_S = 1.0
FORGET_S = 3.0
"""A worker that says nothing for so long holds nothing that counts, or is gone."""


class CountExchange:
    """run() tells, on_message() hears; both in the loop."""

    def __init__(self, bus: Bus, mailbox: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus = bus
        self._mailbox = mailbox
        self._clock = clock
        self._counts: AddressCounts | None = None
        self._heard: dict[str, tuple[float, Mapping[str, int]]] = {}

    def share(self, counts: AddressCounts) -> None:
        """These are the counts to tell of, and to tell what others hold."""
        self._counts = counts

    def on_message(self, kind: str, body: Mapping[str, Any]) -> bool:
        """Take one message of the worker's mailbox. Returns whether it was one of these."""
        if kind != KIND:
            return False
        worker, counts = body.get("worker"), body.get("counts")
        if isinstance(worker, str) and isinstance(counts, dict) and worker != self._mailbox:
            self._heard[worker] = (self._clock(), {str(key): int(count) for key, count in counts.items()})
            self._sum_up()
        return True

    async def run(self) -> None:
        """Until cancelled. A bus that is away only means that nobody is told."""
        is_subscribed = has_told = False
        while True:
            with contextlib.suppress(BusError):
                if not is_subscribed:
                    await self._bus.subscribe(GROUP, self._mailbox)
                    is_subscribed = True
                counts = self._counts.near_the_bound() if self._counts is not None else {}
                # Once more when there is nothing left to tell of, so that the others need not find out.
                if counts or has_told:
                    await self._bus.broadcast(GROUP, KIND, {"worker": self._mailbox, "counts": counts}, to_self=False)
                    has_told = bool(counts)
            await asyncio.sleep(INTERVAL_S)
            self._sum_up()

    def _sum_up(self) -> None:
        if self._counts is None:
            return
        oldest = self._clock() - FORGET_S
        self._heard = {worker: heard for worker, heard in self._heard.items() if heard[0] > oldest}
        total: dict[str, int] = {}
        for _, counts in self._heard.values():
            for key, count in counts.items():
                total[key] = total.get(key, 0) + count
        self._counts.elsewhere = total
