"""How far a feed had come some seconds ago: never too far, and hardly too little."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chat.delivery.trail import REMEMBERED_S, STRETCH_S, Trail

PAUSES = st.lists(st.floats(0, 5), max_size=40)


def test_a_feed_where_nothing_happened_was_always_there() -> None:
    assert Trail().before(0.0) is None


@given(PAUSES, st.floats(0, 200))
def test_nothing_that_was_delivered_since_is_left_out_and_little_is_told_twice(
    pauses: list[float], since: float
) -> None:
    trail, now = Trail(), 0.0
    delivered = []
    for head, pause in enumerate(pauses):
        now += pause
        trail.note(head, now)
        delivered.append((now, head + 1))
    since = max(since, now - REMEMBERED_S)
    wanted = [seq for at, seq in delivered if at >= since]
    before = trail.before(since)
    if before is None:
        assert not wanted
    else:
        again = [(at, seq) for at, seq in delivered if seq > before]
        assert wanted
        assert all(seq > before for seq in wanted)
        assert all(at > since - STRETCH_S for at, _ in again)


def test_it_takes_no_more_memory_than_a_minute_needs() -> None:
    trail = Trail()
    for head in range(10_000):
        trail.note(head, head * 0.1)
    assert len(trail._stretches) <= REMEMBERED_S / STRETCH_S + 1
