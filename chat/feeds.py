"""The open feeds of this process: one bus subscription per active channel, loaded, repaired and closed here.

open() subscribes first and reads second, so nothing falls between. A hole that lasts, and every head that the store
shows to be ahead (compared every 2 s), is repaired from the store: a message committed by a process that died before
publishing still arrives. A channel without local members is closed after a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from chat import selectors
from chat.delivery.feed import Delivery, Feed
from chat.delivery.hub import Hub
from chat.delivery.recent import Recent
from chat.domain.events import ChangesData, Event, EventType, MessageData
from chat.domain.ids import ChannelKey
from chat.membership.wire import channel_group
from reaktor.bus import Bus, BusError
from reaktor.config import Delivery as DeliveryConfig
from reaktor.database import Database
from reaktor.errors import NotFoundError, ReaktorError, UnavailableError

logger = logging.getLogger(__name__)

REPAIR_MESSAGES = 1_000
"""More than that missed at once: members are told to sync, which is cheaper for everybody."""

REACH_S = 2.0
"""How long an answer waits for the events below it; a hole is repaired in far less."""


@dataclass(slots=True)
class _Open:
    """A feed and who needs it. `idle_since`: when the last pin went and no local member was left.

    `floor_seq`: how far retention had come when the memory was last compared with the store.
    """

    feed: Feed
    floor_seq: int
    pins: int = 0
    idle_since: float = 0.0
    reached: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)


class Feeds:
    """pinned(), get(), offer(); run() is owned by the runtime."""

    def __init__(
        self,
        bus: Bus,
        mailbox: str,
        database: Database,
        hub: Hub,
        config: DeliveryConfig,
        *,
        on_reset: Callable[[Event, int], None],
    ) -> None:
        """`on_reset(event, head)`: a feed that had come to `head` starts anew, as the event tells the members."""
        self._bus = bus
        self._mailbox = mailbox
        self._database = database
        self._hub = hub
        self._config = config
        self._on_reset = on_reset
        self._open: dict[ChannelKey, _Open] = {}
        self._opening: dict[ChannelKey, asyncio.Task[_Open]] = {}
        self._early: dict[ChannelKey, list[Delivery]] = {}
        self._holes = asyncio.Event()
        self.repairs_total = 0

    def get(self, key: ChannelKey) -> Feed | None:
        """The feed of an active channel, or None."""
        found = self._open.get(key)
        return found.feed if found else None

    def heads(self) -> dict[ChannelKey, int]:
        """The last delivered seq of each channel with local members."""
        return {key: entry.feed.head for key, entry in self._open.items() if self._hub.has_members(key)}

    @contextlib.asynccontextmanager
    async def pinned(self, *keys: ChannelKey) -> AsyncIterator[None]:
        """The feeds of these channels are open inside. Raises NotFoundError, UnavailableError."""
        pinned: list[_Open] = []
        try:
            for key in keys:
                entry = self._open.get(key) or await self._opened(key)
                entry.pins += 1
                pinned.append(entry)
            yield
        finally:
            now = time.monotonic()
            for entry in pinned:
                entry.pins -= 1
                entry.idle_since = now

    async def _opened(self, key: ChannelKey) -> _Open:
        """One task per channel opens it, whoever asks meanwhile waits for the same one."""
        task = self._opening.get(key)
        if task is None:
            task = asyncio.create_task(self._start(key), name=f"open feed {key}")
            self._opening[key] = task
            task.add_done_callback(lambda _: self._opening.pop(key, None))
        return await asyncio.shield(task)

    async def _start(self, key: ChannelKey) -> _Open:
        early = self._early[key] = []
        try:
            await self._bus.subscribe(channel_group(key), self._mailbox)
            feed, floor_seq = await self._load(key)
            entry = _Open(feed, floor_seq, idle_since=time.monotonic())
        except BaseException as error:
            _acknowledge(early)
            if isinstance(error, BusError):
                raise UnavailableError("The bus is away.") from error
            raise
        finally:
            del self._early[key]
        self._open[key] = entry
        self._deliver(entry, entry.feed.offer(early, time.monotonic()))
        return entry

    async def _load(self, key: ChannelKey) -> tuple[Feed, int]:
        config = self._config
        found = await self._database.read(
            selectors.newest_messages, key, changes=config.recent_messages, numbers=config.join_messages
        )
        recent = Recent(
            changed=found.changed,
            newest=found.newest,
            floor=found.floor,
            head_number=found.channel.number,
            changes=config.recent_messages,
            numbers=config.join_messages,
        )
        return Feed(key, found.channel.id, found.channel.seq, recent), found.channel.floor_seq

    def missed(self, key: ChannelKey, after: int | None) -> list[MessageData] | None:
        """What an open feed delivered after the cursor, from memory; None when that does not reach back so far."""
        return [] if after is None else self._open[key].feed.recent.since(after)

    async def page_since(self, key: ChannelKey, after: int) -> tuple[list[MessageData], int]:
        """The first changes after the cursor that a pinned feed delivered, from the store; and where to go on.

        Of more than `catch_up_messages` the last ones. To be repeated until missed() has the rest.
        """
        feed = self._open[key].feed
        after = max(after, feed.head - self._config.catch_up_messages)
        limit = self._config.sync_messages
        stored = await self._database.read(selectors.changes_page, feed.channel_id, after=after, limit=limit)
        # The store may be ahead of what was delivered here; what is above the head comes live.
        page = [each for each in stored if each["changed_seq"] <= feed.head]
        # Nothing there: what memory does not reach back to was deleted.
        return page, page[-1]["changed_seq"] if page else max(after, feed.recent.floor)

    async def answer_since(self, key: ChannelKey, after: int) -> ChangesData:
        """What a pinned feed delivered after the cursor, as an answer to resume, join and sync: changes, or a reset."""
        feed = self._open[key].feed
        config = self._config
        messages = feed.recent.since(after) if after <= feed.head else None
        if messages is None:
            stored = await self._database.read(selectors.channel_changes, key, after=after, limit=config.sync_messages)
            later = feed.recent.since(stored["seq"]) if stored["seq"] < feed.head else []
            if stored.get("reset") or later is None:
                return {"reset": True, "seq": feed.head}
            # The store may be ahead of what was delivered here; what is above the head comes live.
            merged = {each["id"]: each for each in [*stored["messages"], *later] if each["changed_seq"] <= feed.head}
            messages = sorted(merged.values(), key=lambda each: each["changed_seq"])
        if len(messages) > config.sync_messages:
            return {"reset": True, "seq": feed.head}
        found: ChangesData = {"messages": messages, "seq": feed.head}
        return selectors.bounded_changes(found, max_bytes=config.sync_channel_bytes)

    def offer(self, key: ChannelKey, deliveries: Sequence[Delivery]) -> None:
        """Durable events of one channel, from the own writer or the bus; delivered in order.

        Where no feed is open nobody here is in the channel: they are acknowledged and dropped.
        """
        entry = self._open.get(key)
        if entry is None:
            if key in self._early:
                self._early[key] += deliveries
                return
            _acknowledge(deliveries)
            return
        self._deliver(entry, entry.feed.offer(deliveries, time.monotonic()))
        if entry.feed.has_hole:
            self._holes.set()

    def _deliver(self, entry: _Open, ready: Sequence[Delivery]) -> None:
        self._hub.deliver(ready)
        if entry.reached:
            still = []
            for seq, future in entry.reached:
                if seq > entry.feed.head:
                    still.append((seq, future))
                else:
                    _resolve(future)
            entry.reached = still

    async def reached(self, key: ChannelKey, seq: int) -> None:
        """Wait until the members here have been sent everything up to seq, so that an answer can't overtake it.

        A client's cursor is the greatest seq it saw, from answers too. Gives up after REACH_S, in silence.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.when_reached(key, seq, partial(_resolve, future))
        await future

    def when_reached(self, key: ChannelKey, seq: int, call: Callable[[], object]) -> None:
        """reached() for those who can't wait: `call` is called once, now or in the loop turn after that."""
        entry = self._open.get(key)
        if entry is None or entry.feed.head >= seq:
            call()
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        future.add_done_callback(lambda _: call())
        entry.reached.append((seq, future))
        loop.call_later(REACH_S, _resolve, future)

    # -- Upkeep -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Repair holes as they come, compare heads and close idle feeds every `heads_interval_s`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repair_holes(), name="feeds: holes")
            tasks.create_task(self._compare_heads(), name="feeds: heads")

    async def _repair_holes(self) -> None:
        while True:
            await self._holes.wait()
            await asyncio.sleep(self._config.hold_gap_s)
            self._holes.clear()
            now = time.monotonic()
            for entry in list(self._open.values()):
                since = entry.feed.hole_since
                if since is None:
                    continue
                if now - since < self._config.hold_gap_s or not await self._repair(entry) or entry.feed.has_hole:
                    self._holes.set()

    async def _compare_heads(self) -> None:
        while True:
            await asyncio.sleep(self._config.heads_interval_s)
            await self.compare_heads()
            await self._close_idle()

    async def compare_heads(self) -> None:
        """Find and fill what was committed and never published, forget what retention deleted; also called when the
        bus is back."""
        keys = [key for key, entry in self._open.items() if entry.pins or self._hub.has_members(key)]
        if not keys:
            return
        try:
            stored = await self._database.read(selectors.channel_heads, keys)
        except ReaktorError:
            return
        for key, head in stored.items():
            trimmed = self._open.get(key)
            if trimmed is not None and trimmed.floor_seq < head.floor_seq:
                await self._trim(trimmed, head.floor_seq)
        behind = [key for key, head in stored.items() if key in self._open and self._open[key].feed.head != head.seq]
        if not behind:
            return
        # What was committed a moment ago is on its way here; only what does not come is missing.
        await asyncio.sleep(self._config.hold_gap_s)
        for key in behind:
            entry = self._open.get(key)
            if entry is not None and entry.feed.head < stored[key].seq:
                await self._repair(entry)
            elif entry is not None and entry.feed.head > stored[key].seq:
                await self._check_rewound(entry)

    async def trim(self, key: ChannelKey) -> None:
        """Retention deleted messages of this channel: forget those that are in memory."""
        if key in self._open:
            with contextlib.suppress(ReaktorError):
                stored = await self._database.read(selectors.channel_heads, [key])
                if key in stored and (entry := self._open.get(key)) is not None:
                    await self._trim(entry, stored[key].floor_seq)

    async def _trim(self, entry: _Open, floor_seq: int) -> None:
        """What comes while the store is asked is not among the ids, so it stays."""
        recent = entry.feed.recent
        ids = recent.ids()
        with contextlib.suppress(ReaktorError):
            kept = await self._database.read(selectors.messages_kept, list(ids))
            recent.forget(ids - kept, floor_seq)
            entry.floor_seq = max(entry.floor_seq, floor_seq)

    async def _check_rewound(self, entry: _Open) -> None:
        """A head above the store's, still so on a second look: a backup was put back."""
        with contextlib.suppress(ReaktorError):
            stored = await self._database.read(selectors.channel_heads, [entry.feed.key])
            head = stored.get(entry.feed.key)
            if head is not None and entry.feed.head > head.seq:
                await self._reset(entry)

    async def _repair(self, entry: _Open) -> bool:
        """Fill the hole from the store; whether that worked."""
        feed = entry.feed
        try:
            changes = await self._database.read(
                selectors.channel_changes, feed.key, after=feed.head, limit=REPAIR_MESSAGES
            )
            self.repairs_total += 1
            if changes.get("reset"):
                await self._reset(entry)
            else:
                self._deliver(entry, feed.repair(changes["messages"], changes["seq"]))
        except NotFoundError:
            self._deliver(entry, feed.repair([], feed.head))
        except ReaktorError as error:
            logger.warning("feeds: %s has a hole after %d (%s)", feed.key, feed.head, error.message)
            return False
        return True

    async def _reset(self, entry: _Open) -> None:
        """Too much was missed to replay: start anew, and have the members sync."""
        fresh, entry.floor_seq = await self._load(entry.feed.key)
        logger.warning("feeds: %s starts anew at %d (was %d)", fresh.key, fresh.head, entry.feed.head)
        before = entry.feed.head
        dropped = entry.feed.reset(fresh.head, fresh.recent)
        event = Event(EventType.SYNC_REQUIRED, fresh.key, {"seq": fresh.head})
        self._hub.to_channel(event)
        self._on_reset(event, before)
        _acknowledge(dropped)

    async def _close_idle(self) -> None:
        deadline = time.monotonic() - self._config.idle_feed_s
        for key, entry in list(self._open.items()):
            if self._hub.has_members(key):
                entry.idle_since = time.monotonic()
            elif entry.pins == 0 and entry.idle_since < deadline:
                del self._open[key]
                with contextlib.suppress(BusError):
                    await self._bus.unsubscribe(channel_group(key), self._mailbox)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _acknowledge(deliveries: Sequence[Delivery]) -> None:
    """Answer those who posted, where nobody is sent the events themselves."""
    for delivery in deliveries:
        if delivery.acknowledge is not None:
            delivery.acknowledge()
