"""The newest part of a channel in memory equals a model that forgets nothing, at any moment."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.delivery.recent import Recent
from chat.domain.events import MessageData
from tests.support.delivery import Chronicle


def recent_at(chronicle: Chronicle, head: int, changes: int, numbers: int) -> Recent:
    """Loaded as selectors.newest_messages() loads it."""
    stored = chronicle.changed(head, 0)
    changed = stored[-changes:]
    floor = changed[0]["changed_seq"] - 1 if len(changed) == changes else 0
    newest = [each for each in by_number(stored) if each["number"] > len(stored) - numbers]
    return Recent(
        changed=changed, newest=newest, floor=floor, head_number=len(stored), changes=changes, numbers=numbers
    )


def by_number(messages: list[MessageData]) -> list[MessageData]:
    return sorted(messages, key=lambda each: each["number"])


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
        assert recent.head_number == len(chronicle.state(head))
        for limit in range(1, numbers + 3):
            stored = by_number(chronicle.changed(head, 0))
            assert recent.newest(limit) == stored[-min(limit, numbers) :]
        for cursor in range(head + 1):
            found = recent.since(cursor)
            if found is None:
                assert len(chronicle.changed(head, cursor)) >= changes
            else:
                assert found == chronicle.changed(head, cursor)


@given(st.integers(0, 2**32), st.integers(1, 60))
@settings(max_examples=200, deadline=None)
def test_memory_holds_no_more_than_it_was_told(seed, length) -> None:
    chronicle = Chronicle(Random(seed), length)
    recent = recent_at(chronicle, 0, 5, 3)
    for event in chronicle.events:
        recent.add(event.data)
        assert len(recent._changed) <= 5
        assert len(recent._newest) <= 3
