"""From which users of a process whose words are hidden; and that each is sent what they may see, in its place."""

from __future__ import annotations

from typing import Any

import pytest

from chat.delivery.answers import Changes, ReadyMessages
from chat.delivery.feed import Delivery
from chat.delivery.hidings import Hidings, readers_apart
from chat.delivery.hub import Hub
from chat.delivery.pages import Page
from chat.domain.events import Event, EventType, MessageData
from chat.domain.hiding import NOBODY
from chat.domain.ids import ChannelKey, SessionId, UserId
from tests.support.delivery import CHANNEL, FakeFormat, FakeSession, message

ANN, BOB = UserId("ann"), UserId("bob")
TEA = ChannelKey("dm-tea")
EVE = frozenset({"eve"})


def said(number: int, author: str) -> MessageData:
    return {**message(number, number), "author": author}


def new(number: int, author: str) -> Event:
    return Event(EventType.MESSAGE_NEW, CHANNEL, said(number, author), number)


def test_only_channels_in_which_something_is_hidden_from_somebody_are_held() -> None:
    hidings = Hidings()
    assert not hidings.knows(ANN)
    hidings.put(ANN, {})
    hidings.put(BOB, {TEA: EVE, CHANNEL: NOBODY})
    assert (hidings.in_channel(TEA), hidings.in_channel(CHANNEL)) == ({BOB: EVE}, None)
    assert (hidings.of(BOB, TEA), hidings.of(ANN, TEA), hidings.of(BOB, CHANNEL)) == (EVE, NOBODY, NOBODY)
    assert hidings.users() == [ANN, BOB]
    assert hidings.put(BOB, {TEA: EVE}), "nothing new"
    assert not hidings.put(BOB, {})
    assert hidings.in_channel(TEA) is None
    hidings.put(BOB, {TEA: EVE})
    hidings.drop(BOB)
    hidings.drop(BOB)
    assert (hidings.in_channel(TEA), hidings.knows(BOB)) == (None, False)


def test_who_is_called_otherwise_stays_hidden() -> None:
    hidings = Hidings()
    hidings.put(ANN, {TEA: EVE})
    hidings.put(BOB, {TEA: frozenset({"kim"})})
    hidings.rename("Eve", "Eva")
    assert hidings.of(ANN, TEA) == {"eve", "eva"}, "what is on its way has the old name"
    assert hidings.of(BOB, TEA) == {"kim"}


def test_readers_are_told_together_who_see_the_same() -> None:
    apart = readers_apart([ANN, UserId("kim"), BOB], {ANN: EVE, BOB: EVE})
    assert apart == {EVE: [ANN, BOB], NOBODY: ["kim"]}


class Room:
    """ann, who blocks eve, bob and eve in one channel; `format` counts what is encoded."""

    def __init__(self) -> None:
        self.hub = Hub(unsent_bytes=1_000_000, on_dirty=lambda: None)
        self.format = FakeFormat()
        self.people = {name: FakeSession(name, self.format) for name in ("ann", "bob", "eve")}
        for session in self.people.values():
            self.hub.attach(session)
            self.hub.enter(session, CHANNEL)

    def heard(self) -> dict[str, list[tuple[int, Any]]]:
        self.hub.flush()
        return {
            name: [(frame["seq"], frame["data"].get("text", frame["event"])) for frame in session.frames]
            for name, session in self.people.items()
        }


def test_the_blocker_alone_is_sent_the_place_alone_and_the_author_is_acknowledged_in_it() -> None:
    room = Room()
    acknowledged: list[int] = []
    deliveries = [
        Delivery(new(1, "bob")),
        Delivery(new(2, "eve"), SessionId("eve"), lambda: acknowledged.append(2)),
        Delivery(new(3, "ann")),
    ]
    room.hub.deliver_apart(deliveries, {ANN: EVE})
    heard = room.heard()
    assert heard["ann"] == [(1, "hi"), (2, None), (3, "hi")]
    assert heard["bob"] == [(1, "hi"), (2, "hi"), (3, "hi")]
    assert (heard["eve"], acknowledged) == ([(1, "hi"), (3, "hi")], [2])


def test_that_the_hidden_type_is_told_to_the_others() -> None:
    room = Room()
    typing = Event(EventType.TYPING, CHANNEL, {"username": "eve", "on": True})
    room.hub.to_channel_apart(typing, {ANN: EVE}, exclude=SessionId("eve"))
    assert room.heard() == {"ann": [], "bob": [(None, "typing")], "eve": []}
    room.hub.to_channel_apart(Event(EventType.SYNC_REQUIRED, None, {}), {ANN: EVE})


@pytest.mark.parametrize(("cursor", "texts"), [(0, ["hi", None, "hi"]), (1, [None, "hi"]), (3, [])])
def test_a_page_is_made_anew_for_whom_something_is_hidden(cursor: int, texts: list[str | None]) -> None:
    page = Page(0, 3, [said(1, "bob"), said(2, "eve"), said(3, "ann")])
    room = Room()
    shared = page.frames(room.format, 0, 0, frozenset())
    apart = page.frames_apart(room.format, cursor, cursor, frozenset(), EVE)
    room.hub.replay(room.people["ann"], apart)
    assert [text for _, text in room.heard()["ann"]] == texts
    assert page.frames(room.format, 0, 0, frozenset()) == shared, "the others are sent what was made for all"


def test_answers_are_seen_without_a_change_of_what_all_are_answered_with() -> None:
    ready = ReadyMessages([said(1, "bob"), said(2, "eve")])
    changes = Changes(2, ready.messages)
    seen = changes.seen(EVE)
    assert seen.ready is not None
    assert [each["text"] for each in seen.ready.messages] == ["hi", None]
    assert seen.seq == 2
    assert (changes.seen(NOBODY), ready.seen(NOBODY)) == (changes, ready)
    assert b"hidden" not in ready.json
    reset = Changes(7)
    assert reset.seen(EVE) is reset
