"""The newest part of a channel in memory equals a model that forgets nothing, at any moment, and fits where it must."""

from __future__ import annotations

import json
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.delivery.feed import Delivery, Feed
from chat.delivery.recent import HELD_BYTES, Recent
from chat.domain.events import MessageData
from chat.domain.ids import ChannelKey
from chat.live.feeds.memory import Memory, OpenFeed
from tests.support.delivery import Chronicle

PLENTY = 1 << 30


def recent_at(chronicle: Chronicle, head: int, changes: int, numbers: int, max_bytes: int = PLENTY) -> Recent:
    """Loaded as selectors.newest_messages() loads it."""
    stored = chronicle.changed(head, 0)
    changed = stored[-changes:]
    floor = changed[0]["changed_seq"] - 1 if len(changed) == changes else 0
    newest = [each for each in by_number(stored) if each["number"] > len(stored) - numbers]
    return Recent(
        changed=changed,
        newest=newest,
        floor=floor,
        head_number=len(stored),
        changes=changes,
        numbers=numbers,
        max_bytes=max_bytes,
    )


def by_number(messages: list[MessageData]) -> list[MessageData]:
    return sorted(messages, key=lambda each: each["number"])


def bytes_of(message: MessageData) -> int:
    return len(json.dumps(message, separators=(",", ":"))) + HELD_BYTES


def assert_as_stored(recent: Recent, chronicle: Chronicle, head: int, numbers: int) -> None:
    """Whatever memory answers is what the store would answer."""
    assert recent.head_number == len(chronicle.state(head))
    stored = by_number(chronicle.changed(head, 0))
    for limit in range(1, numbers + 3):
        newest = recent.newest(limit)
        if newest is not None:
            assert [json.loads(each) for each in newest] == stored[-min(limit, numbers) :]
    for cursor in range(head + 1):
        since = recent.since(cursor)
        if since is not None:
            assert since == chronicle.changed(head, cursor)


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
@settings(max_examples=250, deadline=None)
def test_newest_and_since_are_what_the_store_would_answer(seed, length, changes, numbers) -> None:
    random = Random(seed)
    chronicle = Chronicle(random, length)
    start = random.randrange(length)
    recent = recent_at(chronicle, start, changes, numbers)
    for event in chronicle.events[start:]:
        recent.add(event.data)
        head = event.seq or 0
        assert_as_stored(recent, chronicle, head, numbers)
        assert recent.newest(numbers) is not None
        for cursor in range(head + 1):
            assert recent.since(cursor) is not None or len(chronicle.changed(head, cursor)) >= changes


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(1, 9), st.integers(1, 4))
@settings(max_examples=250, deadline=None)
def test_what_was_cut_is_never_answered_and_comes_back_with_what_is_new(seed, length, messages, numbers) -> None:
    random = Random(seed)
    chronicle = Chronicle(random, length)
    start = random.randrange(length)
    recent = recent_at(chronicle, start, 20, numbers, max_bytes=messages * 500)
    for event in chronicle.events[start:]:
        recent.add(event.data)
        if random.random() < 0.2:
            recent.cut(keep_newest=random.random() < 0.5)
        if random.random() < 0.1:
            recent.rewrite(lambda message: {**message, "author": "ann"}, "ANN")
        assert_as_stored(recent, chronicle, event.seq or 0, numbers)


@given(st.integers(0, 2**32), st.integers(1, 60), st.integers(0, 6_000))
@settings(max_examples=200, deadline=None)
def test_memory_holds_no_more_than_it_was_told(seed, length, max_bytes) -> None:
    chronicle = Chronicle(Random(seed), length)
    recent = recent_at(chronicle, 0, 5, 3, max_bytes)
    for event in chronicle.events:
        recent.add(event.data)
        assert len(recent._changed) <= 5
        assert len(recent._newest) <= 3
        held = {each["id"]: each for each in (recent.since(recent.floor) or [])}
        newest = recent.newest(3) or []
        held |= {each["id"]: each for each in map(json.loads, newest)}
        assert recent.size == sum(map(bytes_of, held.values()))
        assert recent.size <= max(max_bytes, sum(len(each) + HELD_BYTES for each in newest))
    recent.forget(recent.ids(), len(chronicle.events))
    assert (recent.size, recent.newest(3)) == (0, [])


@given(st.integers(0, 2**32), st.integers(1, 200), st.integers(500, 20_000))
@settings(max_examples=200, deadline=None)
def test_all_feeds_together_hold_so_much_and_who_was_used_longest_ago_gives_first(seed, steps, max_bytes) -> None:
    random = Random(seed)
    chronicles = [Chronicle(random, steps) for _ in range(6)]
    entries = [
        OpenFeed(Feed(ChannelKey(f"k{number}"), number, 0, recent_at(each, 0, 20, 4)), 0)
        for number, each in enumerate(chronicles)
    ]
    memory = Memory(max_bytes)
    used: list[int] = []
    for _ in range(steps):
        chosen = random.randrange(len(entries))
        entry = entries[chosen]
        before = {number: each.feed.recent.size for number, each in enumerate(entries)}
        event = chronicles[chosen].events[entry.feed.head]
        entry.feed.offer([Delivery(event)], 0.0)
        memory.used(entry)
        used = [*(each for each in used if each != chosen), chosen]
        sizes = [each.feed.recent.size for each in entries]
        assert memory.size == sum(sizes) <= max_bytes
        gave = [number for number in used if sizes[number] < before[number] and number != chosen]
        held = [number for number in used if sizes[number] and number != chosen]
        assert not gave or not held or used.index(gave[-1]) < used.index(held[0])
        assert_as_stored(entry.feed.recent, chronicles[chosen], entry.feed.head, 4)
    for each in entries:
        memory.forget(each.feed.key)
    assert memory.size == 0


def test_a_pinned_feed_keeps_what_a_join_shows() -> None:
    chronicle = Chronicle(Random(1), 30)
    pinned, other = (
        OpenFeed(Feed(ChannelKey(key), 1, 0, recent_at(chronicle, 0, 20, 4)), 0, pins=pins)
        for key, pins in (("pinned", 1), ("other", 0))
    )
    memory = Memory(4_000)
    for entry in (pinned, other):
        entry.feed.offer([Delivery(event) for event in chronicle.events], 0.0)
        memory.used(entry)
    assert pinned.feed.recent.newest(4) is not None
    assert pinned.feed.recent.since(pinned.feed.head - 2) is None
