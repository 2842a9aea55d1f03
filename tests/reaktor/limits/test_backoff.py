"""Growing delay: free failures, then twice as long each time, never longer than the longest; and forgetting."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reaktor.limits.backoff import Backoff, Delay

DELAY = Delay(free=3, first_s=2, longest_s=10, memory_s=100)


def test_after_the_free_failures_each_wait_is_twice_the_one_before_up_to_the_longest() -> None:
    backoff, now, waits = Backoff(), 1000.0, []
    for _ in range(8):
        assert backoff.begin([("a", DELAY)], now) is None
        waited = backoff.begin([("a", DELAY)], now) if DELAY.free < len(waits) + 1 else None
        waits.append(waited)
        now += waited or 0
    assert waits == [None, None, None, 2, 4, 8, 10, 10]


def test_a_hundred_attempts_at_once_are_counted_as_failures_before_one_of_them_has_failed() -> None:
    backoff = Backoff()
    begun = [backoff.begin([("a", DELAY)], 1000.0) is None for _ in range(100)]
    assert sum(begun) == DELAY.free + 1


def test_a_refused_attempt_counts_for_none_of_its_keys() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.begin([("a", DELAY)], 1000.0)
    for _ in range(50):
        assert backoff.begin([("b", DELAY), ("a", DELAY)], 1001.0) == 1.0
    assert backoff.begin([("b", DELAY)], 1001.0) is None
    assert len(backoff) == 2


def test_success_forgets_and_time_does_too() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.begin([("a", DELAY), ("b", DELAY)], 1000.0)
    backoff.clear("a")
    assert backoff.begin([("a", DELAY)], 1000.0) is None
    assert backoff.begin([("b", DELAY)], 1000.0) == 2
    assert [backoff.begin([("b", DELAY)], 1101.0) for _ in range(3)] == [None] * 3


@settings(deadline=None)
@given(st.integers(0, 5), st.integers(0, 12))
def test_attempts_that_are_taken_back_leave_nothing(before: int, undone: int) -> None:
    delay = Delay(free=20, first_s=1, longest_s=1, memory_s=100)
    backoff = Backoff()
    for _ in range(before + undone):
        assert backoff.begin([("a", delay)], 1000.0) is None
    for _ in range(undone):
        backoff.undo([("a", delay)])
    left = sum(backoff.begin([("a", delay)], 1000.0) is None for _ in range(40))
    assert left == 21 - before


def test_it_knows_a_bounded_number_of_keys() -> None:
    backoff = Backoff(max_keys=100)
    for index in range(1000):
        backoff.begin([(str(index), DELAY)], 1000.0)
    assert len(backoff) == 100


def test_keys_whose_failures_count_no_longer_are_forgotten() -> None:
    """Each address that ever mistyped a password was held for ever, up to 50,000."""
    backoff = Backoff()
    for index in range(1_000):
        backoff.begin([(f"name{index}", DELAY), (f"address{index}", DELAY)], 1000.0 + index)
    assert len(backoff) <= 2 * (DELAY.memory_s + 2)
