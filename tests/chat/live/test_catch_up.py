"""Catching up in a storm, over a real store: shared pages, a bound on how many at a time, nobody begun anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.db import connections

from chat import services
from chat.delivery.feed import Delivery
from chat.delivery.pages import STRETCH
from chat.domain.events import EventType, event_from_message
from chat.domain.ids import ChannelKey, UserRef
from chat.live import catch_up
from chat.membership.protocol import SessionEntered
from reaktor.errors import CloseCode
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.feeds import Process, stored
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)
MISSED = 5 * STRETCH + 20


@pytest.fixture
async def process() -> AsyncIterator[Process]:
    found = Process()
    yield found
    await asyncio.to_thread(found.database.close)


def storm(process: Process, key: ChannelKey, count: int, *, unsent: int = 0, after: int = 0) -> list[FakeSession]:
    """So many sessions are put into the channel in one turn, having seen nothing since `after`."""
    wire_format = FakeFormat()
    sessions = [FakeSession(f"s{number}", wire_format) for number in range(count)]
    for session in sessions:
        session.unsent = unsent
        process.hub.attach(session)
    process.local_members.carry_out([SessionEntered(each.info.session_id, key, after) for each in sessions])
    return sessions


def questions(process: Process, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the selectors that the store is asked from now on."""
    asked: list[str] = []
    real = process.database.read

    async def read(function: Any, *arguments: Any, **named: Any) -> Any:
        asked.append(function.__name__)
        return await real(function, *arguments, **named)

    monkeypatch.setattr(process.database, "read", read)
    return asked


class OnePage(FakeSession):
    """Takes what it was sent when `unsent` is set back to 0."""

    def write(self, batch: bytes) -> None:
        super().write(batch)
        self.unsent = 1


async def deleted(author: UserRef, key: ChannelKey, message_id: str) -> Any:
    """The author's message, deleted in the store alone."""

    def delete() -> Any:
        try:
            return services.message_delete(user=author, key=key, message_id=message_id)
        finally:
            connections.close_all()

    return await asyncio.to_thread(delete)


def seqs(session: FakeSession) -> list[int]:
    return [frame["seq"] for frame in session.frames]


async def test_a_storm_asks_the_store_once_for_each_stretch_and_encodes_each_message_once(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand who came back together each read and encoded the same 500 messages alone: 52 s of processor."""
    await stored(ann, tea, MISSED)
    asked = questions(process, monkeypatch)
    sessions = storm(process, tea, 40)
    await until(lambda: all(len(session.frames) == MISSED for session in sessions))
    for session in sessions:
        assert seqs(session) == list(range(1, MISSED + 1))
    assert sessions[0].format.encoded == MISSED
    # Memory holds the end of the channel's stream.
    assert asked.count("changes_between") <= MISSED // STRETCH
    assert len(asked) <= MISSED // STRETCH + 1


async def test_so_many_are_caught_up_at_a_time_and_each_takes_a_page_before_the_next(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All were sent all they had missed at once: the worker grew from 115 to 503 MiB."""
    monkeypatch.setattr(catch_up, "QUICK_S", 60.0)
    await stored(ann, tea, MISSED)
    sessions = storm(process, tea, catch_up.PLACES + 8, unsent=1)
    await until(lambda: sum(bool(session.writes) for session in sessions) == catch_up.PLACES)
    await asyncio.sleep(0.1)
    assert [len(session.frames) for session in sessions] == [STRETCH] * catch_up.PLACES + [0] * 8
    for session in sessions:
        session.unsent = 0
    await until(lambda: all(len(session.frames) >= MISSED for session in sessions))
    assert all(seqs(session) == list(range(1, MISSED + 1)) for session in sessions)
    assert max(len(write) for session in sessions for write in session.writes) == STRETCH


async def test_who_reads_slowly_gives_up_its_place_and_goes_on_when_it_has_read(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else as many dead lines as there are places would keep everybody out."""
    monkeypatch.setattr(catch_up, "QUICK_S", 0.02)
    await stored(ann, tea, MISSED)
    dead = storm(process, tea, catch_up.PLACES, unsent=1)
    wire_format = FakeFormat()
    quick = FakeSession("quick", wire_format)
    process.hub.attach(quick)
    process.local_members.carry_out([SessionEntered(quick.info.session_id, tea, 0)])
    await until(lambda: tea in quick.channels)
    assert not any(tea in session.channels for session in dead)
    for session in dead:
        session.unsent = 0
    await until(lambda: all(len(session.frames) >= MISSED for session in dead))
    assert all(seqs(session) == list(range(1, MISSED + 1)) for session in dead)


async def test_who_takes_nothing_at_all_is_ended_as_too_slow(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "QUICK_S", 0.02)
    monkeypatch.setattr(catch_up, "PAGE_S", 0.05)
    await stored(ann, tea, MISSED)
    (dead,) = storm(process, tea, 1, unsent=1)
    await until(lambda: dead.closed)
    assert dead.closed[0].code is CloseCode.TOO_SLOW
    assert len(dead.frames) == STRETCH


async def test_a_connection_that_is_cut_meanwhile_has_come_as_far_as_the_pages_that_it_took(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was caught up from the beginning again, and again: 155,000 repeats for 1,000 clients."""
    monkeypatch.setattr(catch_up, "QUICK_S", 60.0)
    await stored(ann, tea, MISSED)
    session = OnePage("one page", FakeFormat())
    process.hub.attach(session)
    process.local_members.carry_out([SessionEntered(session.info.session_id, tea, 0)])
    for page in range(1, MISSED // STRETCH + 1):
        await until(lambda page=page: len(session.writes) == page)
        # The one that is on its way may be lost with the connection.
        assert (session.waiting, session.sent) == ({tea: (page - 1) * STRETCH}, {tea: page * STRETCH})
        session.unsent = 0
    await until(lambda: tea in session.channels)
    assert (session.waiting, session.sent) == ({}, {})


async def test_a_message_that_is_deleted_meanwhile_is_shown_to_nobody_who_comes_later(
    process: Process, ann: UserRef, tea: ChannelKey
) -> None:
    events = await stored(ann, tea, MISSED)
    async with process.feeds.pinned(tea):
        storm(process, tea, 1)
        await until(lambda: len(process.hub.members(tea)) == 1)

        gone = await deleted(ann, tea, events[10].data["id"])
        process.feeds.offer(tea, [Delivery(event_from_message(gone, after=MISSED))])
        later = FakeSession("later", FakeFormat())
        process.hub.attach(later)
        process.local_members.carry_out([SessionEntered(later.info.session_id, tea, 0)])
        await until(lambda: len(later.frames) == MISSED)
        told = [frame for frame in later.frames if frame["data"]["id"] == gone["id"]]
        assert [(frame["event"], frame["data"]["text"]) for frame in told] == [(EventType.MESSAGE_DELETED, None)]


async def test_many_who_resume_from_the_same_place_are_answered_with_the_same_bytes(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of a thousand read 201 messages to be told to read anew, and encoded what it was answered three times."""
    await stored(ann, tea, MISSED)
    async with process.feeds.pinned(tea):
        asked = questions(process, monkeypatch)
        far = await asyncio.gather(*(process.feeds.answer_since(tea, 1) for _ in range(20)))
        near = [await process.feeds.answer_since(tea, MISSED - 50) for _ in range(20)]
        assert (len(set(map(id, far))), len(set(map(id, near))), asked) == (1, 1, ["channel_changes"])
        assert near[0].ready is not None
        assert len(near[0].ready.messages) == 50
        assert far[0].data == {"reset": True, "seq": MISSED}


async def test_a_page_of_the_history_is_read_once_for_all_who_ask_before_something_changes(
    process: Process, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Native clients that paged through what they had missed all asked the store for the same: 40 s of processor."""
    events = await stored(ann, tea, MISSED)
    async with process.feeds.pinned(tea):
        asked = questions(process, monkeypatch)
        marks = {"after": 100, "limit": 100}
        await asyncio.gather(*(process.feeds.history_page(tea, marks, 1 << 20) for _ in range(20)))
        page = await process.feeds.history_page(tea, marks, 1 << 20)
        assert [each["number"] for each in page.ready.messages] == list(range(101, 201))
        assert asked == ["messages_page"]

        gone = await deleted(ann, tea, events[150].data["id"])
        process.feeds.offer(tea, [Delivery(event_from_message(gone, after=MISSED))])
        page = await process.feeds.history_page(tea, marks, 1 << 20)
        assert [each["number"] for each in page.ready.messages if each["text"] is None] == [151]
        process.feeds.rename("ann", "Annabel")
        page = await process.feeds.history_page(tea, marks, 1 << 20)
        assert {each["author"] for each in page.ready.messages} == {"Annabel"}
