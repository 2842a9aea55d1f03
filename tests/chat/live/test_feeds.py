"""The feeds of one process over a real store and bus: opening, holes, heads that ran away, and closing again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connections

from accounts import naming
from accounts.models import User
from chat.delivery.feed import Delivery
from chat.delivery.pages import STRETCH
from chat.domain.events import Event, EventType, MessageData
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.sessions import LeftReason
from chat.live.feeds import upkeep
from chat.live.feeds.memory import Memory
from chat.live.feeds.open_feeds import BEAT_DELIVERIES
from chat.live.feeds.upkeep import REPAIR_MESSAGES
from chat.membership.protocol import SessionEntered, SessionExited
from chat.models import Channel, Message
from reaktor.errors import CloseCode, NotFoundError, UnavailableError
from tests.support.databases import channel_of, user_ref
from tests.support.delivery import FakeFormat, FakeSession, newest_of
from tests.support.faulty_layer import FaultyLayer
from tests.support.feeds import QUICK, Process, stored
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    found = Process()
    task = asyncio.create_task(found.upkeep.run())
    yield found
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await asyncio.to_thread(found.database.close)


async def test_a_feed_opens_once_for_all_who_ask_and_begins_at_the_head(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    await stored(ann, tea, 30)

    async def pin() -> object:
        async with process.feeds.pinned(tea):
            return process.feeds.get(tea)

    opened = await asyncio.gather(*(pin() for _ in range(10)))
    assert len(set(map(id, opened))) == 1
    feed = process.feeds.get(tea)
    assert feed is not None
    assert feed.head == 30
    assert [message["number"] for message in newest_of(feed.recent, 25)] == list(range(6, 31))


async def test_after_a_hundred_events_others_are_to_know_of_it(process: Process, ann: UserRef, tea: ChannelKey) -> None:
    """All that came since the last beat came twice after a crash, however much it was."""
    events = await stored(ann, tea, BEAT_DELIVERIES)
    async with process.feeds.pinned(tea):
        feed = process.feeds.get(tea)
        assert feed is not None
        feed.reset(0, feed.recent)
        process.hub.enter(process.watcher, tea)
        process.feeds.offer(tea, [Delivery(event) for event in events[:-1]])
        assert not process.feeds.beat_due.is_set()
        process.feeds.offer(tea, [Delivery(events[-1])])
        assert process.feeds.beat_due.is_set()
        assert process.feeds.moved() == {tea: BEAT_DELIVERIES}
        assert process.feeds.moved() == {}


async def test_a_hole_is_repaired_from_the_store_before_anything_newer_is_shown(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        events = await stored(ann, tea, 4)
        process.feeds.offer(tea, [Delivery(events[0]), Delivery(events[3])])
        await asyncio.sleep(0)
        assert process.seen == [("message.new", 1)]
        await until(lambda: len(process.seen) == 4)
        assert process.seen == [("message.new", seq) for seq in (1, 2, 3, 4)]
        assert process.upkeep.repairs_total == 1


async def test_what_was_committed_and_never_published_is_found_by_comparing_heads(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        await stored(ann, tea, 3)
        await until(lambda: len(process.seen) == 3)
        assert process.feeds.heads() == {tea: 3}


class Wordless(FakeFormat):
    """The format of clients that live by events alone: it has no word for a reset."""

    def encode(self, event: Event) -> bytes | None:
        return None if event.type is EventType.SYNC_REQUIRED else super().encode(event)


async def test_who_has_no_word_for_a_reset_is_sent_all_that_was_missed_in_pages_then_what_comes(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    wordless = FakeSession("wordless", Wordless())
    process.hub.attach(wordless)

    def seen() -> list[int]:
        return [frame["seq"] for frame in wordless.frames if frame["event"] == EventType.MESSAGE_NEW]

    async with process.feeds.pinned(tea):
        for session in (process.watcher, wordless):
            process.hub.enter(session, tea)
        process.feeds.offer(tea, [Delivery(event) for event in await stored(ann, tea, 3)])
        missed = REPAIR_MESSAGES + QUICK.sync_messages // 2
        await stored(ann, tea, missed)
        await until(lambda: len(seen()) == 3 + missed)
        process.feeds.offer(tea, [Delivery(event) for event in await stored(ann, tea, 1)])
        await until(lambda: len(seen()) == 4 + missed)
        assert seen() == list(range(1, 5 + missed))
        assert max(map(len, wordless.writes)) <= STRETCH
        # Who is told to sync does that by itself.
        assert [name for name, _ in process.seen] == ["message.new"] * 3 + [EventType.SYNC_REQUIRED, "message.new"]


async def test_who_is_taken_out_while_it_catches_up_is_sent_no_more(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    await stored(ann, tea, 3 * QUICK.recent_messages)
    process.watcher.unsent = 1  # It reads nothing, so the second page is not sent.
    session_id = process.watcher.info.session_id
    process.local_members.carry_out([SessionEntered(session_id, tea, 0)])
    await until(lambda: process.seen)
    process.local_members.carry_out([SessionExited(session_id, tea, LeftReason.LEFT, "")])
    process.watcher.unsent = 0
    await process.local_members.entered(process.watcher, tea, 5)
    assert (len(process.seen), tea in process.watcher.channels) == (STRETCH, False)


async def test_who_was_put_back_by_a_backup_is_told_to_sync(process: Process, ann: UserRef, tea: ChannelKey) -> None:
    await stored(ann, tea, 5)
    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)

        def rewind() -> None:
            Channel.objects.filter(key=tea).update(seq=2, number=2)
            connections.close_all()

        await asyncio.to_thread(rewind)
        await until(lambda: process.seen)
        assert process.watcher.frames[0]["event"] == EventType.SYNC_REQUIRED
        assert process.watcher.frames[0]["data"] == {"seq": 2}
        feed = process.feeds.get(tea)
        assert feed is not None
        assert feed.head == 2


async def test_a_feed_that_nobody_needs_is_closed_and_opened_again_at_the_new_head(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    async with process.feeds.pinned(tea):
        await asyncio.sleep(0.4)
        assert process.feeds.get(tea) is not None, "a pinned one stays"
    await until(lambda: process.feeds.get(tea) is None)
    acknowledged: list[int] = []
    (event,) = await stored(ann, tea, 1)
    process.feeds.offer(tea, [Delivery(event, None, lambda: acknowledged.append(1))])
    assert acknowledged == [1], "nobody is here, and the author is answered all the same"
    async with process.feeds.pinned(tea):
        feed = process.feeds.get(tea)
        assert feed is not None
        assert feed.head == 1


async def test_a_channel_that_is_not_there_has_no_feed_and_can_come_later(process: Process, ann: UserRef) -> None:
    with pytest.raises(NotFoundError):
        async with process.feeds.pinned(ChannelKey("later")):
            pass

    def make() -> None:
        channel_of(ann, "later")
        connections.close_all()

    await asyncio.to_thread(make)
    async with process.feeds.pinned(ChannelKey("later")):
        assert process.feeds.get(ChannelKey("later")) is not None


async def test_without_the_bus_no_feed_opens_and_who_posted_meanwhile_is_answered(
    ann: UserRef, tea: ChannelKey
) -> None:
    class Slow(FaultyLayer):
        async def group_add(self, group: str, channel: str) -> None:
            is_asked.set()
            await may_answer.wait()
            await super().group_add(group, channel)

    is_asked, may_answer = asyncio.Event(), asyncio.Event()
    layer = Slow(1)
    layer.is_cut = True
    process = Process(layer)
    opening = asyncio.create_task(pinned_once(process, tea))
    await is_asked.wait()
    (event,) = await stored(ann, tea, 1)
    acknowledged: list[int] = []
    process.feeds.offer(tea, [Delivery(event, None, lambda: acknowledged.append(1))])
    assert acknowledged == []
    may_answer.set()
    with pytest.raises(UnavailableError):
        await opening
    assert acknowledged == [1]
    layer.mend()
    await pinned_once(process, tea)
    assert process.feeds.get(tea) is not None
    await asyncio.to_thread(process.database.close)


async def pinned_once(process: Process, key: ChannelKey) -> None:
    async with process.feeds.pinned(key):
        pass


async def test_a_hole_stays_until_the_database_is_back(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    real = process.database.read
    is_away = True

    async def read(function: Any, *arguments: Any, **named: Any) -> Any:
        if is_away:
            raise UnavailableError("The database is away.")
        return await real(function, *arguments, **named)

    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        events = await stored(ann, tea, 2)
        monkeypatch.setattr(process.database, "read", read)
        process.feeds.offer(tea, [Delivery(events[1])])
        await until(lambda: "holes can't be filled" in caplog.text)
        assert process.seen == []
        is_away = False
        await until(lambda: len(process.seen) == 2)


async def test_a_hole_of_a_channel_that_is_gone_is_no_hole_any_more(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    """It was looked for in the store again and again, for ever."""

    def delete() -> None:
        Channel.objects.filter(key=tea).delete()
        connections.close_all()

    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        events = await stored(ann, tea, 2)
        await asyncio.to_thread(delete)
        acknowledged: list[int] = []
        process.feeds.offer(tea, [Delivery(events[1], None, lambda: acknowledged.append(1))])
        await until(lambda: acknowledged)
        assert not process.feeds.entries()[0].feed.has_hole
        assert process.seen == []


async def test_who_is_put_into_a_channel_that_cannot_be_opened_comes_back_to_sync(process: Process) -> None:
    nowhere = ChannelKey("nowhere")
    process.local_members.carry_out([SessionEntered(process.watcher.info.session_id, nowhere, None)])
    await until(lambda: process.watcher.closed)
    assert process.watcher.closed[0].code is CloseCode.RESYNC_NEEDED


async def test_an_answer_waits_for_its_place_and_not_for_ever(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.live.feeds.open_feeds.REACH_S", 0.2)
    called: list[str] = []
    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        events = await stored(ann, tea, 2)
        process.feeds.when_reached(tea, 2, lambda: called.append(f"after {len(process.watcher.outbox)}"))
        process.feeds.when_reached(tea, 0, lambda: called.append("at once"))
        process.feeds.when_reached(tea, 99, lambda: called.append("gave up"))
        process.feeds.when_reached(ChannelKey("closed"), 5, lambda: called.append("nobody here"))
        assert called == ["at once", "nobody here"]
        process.feeds.offer(tea, [Delivery(event) for event in events])
        await until(lambda: len(called) == 4)
        assert called[2].startswith("after")
        assert called[3] == "gave up"


def trimmed_to(key: ChannelKey, last: int) -> None:
    """Retention, in a process that could not tell anybody."""
    try:
        Message.objects.filter(channel__key=key, number__lte=last).delete()
        Channel.objects.filter(key=key).update(floor_seq=last)
    finally:
        connections.close_all()


async def test_what_retention_deleted_is_forgotten_and_a_cursor_from_before_is_reset(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    await stored(ann, tea, 6)
    async with process.feeds.pinned(tea):
        feed = process.feeds.get(tea)
        assert feed is not None
        assert (await process.feeds.answer_since(tea, 1)).ready is not None
        await asyncio.to_thread(trimmed_to, tea, 4)
        await process.upkeep.trim(tea)
        assert [message["number"] for message in newest_of(feed.recent, 25)] == [5, 6]
        assert (await process.feeds.answer_since(tea, 1)).data == {"reset": True, "seq": 6}
        after = await process.feeds.answer_since(tea, 4)
        assert after.ready is not None
        assert [message["number"] for message in after.ready.messages] == [5, 6]


async def test_retention_that_nobody_told_of_is_noticed_by_comparing_heads(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    await stored(ann, tea, 6)
    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        feed = process.feeds.get(tea)
        assert feed is not None
        await asyncio.to_thread(trimmed_to, tea, 6)
        await until(lambda: newest_of(feed.recent, 25) == [])
        process.feeds.offer(tea, [Delivery(event) for event in await stored(ann, tea, 1)])
        await asyncio.sleep(0)
        assert process.seen == [("message.new", 7)], "those who are there go on as if nothing had been"


async def test_while_the_store_is_away_many_holes_are_told_once_and_then_filled_side_by_side(
    process: Process, ann: UserRef, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each feed with a hole logged 20 lines a second while the database was away, and they were filled one by one."""
    keys = [await asyncio.to_thread(channel_made, f"room-{number}") for number in range(6)]
    read = process.database.read
    asked = at_once = most = 0

    async def away(*args: object, **fields: object) -> object:
        nonlocal asked
        asked += 1
        raise UnavailableError("The database is away.")

    async def counted(*args: object, **fields: object) -> object:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        try:
            return await read(*args, **fields)  # type: ignore[arg-type]  # whatever is read
        finally:
            at_once -= 1

    async with process.feeds.pinned(*keys):
        monkeypatch.setattr(process.database, "read", away)
        for key in keys:
            process.hub.enter(process.watcher, key)
            _, second = await stored(ann, key, 2)
            process.feeds.offer(key, [Delivery(second)])
        before = asked
        await until(lambda: asked > before + 8)  # heads are asked for ten times a second
        assert len([line for line in caplog.messages if "holes can't be filled" in line]) == 1
        monkeypatch.setattr(process.database, "read", counted)
        await until(lambda: len(process.seen) == 2 * len(keys))
        assert most > 1


def channel_made(key: str) -> ChannelKey:
    try:
        return channel_of(None, key)
    finally:
        connections.close_all()


async def test_what_is_in_memory_says_the_new_name_as_soon_as_the_rename_is_heard_of(process: Process) -> None:
    """Joins and syncs answered with the old name for hours, and whoever took it was shown as the author."""
    ann = await asyncio.to_thread(user_ref, "ann")
    key = await asyncio.to_thread(channel_of, ann, "tea")
    await stored(ann, key, 2)
    async with process.feeds.pinned(key):
        assert {each["author"] for each in _newest(process, key)} == {"ann"}
        process.feeds.rename("ann", "Annabel")
        assert {each["author"] for each in _newest(process, key)} == {"Annabel"}
        answer = await process.feeds.answer_since(key, 0)
        assert answer.ready is not None
        assert {each["author"] for each in answer.ready.messages} == {"Annabel"}
        # A post that was on its way when its author changed names.
        events = await stored(ann, key, 1)
        process.feeds.offer(key, [Delivery(event) for event in events])
        assert {each["author"] for each in _newest(process, key)} == {"Annabel"}


async def test_a_rename_that_nobody_heard_of_is_found_in_the_store(process: Process) -> None:
    """The bus was away for the second of the rename; the worker told the old name until its restart."""
    ann = await asyncio.to_thread(user_ref, "ann")
    key = await asyncio.to_thread(channel_of, ann, "tea")
    await stored(ann, key, 1)
    async with process.feeds.pinned(key):

        def rename() -> None:
            try:
                naming.name_change(User.objects.get(pk=ann.id), "Annabel")
            finally:
                connections.close_all()

        await asyncio.to_thread(rename)
        await until(lambda: {each["author"] for each in _newest(process, key)} == {"Annabel"})


async def test_a_process_without_feeds_does_not_ask_for_renames(
    process: Process, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with nothing to do asked every two seconds, with a turn of a thread for it."""
    asked: list[datetime] = []
    monkeypatch.setattr(upkeep, "names_changed", lambda since: asked.append(since) or [])
    looks: list[int] = []
    monkeypatch.setattr(process.feeds, "sweep_made", lambda: looks.append(1))
    await until(lambda: len(looks) > 2)
    assert asked == []
    async with process.feeds.pinned(tea):
        await until(lambda: asked)
    assert datetime.now(UTC) - asked[0] > upkeep.NAMES_OVERLAP


def _newest(process: Process, key: ChannelKey) -> list[MessageData]:
    feed = process.feeds.get(key)
    assert feed is not None
    return newest_of(feed.recent, 10)


async def test_a_feed_that_came_further_while_it_was_to_start_anew_does_not_go_back(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two repairs met: the slower one put the head back, and Socket.IO clients got messages a second time."""
    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        events = await stored(ann, tea, 3)
        entry = process.feeds.entry(tea)
        assert entry is not None
        real = process.feeds.load

        async def load(key: ChannelKey) -> Any:
            found = await real(key)
            later = [Delivery(event) for event in [*events, *await stored(ann, tea, 2)]]
            process.feeds.offer(tea, later)
            return found

        monkeypatch.setattr(process.feeds, "load", load)
        await process.upkeep._reset(entry)
        await asyncio.sleep(0)
        assert process.seen == [("message.new", seq) for seq in (1, 2, 3, 4, 5)]
        assert entry.feed.head == 5


async def test_what_memory_gave_is_read_again_before_it_is_shown(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    """A join, a resume and who is caught up get what they get from a whole memory."""
    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        process.feeds.offer(tea, [Delivery(event) for event in await stored(ann, tea, 40)])
        feed = process.feeds.get(tea)
        assert feed is not None
        whole = (newest_of(feed.recent, 25), feed.recent.since(10))
        feed.recent.cut(keep_newest=False)
        assert (feed.recent.newest(25), feed.recent.since(10)) == (None, None)
        after = await process.feeds.answer_since(tea, 10)
        assert after.ready is not None
        await process.feeds.newest_ready(tea)
        assert (newest_of(feed.recent, 25), after.ready.messages) == whole
        feed.recent.cut(keep_newest=False)
        process.hub.exit(process.watcher, tea)
        process.local_members.carry_out([SessionEntered(process.watcher.info.session_id, tea, 0)])
        await until(lambda: len(process.seen) == 80)


async def test_what_comes_while_the_newest_are_read_again_is_among_them_and_comes_once(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    async with process.feeds.pinned(tea):
        process.hub.enter(process.watcher, tea)
        process.feeds.offer(tea, [Delivery(event) for event in await stored(ann, tea, 3)])
        feed = process.feeds.get(tea)
        assert feed is not None
        feed.recent.cut(keep_newest=False)
        later = await stored(ann, tea, 2)
        filling = asyncio.create_task(process.feeds.newest_ready(tea))
        await asyncio.sleep(0)
        process.feeds.offer(tea, [Delivery(event) for event in later])
        await filling
        assert [message["number"] for message in newest_of(feed.recent, 25)] == [1, 2, 3, 4, 5]
        await asyncio.sleep(0)
        assert process.seen == [("message.new", seq) for seq in range(1, 6)]


async def test_feeds_of_many_channels_remember_so_much_together(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    """Each feed kept 200 messages, however many feeds there were."""
    process.feeds.memory = Memory(20_000)
    keys = [tea, *await asyncio.to_thread(channels_of, ann, 5)]
    async with process.feeds.pinned(*keys):
        for key in keys:
            process.feeds.offer(key, [Delivery(event) for event in await stored(ann, key, 15)])
    async with process.feeds.pinned(tea):
        assert process.feeds.memory.size <= 20_000
        await process.feeds.newest_ready(tea)
        feed = process.feeds.get(tea)
        assert feed is not None
        assert [message["number"] for message in newest_of(feed.recent, 25)] == list(range(1, 16))
    await until(lambda: process.feeds.memory.size == 0)


def channels_of(owner: UserRef, count: int) -> list[ChannelKey]:
    try:
        return [channel_of(owner, f"many{number}") for number in range(count)]
    finally:
        connections.close_all()
