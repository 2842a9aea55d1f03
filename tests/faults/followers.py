"""Followers: clients that are in no channel, follow them all, and count what is unread. Some messages name them.

Of each there are two devices. With one the person reads now and then, and sometimes marks as unread again; the other is
told of it.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import httpx

from tests.faults.history import Shown
from tests.support.badge import Badge, fold
from tests.support.native import Refused
from tests.support.person import Person

PAUSE_S = 1.0


class Follower(Person):
    """A native client. start() follows the channels; shown() says what it counts in each.

    `reads`: with this device its person reads, until stop_reading().
    """

    def __init__(self, url: str, account: tuple[str, str], channels: list[str], *, reads: bool) -> None:
        super().__init__(url, account, "127.0.0.1", [])
        self.url = url
        self.reads = reads
        self._followed = channels
        self._badges: dict[str, Badge] = {}
        self.has_read: dict[str, int] = {}
        """How far, by channel, where the last answer says it."""
        self._has_read_enough = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None

    async def start(self) -> Follower:
        await super().start()
        for key in self._followed:
            await self.request("channel.follow", key, level="all")
        if self.reads:
            self._reading = asyncio.create_task(self._read_on())
        return self

    async def stop_reading(self) -> None:
        """What was asked is answered, or lost with its line."""
        self._has_read_enough.set()
        if self._reading is not None:
            await self._reading

    def shown(self) -> list[Shown]:
        return [
            Shown(self.name, key, badge.unread, badge.mentions, badge.read_number)
            for key, badge in self._badges.items()
        ]

    async def stored(self) -> dict[str, int]:
        """How far they have read, by channel, as the server has it."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, timeout=20) as http:
            answer = (await http.get("/api/v1/me/channels")).raise_for_status().json()
        return {each["key"]: each["read_number"] for each in answer["results"]}

    async def _read_on(self) -> None:
        while not self._has_read_enough.is_set():
            key = random.choice(self._followed)
            newest = self._badges[key].number if key in self._badges else 0
            is_back = random.random() < 0.2
            self.has_read.pop(key, None)
            try:
                wanted = random.randint(0, newest) if is_back else newest
                answer = await self.request("read", key, number=wanted, back=is_back)
            except (ConnectionError, TimeoutError, Refused) as problem:
                self.refusals.append(f"read: {problem!r}")
            else:
                self.has_read[key] = answer["read_number"]
                if badge := self._badges.get(key):
                    # A host of an older release does not say at which message it counted.
                    badge.mark({"number": badge.number, **answer})
            await asyncio.sleep(random.uniform(0.2, 2) * PAUSE_S)

    def _take(self, frame: dict[str, Any]) -> None:
        super()._take(frame)
        if event := frame.get("event"):
            fold(self._badges, event, frame.get("channel", ""), frame.get("data"))

    def _answered(self, frame: dict[str, Any]) -> None:
        data = frame.get("data", {})
        if frame["ok"] and "epoch" in data:
            self._badges = {each["key"]: Badge(each) for each in data["channels"] if each["key"] in self._followed}
        elif frame["ok"] and "level" in data:
            self._badges[data["key"]] = Badge(data)
        super()._answered(frame)
