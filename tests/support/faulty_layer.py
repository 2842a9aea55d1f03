"""FaultyLayer: a Channels layer in memory that loses, repeats and delays messages by seed, and can be cut off.

Everything above it is the real thing: reaktor.process.bus.Bus, the authority, the feeders. Delays put messages out
of order.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from typing import Any


class FaultyLayer:
    """`loss` and `repeat` are chances for each message and receiver; `delay_s` the longest it may take."""

    def __init__(self, seed: int, *, loss: float = 0.0, repeat: float = 0.0, delay_s: float = 0.0) -> None:
        self._random = random.Random(seed)
        self.loss, self.repeat, self.delay_s = loss, repeat, delay_s
        self.is_cut = False
        self._mailboxes: defaultdict[str, asyncio.Queue[dict[str, Any]]] = defaultdict(asyncio.Queue)
        self._groups: defaultdict[str, set[str]] = defaultdict(set)

    def mend(self) -> None:
        """The layer takes messages again."""
        self.is_cut = False

    def heal(self) -> None:
        """From now on everything arrives, once, in order."""
        self.loss = self.repeat = self.delay_s = 0.0
        self.mend()

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self._refuse_if_cut()
        self._carry(channel, message)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self._refuse_if_cut()
        for channel in sorted(self._groups[group]):
            self._carry(channel, message)

    async def receive(self, channel: str) -> dict[str, Any]:
        return await self._mailboxes[channel].get()

    async def group_add(self, group: str, channel: str) -> None:
        self._refuse_if_cut()
        self._groups[group].add(channel)

    async def group_discard(self, group: str, channel: str) -> None:
        self._groups[group].discard(channel)

    def _refuse_if_cut(self) -> None:
        if self.is_cut:
            raise ConnectionError("the layer is cut off")

    def _carry(self, channel: str, message: dict[str, Any]) -> None:
        copies = 0 if self._random.random() < self.loss else 1 + (self._random.random() < self.repeat)
        for _ in range(copies):
            # A copy of its own for each receiver, as from a real layer.
            if self.delay_s:
                delay_s = self._random.uniform(0, self.delay_s)
                asyncio.get_running_loop().call_later(delay_s, self._mailboxes[channel].put_nowait, dict(message))
            else:
                self._mailboxes[channel].put_nowait(dict(message))
