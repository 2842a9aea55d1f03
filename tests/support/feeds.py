"""The feeds of one process over a real store, with hub and members, as the runtime puts them together; for tests."""

from __future__ import annotations

import asyncio
import uuid

from channels.layers import InMemoryChannelLayer
from django.db import connections

from chat.delivery import wire
from chat.delivery.hub import Hub
from chat.domain.events import Event
from chat.domain.ids import ChannelKey, UserRef
from chat.live.feeds import Feeds, Upkeep
from chat.live.local_members import LocalMembers
from chat.posting.batches import Post, Stored, store_batch
from reaktor.config.model import Database as DatabaseConfig
from reaktor.config.model import Delivery as DeliveryConfig
from reaktor.db.database import Database
from reaktor.process.bus import Bus, Layer
from tests.support.delivery import FakeFormat, FakeSession

QUICK = DeliveryConfig(hold_gap_s=0.02, heads_interval_s=0.1, idle_feed_s=0.15)


class Process:
    """Feeds, hub and database of one process, with one session to watch what is delivered."""

    def __init__(self, layer: Layer | None = None) -> None:
        self.bus = Bus(layer or InMemoryChannelLayer())
        self.hub = Hub(unsent_bytes=1 << 30, on_dirty=lambda: asyncio.get_running_loop().call_soon(self.hub.flush))
        self.database = Database(DatabaseConfig())
        self.feeds = Feeds(self.bus, "mailbox", self.database, self.hub, QUICK)
        self.local_members = LocalMembers(self.hub, self.feeds, lambda work, name: asyncio.create_task(work, name=name))
        self.upkeep = Upkeep(self.feeds, self.database, self.hub, QUICK, self.local_members.resend)
        self.watcher = FakeSession("watcher", FakeFormat())
        self.hub.attach(self.watcher)

    @property
    def seen(self) -> list[tuple[str, int | None]]:
        return [(frame["event"], frame["seq"]) for frame in self.watcher.frames]


async def stored(author: UserRef, key: ChannelKey, count: int) -> list[Event]:
    """Events of messages that somebody else's process committed."""

    def store() -> list[Event]:
        try:
            results = store_batch([Post(author, key, "hi", uuid.uuid4().hex) for _ in range(count)])
            return [wire.message_new(result.message) for result in results if isinstance(result, Stored)]
        finally:
            connections.close_all()

    return await asyncio.to_thread(store)
