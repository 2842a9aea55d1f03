"""The open feeds of this process: one bus subscription per active channel; what is asked of them, what they deliver.

pinned() subscribes first and reads second, so nothing falls between. Events come in by offer(), from the own writer and
the bus, and go to the hub in order; answers to resume, join and sync come from the feed's memory or the store.
upkeep.py repairs and closes them, through the last methods of this class.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from chat import selectors
from chat.delivery.answers import AtHead, Changes, HistoryPage
from chat.delivery.feed import Delivery, Feed, rewritten
from chat.delivery.hub import Hub
from chat.delivery.pages import STRETCH, Page, Pages, cut, page_at
from chat.delivery.recent import Recent
from chat.delivery.renames import Renames
from chat.domain.events import EventType, MessageData
from chat.domain.ids import ChannelKey
from chat.live.feeds.memory import Memory, OpenFeed
from chat.membership.wire import channel_group
from reaktor.config.model import Delivery as DeliveryConfig
from reaktor.db.database import Database
from reaktor.errors import UnavailableError
from reaktor.process.bus import Bus, BusError

logger = logging.getLogger(__name__)
T = TypeVar("T")

BEAT_DELIVERIES = 100
"""So many events after the last time, `beat_due` is set: what a crash makes come twice is no more than that."""
FILL_TRIES = 3
REACH_S = 2.0
"""How long an answer waits for the events below it; a hole is repaired in far less."""


class Feeds:
    """pinned(), get(), offer().

    `holes` is set when a feed waits for what comes before an event that it holds; `beat_due`, when so much was
    delivered that others should know of it: what moved() tells.
    """

    def __init__(self, bus: Bus, mailbox: str, database: Database, hub: Hub, config: DeliveryConfig) -> None:
        self._bus = bus
        self._mailbox = mailbox
        self._database = database
        self._hub = hub
        self._config = config
        self._open: dict[ChannelKey, OpenFeed] = {}
        self._opening: dict[ChannelKey, asyncio.Task[OpenFeed]] = {}
        self._early: dict[ChannelKey, list[Delivery]] = {}
        self._renames = Renames()
        self._asking: dict[tuple[ChannelKey, Hashable], asyncio.Task[Any]] = {}
        self.memory = Memory(config.recent_total_bytes)
        self.pages = Pages()
        self.at_head = AtHead()
        self.holes = asyncio.Event()
        self.beat_due = asyncio.Event()
        self._moved: set[ChannelKey] = set()
        self._unsaid = 0

    def get(self, key: ChannelKey) -> Feed | None:
        """The feed of an active channel, or None."""
        found = self._open.get(key)
        return found.feed if found else None

    def heads_of(self, keys: Iterable[ChannelKey]) -> dict[ChannelKey, int]:
        """The last delivered seq of those of these channels that are active."""
        return {key: entry.feed.head for key in keys if (entry := self._open.get(key)) is not None}

    def heads_before(self, keys: Iterable[ChannelKey], since: float) -> dict[ChannelKey, int]:
        """heads_of() these channels as they were then (monotonic seconds), or a little earlier."""
        found = {}
        for key in keys:
            if (entry := self._open.get(key)) is not None:
                before = entry.trail.before(since)
                found[key] = entry.feed.head if before is None else before
        return found

    def heads(self) -> dict[ChannelKey, int]:
        """The last delivered seq of each channel with local members. Walks all open feeds: for the beat, no oftener."""
        return {key: entry.feed.head for key, entry in self._open.items() if self._hub.has_members(key)}

    def moved(self) -> dict[ChannelKey, int]:
        """heads() of the channels where something was delivered since this was asked last."""
        moved, self._moved = self._moved, set()
        return {key: head for key, head in self.heads_of(moved).items() if self._hub.has_members(key)}

    @contextlib.asynccontextmanager
    async def pinned(self, *keys: ChannelKey) -> AsyncIterator[None]:
        """The feeds of these channels are open inside. Raises NotFoundError, UnavailableError."""
        pinned: list[OpenFeed] = []
        try:
            for key in keys:
                entry = self._open.get(key) or await self._opened(key)
                entry.pins += 1
                pinned.append(entry)
                self.memory.used(entry)
            yield
        finally:
            now = time.monotonic()
            for entry in pinned:
                entry.pins -= 1
                entry.idle_since = now

    async def _opened(self, key: ChannelKey) -> OpenFeed:
        """One task per channel opens it, whoever asks meanwhile waits for the same one."""
        task = self._opening.get(key)
        if task is None:
            task = asyncio.create_task(self._start(key), name=f"open feed {key}")
            self._opening[key] = task
            task.add_done_callback(lambda _: self._opening.pop(key, None))
        return await asyncio.shield(task)

    async def _start(self, key: ChannelKey) -> OpenFeed:
        early = self._early[key] = []
        try:
            await self._bus.subscribe(channel_group(key), self._mailbox)
            feed, floor_seq = await self.load(key)
            entry = OpenFeed(feed, floor_seq, idle_since=time.monotonic())
        except BaseException as error:
            acknowledge(early)
            if isinstance(error, BusError):
                raise UnavailableError("The bus is away.") from error
            raise
        finally:
            del self._early[key]
        self._open[key] = entry
        self.deliver(entry, entry.feed.offer(early, time.monotonic()))
        return entry

    async def load(self, key: ChannelKey) -> tuple[Feed, int]:
        """A new feed at the stored head with the newest messages, and how far retention has come."""
        config = self._config
        found = await self._database.read(
            selectors.newest_messages, key, changes=config.opened_messages, numbers=config.join_messages
        )
        recent = Recent(
            changed=self._with_names_of_now(found.changed),
            newest=self._with_names_of_now(found.newest),
            floor=found.floor,
            head_number=found.channel.number,
            changes=config.recent_messages,
            numbers=config.join_messages,
            max_bytes=config.recent_bytes,
        )
        return Feed(key, found.channel.id, found.channel.seq, recent), found.channel.floor_seq

    async def newest_ready(self, key: ChannelKey) -> None:
        """See to it that a pinned feed can show its newest messages, until it is pinned no longer.

        Raises NotFoundError, and UnavailableError where it can't be brought together with what comes live.
        """
        entry = self._open[key]
        for _ in range(FILL_TRIES):
            if entry.feed.recent.newest(self._config.join_messages) is not None:
                return
            fresh, floor_seq = await self._once(key, "newest", partial(self.load, key))
            # What was read and has not come yet would be shown twice.
            await self.reached(key, fresh.head)
            self._fill(entry, fresh.recent, fresh.head, floor_seq)
        raise UnavailableError("The channel can't be read.")

    def _fill(self, entry: OpenFeed, read: Recent, head: int, floor_seq: int) -> None:
        """Remember what was read as of `head`, with all that was delivered since; nothing where that is not known."""
        later = entry.feed.recent.since(head)
        if entry.feed.head < head or later is None or entry.floor_seq > floor_seq:
            return
        for message in later:
            read.add(message)
        if self._renames:
            read.rewrite(self._renames.renamed)
        entry.feed.recent = read
        self.memory.used(entry)

    def page_ready(self, key: ChannelKey, after: int) -> Page | None:
        """The page of an open feed that goes on from the cursor (at the head an empty one); None: it must be read."""
        entry = self._open[key]
        head, recent = entry.feed.head, entry.feed.recent
        if after >= head:
            return Page(after, after, ())
        first = after - after % STRETCH
        if first + STRETCH > head:
            return self._newest_page(entry, after)
        now = time.monotonic()
        pages = self.pages.get(key, first, now)
        if pages is None and (messages := recent.since(first)) is not None:
            pages = cut(first, first + STRETCH, [each for each in messages if each["changed_seq"] <= first + STRETCH])
            self.pages.put(key, first, pages, self.pages.version(key), now)
        return None if pages is None else page_at(pages, after)

    def _newest_page(self, entry: OpenFeed, after: int) -> Page | None:
        """The same behind the last whole stretch, from memory; made again when the head has moved."""
        key, head, now = entry.feed.key, entry.feed.head, time.monotonic()
        newest: list[Page] | None = self.at_head.get(key, "newest", head, now)
        if newest is None:
            first = max(head - head % STRETCH, entry.feed.recent.floor)
            newest = cut(first, head, entry.feed.recent.since(first) or ())
            self.at_head.put(key, "newest", head, newest, 2 * sum(page.size for page in newest), now)
        return page_at(newest, after) if after >= newest[0].after else None

    async def page_after(self, key: ChannelKey, after: int) -> Page:
        """The same of a pinned feed, read from the store if need be; once for all who wait for it."""
        while True:
            feed = self._open[key].feed
            # Of more than this the last ones.
            after = max(after, feed.head - self._config.catch_up_messages)
            if (page := self.page_ready(key, after)) is not None:
                return page
            first = after - after % STRETCH
            pages = await self._once(key, ("stretch", first), partial(self._read_stretch, key, first))
            # What is read of the last stretch, where memory does not reach back to its beginning, ends below the head.
            if pages[-1].until > after:
                return page_at(pages, after)

    async def _read_stretch(self, key: ChannelKey, first: int) -> list[Page]:
        feed, version = self._open[key].feed, self.pages.version(key)
        until = min(first + STRETCH, feed.head)
        stored = await self._database.read(selectors.changes_between, feed.channel_id, after=first, until=until)
        pages = cut(first, until, self._with_names_of_now(stored))
        if until == first + STRETCH:
            self.pages.put(key, first, pages, version, time.monotonic())
        return pages

    async def answer_since(self, key: ChannelKey, after: int) -> Changes:
        """What a pinned feed delivered after the cursor, as an answer to resume, join and sync: changes, or a reset."""
        feed = self._open[key].feed
        found: Changes | None = self.at_head.get(key, after, feed.head, time.monotonic())
        if found is not None:
            return found
        version = self.pages.version(key)
        messages = feed.recent.since(after) if after <= feed.head else None
        if messages is None:
            found = await self._once(key, after, partial(self._stored_since, key, after))
        else:
            found = Changes(feed.head, None if len(messages) > self._config.sync_messages else messages)
        if (found.seq, self.pages.version(key)) == (feed.head, version):
            size = found.ready.size if found.ready is not None else 0
            self.at_head.put(key, after, found.seq, found, size, time.monotonic())
        return found

    async def _stored_since(self, key: ChannelKey, after: int) -> Changes:
        feed = self._open[key].feed
        limit = self._config.sync_messages
        stored = await self._database.read(selectors.channel_changes, key, after=after, limit=limit)
        later = feed.recent.since(stored["seq"]) if stored["seq"] < feed.head else []
        if "reset" in stored or later is None:
            return Changes(feed.head)
        # The store may be ahead of what was delivered here; what is above the head comes live.
        merged = {each["id"]: each for each in [*stored["messages"], *later] if each["changed_seq"] <= feed.head}
        messages = sorted(merged.values(), key=lambda each: each["changed_seq"])
        return Changes(feed.head, None if len(messages) > limit else messages)

    async def history_page(self, key: ChannelKey, marks: Mapping[str, Any], max_bytes: int) -> HistoryPage:
        """A page of the history of a channel whose feed is open, by number; read once for all who ask for the same.

        Every change that the members are told of makes it anew.
        """
        what = ("history", *sorted(marks.items()))
        head, channel_id = self._open[key].feed.head, self._open[key].feed.channel_id
        found: HistoryPage | None = self.at_head.get(key, what, head, time.monotonic())
        version = self.pages.version(key)
        if found is None:
            found = await self._once(key, (what, head), partial(self._stored_page, channel_id, marks, max_bytes))
            entry = self._open.get(key)
            if entry is not None and (entry.feed.head, self.pages.version(key)) == (head, version):
                self.at_head.put(key, what, head, found, found.ready.size, time.monotonic())
        return found

    async def _stored_page(self, channel_id: int, marks: Mapping[str, Any], max_bytes: int) -> HistoryPage:
        page = await self._database.read(selectors.messages_page, channel_id, **marks)
        messages = self._with_names_of_now(page.messages)
        return HistoryPage(messages, has_more=page.has_more, max_bytes=max_bytes, keep_oldest="after" in marks)

    def _with_names_of_now(self, messages: list[MessageData]) -> list[MessageData]:
        return [self._renames.renamed(each) for each in messages] if self._renames else messages

    async def _once(self, key: ChannelKey, what: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What the work returns; whoever asks for the same meanwhile waits for the same task."""
        task: asyncio.Task[T] | None = self._asking.get((key, what))
        if task is None:
            task = self._asking[key, what] = asyncio.create_task(work(), name=f"read {key}, {what}")
            task.add_done_callback(lambda _: self._asking.pop((key, what), None))
        return await asyncio.shield(task)

    def offer(self, key: ChannelKey, deliveries: Sequence[Delivery]) -> None:
        """Durable events of one channel, from the own writer or the bus; delivered in order.

        Where no feed is open nobody here is in the channel: they are acknowledged and dropped.
        """
        if self._renames:
            deliveries = [rewritten(each, self._renames.renamed) for each in deliveries]
        entry = self._open.get(key)
        if entry is None:
            if key in self._early:
                self._early[key] += deliveries
                return
            acknowledge(deliveries)
            return
        self.deliver(entry, entry.feed.offer(deliveries, time.monotonic()))
        if entry.feed.has_hole:
            self.holes.set()

    def rename(self, old: str, new: str) -> None:
        """A user has another name: what is remembered, and what still comes with the old one, gets it. Repeatable."""
        if self._renames.note(old, new, time.monotonic()):
            self.pages.clear()
            self.at_head.clear()
            self._hub.hidings.rename(old, new)
            for entry in self._open.values():
                entry.feed.rewrite(self._renames.renamed, old)

    def deliver(self, entry: OpenFeed, ready: Sequence[Delivery]) -> None:
        """To the members here what the feed has made ready, and to those who wait for a seq that it has come."""
        hidden = self._hub.hidings.in_channel(entry.feed.key)
        if hidden is None:
            self._hub.deliver(ready)
        else:
            self._hub.deliver_apart(ready, hidden)
        if ready:
            entry.trail.note(ready[0].seq - 1, time.monotonic())
            self.memory.used(entry)
            self._moved.add(entry.feed.key)
            self._unsaid += len(ready)
            if self._unsaid >= BEAT_DELIVERIES:
                self._unsaid = 0
                self.beat_due.set()
        for delivery in ready:
            if delivery.event.type is not EventType.MESSAGE_NEW:
                self.pages.changed(entry.feed.key, delivery.event.data["id"])
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

    # -- For upkeep.py ----------------------------------------------------------------------------------------

    def entry(self, key: ChannelKey) -> OpenFeed | None:
        """The feed of an active channel with who needs it, for its upkeep."""
        return self._open.get(key)

    def entries(self) -> list[OpenFeed]:
        return list(self._open.values())

    def forget_made(self, key: ChannelKey) -> None:
        """What was made ready of a channel may no longer be true, or nobody needs it."""
        self.pages.forget(key)
        self.at_head.forget(key)

    def sweep_made(self) -> None:
        """Let go of what nobody asked for in a while."""
        now = time.monotonic()
        self.pages.sweep(now)
        self.at_head.sweep(now)

    async def close(self, key: ChannelKey) -> None:
        """Nobody needs it any more."""
        del self._open[key]
        self.forget_made(key)
        self.memory.forget(key)
        with contextlib.suppress(BusError):
            await self._bus.unsubscribe(channel_group(key), self._mailbox)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def acknowledge(deliveries: Sequence[Delivery]) -> None:
    """Answer those who posted, where nobody is sent the events themselves."""
    for delivery in deliveries:
        if delivery.acknowledge is not None:
            delivery.acknowledge()
