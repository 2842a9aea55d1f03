"""Whose words are hidden from whom: in groups alone, from who blocks them, but for the place that they take."""

from __future__ import annotations

from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.delivery.wire import activity_of
from chat.domain.events import DURABLE, Event, EventType, MessageData
from chat.domain.hiding import NOBODY, activity_seen, event_seen, message_seen, messages_seen, names_hidden
from chat.domain.ids import ChannelKey
from chat.domain.policies import ChannelKind
from tests.support.delivery import CHANNEL, message

EVE = names_hidden(ChannelKind.GROUP, ["Eve"])
PLACE = ("id", "channel", "number", "flow", "seq", "changed_seq", "author", "created_at", "deleted_at",
         "thread", "also_in_channel", "thread_info")  # fmt: skip
people = st.sampled_from(["ann", "eve", "EVE", "bob"])


def said(author: str = "eve", **changes: Any) -> MessageData:
    made: Any = {**message(3, 5, changed_seq=9, text="psst"), "author": author, "nonce": "n", "reply_to": "m1"}
    return {**made, "mentions": ["ann"], "edited_at": "2026-01-01T00:00:02.000Z", **changes}


@pytest.mark.parametrize("kind", ChannelKind)
def test_a_block_hides_in_groups_and_nowhere_else(kind: ChannelKind) -> None:
    hidden = names_hidden(kind, ["Eve", "bob"])
    assert hidden == (frozenset({"eve", "bob"}) if kind is ChannelKind.GROUP else NOBODY)
    assert names_hidden(kind, []) == NOBODY


def test_of_a_hidden_message_its_place_is_left() -> None:
    file = {"id": "f", "name": "psst.txt", "type": "text/plain", "size": 3}
    info = {"number": 1, "seq": 9, "replies": 2, "last_reply_at": None, "participants": ["ann"]}
    thread = {"thread": "m0", "also_in_channel": False, "thread_info": info}
    before = said(reactions={"👍": ["bob"]}, via={"kind": "hook", "name": "psst"}, files=[file], **thread)
    seen = message_seen(before, EVE)
    assert {name: seen[name] for name in PLACE} == {name: before[name] for name in PLACE}  # type: ignore[literal-required]
    rest = {name: value for name, value in seen.items() if name not in PLACE}
    nothing = {"text": None, "reply_to": None, "nonce": None, "reactions": {}, "mentions": [], "edited_at": None}
    assert rest == {**nothing, "hidden": True}
    assert set(seen) == set(get_type_hints(MessageData)) - {"via", "files"}, (
        "a new field must be decided about here, too"
    )


def test_what_is_not_hidden_is_the_same_object() -> None:
    mine = said("ann", reactions={"👍": ["bob"]})
    assert message_seen(mine, EVE) is mine
    assert message_seen(mine, NOBODY) is mine


def test_reactions_of_the_hidden_are_taken_away_and_others_stay() -> None:
    seen = message_seen(said("ann", reactions={"👍": ["bob", "Eve"], "🎉": ["eve"]}), EVE)
    assert (seen["reactions"], seen["text"], "hidden" in seen) == ({"👍": ["bob"]}, "psst", False)


@given(author=people, reactions=st.dictionaries(st.sampled_from("👍🎉👀"), st.lists(people, min_size=1, unique=True)))
def test_whatever_is_seen_says_nothing_of_the_hidden_and_seeing_twice_changes_nothing(
    author: str, reactions: dict[str, list[str]]
) -> None:
    seen = message_seen(said(author, reactions=reactions), EVE)
    assert not any(name.lower() == "eve" for names in seen["reactions"].values() for name in names)
    assert all(seen["reactions"].values())
    assert ("hidden" in seen) == (author.lower() == "eve") == (seen["text"] is None)
    assert messages_seen([seen], EVE) == [seen]


@pytest.mark.parametrize("kind", sorted(DURABLE))
def test_each_event_of_a_hidden_message_comes_in_its_place_without_it(kind: EventType) -> None:
    seen = event_seen(Event(kind, CHANNEL, said(), 9), EVE)
    assert seen is not None
    assert (seen.type, seen.seq, seen.data["hidden"], seen.data["text"]) == (kind, 9, True, None)
    mine = Event(kind, CHANNEL, said("ann"), 9)
    assert event_seen(mine, EVE) is mine


def test_nobody_is_told_that_the_hidden_type_but_who_is_there_is_seen() -> None:
    typing = Event(EventType.TYPING, CHANNEL, {"username": "Eve", "on": True})
    assert event_seen(typing, EVE) is None
    assert event_seen(typing, NOBODY) is typing
    for kind in (EventType.MEMBER_JOINED, EventType.MEMBER_LEFT, EventType.PRESENCE_CHANGED):
        there = Event(kind, CHANNEL, {"username": "eve"})
        assert event_seen(there, EVE) is there


def test_of_an_activity_the_head_is_told_and_the_message_is_not() -> None:
    activity = activity_of(said(), is_new=True)
    seen = activity_seen(activity, EVE)
    assert (seen.head, seen.channel) == (activity.head, ChannelKey(CHANNEL))
    assert seen.last == {**activity.last, "text": None, "hidden": True}
    assert activity_seen(activity, NOBODY) == activity


def test_who_is_hidden_takes_part_in_no_thread_and_is_counted() -> None:
    info = {"number": 1, "seq": 9, "replies": 2, "last_reply_at": None, "participants": ["Eve", "ann"]}
    seen = message_seen(said("ann", thread_info=info), EVE)
    assert seen["thread_info"] == {**info, "participants": ["ann"]}
    told = Event(EventType.THREAD_ACTIVITY, CHANNEL, {"thread": "m0", "thread_info": info, "author": "ann"})
    shown = event_seen(told, EVE)
    assert shown is not None
    assert shown.data == {"thread": "m0", "thread_info": {**info, "participants": ["ann"]}, "author": "ann"}
