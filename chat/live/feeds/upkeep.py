"""What keeps open feeds whole: holes filled, heads and names compared with the store, deleted messages forgotten.

A hole that lasts, and every head that the store shows to be ahead (compared every 2 s), is repaired from the store: a
message committed by a process that died before publishing still arrives. Where that is too much, the feed starts anew
and its members are told to sync. A channel without local members is closed after a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from accounts.selectors import names_changed
from chat import selectors
from chat.delivery.hub import Hub
from chat.domain.events import Event, EventType, SyncRequiredData
from chat.domain.ids import ChannelKey
from chat.live.feeds.memory import OpenFeed
from chat.live.feeds.open_feeds import Feeds, acknowledge
from reaktor.config.model import Delivery as DeliveryConfig
from reaktor.db.database import Database
from reaktor.errors import NotFoundError, ReaktorError

logger = logging.getLogger(__name__)

NAMES_OVERLAP = timedelta(minutes=2)
"""Clocks of hosts differ, and a rename has its time before it is committed."""
REPAIR_MESSAGES = 1_000
"""More than that missed at once: members are told to sync, which is cheaper for everybody."""

TOGETHER = 4
"""Holes repaired side by side."""
AWAY_S = 1.0


class Upkeep:
    """run() is owned by the runtime. `on_reset(event, head)`: a feed that had come to `head` starts anew.

    The event is what the members were told.
    """

    def __init__(
        self,
        feeds: Feeds,
        database: Database,
        hub: Hub,
        config: DeliveryConfig,
        on_reset: Callable[[Event, int], None],
    ) -> None:
        self._feeds = feeds
        self._database = database
        self._hub = hub
        self._config = config
        self._on_reset = on_reset
        self._names_since = datetime.now(UTC)
        self.repairs_total = 0
        self._is_away = False

    async def run(self) -> None:
        """Repair holes as they come, compare heads and close idle feeds every `heads_interval_s`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repair_holes(), name="feeds: holes")
            tasks.create_task(self._compare_heads(), name="feeds: heads")

    async def _repair_holes(self) -> None:
        while True:
            await self._feeds.holes.wait()
            await asyncio.sleep(self._config.hold_gap_s)
            self._feeds.holes.clear()
            oldest = time.monotonic() - self._config.hold_gap_s
            holes = [entry for entry in self._feeds.entries() if entry.feed.hole_since is not None]
            due = [entry for entry in holes if (since := entry.feed.hole_since) is not None and since <= oldest]
            repaired = await self._repair_all(due)
            if len(due) < len(holes) or any(entry.feed.has_hole for entry in due):
                self._feeds.holes.set()
            if not repaired:
                # The store is away: the same question again at once would get the same answer.
                await asyncio.sleep(AWAY_S)

    async def _repair_all(self, entries: Sequence[OpenFeed]) -> bool:
        """Repair these side by side, some at once; whether the store answered."""
        waiting = list(entries)
        errors: list[ReaktorError] = []

        async def repair() -> None:
            while waiting and not errors:
                try:
                    await self._repair(waiting.pop())
                except ReaktorError as error:
                    errors.append(error)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(len(waiting), TOGETHER)):
                tasks.create_task(repair(), name="feeds: repair")
        if errors and not self._is_away:
            logger.warning("feeds: holes can't be filled (%s); it will be tried again", errors[0].message)
        if entries:
            self._is_away = bool(errors)
        return not errors

    async def _compare_heads(self) -> None:
        while True:
            await asyncio.sleep(self._config.heads_interval_s)
            await self.compare_heads()
            await self._compare_names()
            await self._close_idle()

    async def compare_heads(self) -> None:
        """Find and fill what was committed and never published, forget what retention deleted; also called when the
        bus is back."""
        keys = [each.feed.key for each in self._feeds.entries() if each.pins or self._hub.has_members(each.feed.key)]
        if not keys:
            return
        try:
            stored = await self._database.read(selectors.channel_heads, keys)
        except ReaktorError:
            return
        for key, head in stored.items():
            trimmed = self._feeds.entry(key)
            if trimmed is not None and trimmed.floor_seq < head.floor_seq:
                await self._trim(trimmed, head.floor_seq)
        behind = [key for key, head in stored.items() if (feed := self._feeds.get(key)) and feed.head != head.seq]
        if not behind:
            return
        # What was committed a moment ago is on its way here; only what does not come is missing.
        await asyncio.sleep(self._config.hold_gap_s)
        entries = [entry for key in behind if (entry := self._feeds.entry(key)) is not None]
        await self._repair_all([entry for entry in entries if entry.feed.head < stored[entry.feed.key].seq])
        for entry in entries:
            if entry.feed.head > stored[entry.feed.key].seq:
                await self._check_rewound(entry)

    async def _compare_names(self) -> None:
        """Renames that the bus did not bring; those that it did are known already. Where no feed is open no old name is
        kept, and what is opened later is read with the names of then.
        """
        now = datetime.now(UTC)
        if not self._feeds.entries():
            self._names_since = now
            return
        with contextlib.suppress(ReaktorError):
            for old, new in await self._database.read(names_changed, self._names_since - NAMES_OVERLAP):
                self._feeds.rename(old, new)
            self._names_since = now

    async def trim(self, key: ChannelKey) -> None:
        """Retention deleted messages of this channel: forget those that are in memory."""
        if self._feeds.get(key) is not None:
            with contextlib.suppress(ReaktorError):
                stored = await self._database.read(selectors.channel_heads, [key])
                if key in stored and (entry := self._feeds.entry(key)) is not None:
                    await self._trim(entry, stored[key].floor_seq)

    async def _trim(self, entry: OpenFeed, floor_seq: int) -> None:
        """What comes while the store is asked is not among the ids, so it stays."""
        recent = entry.feed.recent
        ids = recent.ids()
        with contextlib.suppress(ReaktorError):
            kept = await self._database.read(selectors.messages_kept, list(ids))
            if entry.feed.recent is not recent:
                return  # Read anew meanwhile; the next look at the heads compares that.
            infos = await self._database.read(selectors.thread_infos, list(kept))
            if entry.feed.recent is not recent:
                return
            recent.forget(ids - kept, floor_seq)
            for info in infos:
                recent.inform(info)
            self._feeds.forget_made(entry.feed.key)
            entry.floor_seq = max(entry.floor_seq, floor_seq)

    async def _check_rewound(self, entry: OpenFeed) -> None:
        """A head above the store's, still so on a second look: a backup was put back."""
        with contextlib.suppress(ReaktorError):
            stored = await self._database.read(selectors.channel_heads, [entry.feed.key])
            head = stored.get(entry.feed.key)
            if head is not None and entry.feed.head > head.seq:
                await self._reset(entry)

    async def _repair(self, entry: OpenFeed) -> None:
        """Fill the hole from the store. Raises UnavailableError."""
        feed = entry.feed
        try:
            changes = await self._database.read(
                selectors.channel_changes, feed.key, after=feed.head, limit=REPAIR_MESSAGES
            )
            self.repairs_total += 1
            if "reset" in changes:
                await self._reset(entry)
            else:
                self._feeds.deliver(entry, feed.repair(changes["messages"], changes["seq"]))
        except NotFoundError:
            # The channel is gone, so nothing will ever fill the hole.
            acknowledge(feed.give_up())

    async def _reset(self, entry: OpenFeed) -> None:
        """Too much was missed to replay: start anew, and have the members sync."""
        before = entry.feed.head
        fresh, floor_seq = await self._feeds.load(entry.feed.key)
        if entry.feed.head != before and entry.feed.head >= fresh.head:
            # Meanwhile the feed came as far by another way; going back would tell everything in between twice.
            return
        logger.warning("feeds: %s starts anew at %d (was %d)", fresh.key, fresh.head, entry.feed.head)
        before, entry.floor_seq = entry.feed.head, floor_seq
        passed = entry.feed.reset(fresh.head, fresh.recent)
        entry.trail.note(before, time.monotonic())
        self._feeds.memory.used(entry)
        self._feeds.forget_made(entry.feed.key)
        event = Event(EventType.SYNC_REQUIRED, fresh.key, SyncRequiredData(seq=fresh.head))
        self._hub.to_channel(event)
        self._on_reset(event, before)
        acknowledge(passed)
        # Last: who was just sent the pages up to the new head goes on from there.
        self._feeds.deliver(entry, entry.feed.follow())

    async def _close_idle(self) -> None:
        self._feeds.sweep_made()
        deadline = time.monotonic() - self._config.idle_feed_s
        for entry in self._feeds.entries():
            if self._hub.has_members(entry.feed.key):
                entry.idle_since = time.monotonic()
            elif entry.pins == 0 and entry.idle_since < deadline:
                await self._feeds.close(entry.feed.key)
