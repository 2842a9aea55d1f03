"""A token bucket grants what the rate says, whatever is asked and when, and a refusal takes nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reaktor.config.model import Rate
from reaktor.limits.ratelimit import TokenBucket

RATE = Rate(5, 10)
steps = st.lists(st.floats(0, 30, allow_nan=False), min_size=1, max_size=80)


@given(steps)
def test_between_any_two_moments_no_more_is_granted_than_a_full_bucket_and_its_refill(pauses: list[float]) -> None:
    bucket, now, granted = TokenBucket(), 0.0, []
    for pause_s in pauses:
        now += pause_s
        if bucket.take(RATE, now) is None:
            granted.append(now)
    for first, start in enumerate(granted):
        for last in range(first, len(granted)):
            assert last - first + 1 <= RATE.count + (granted[last] - start) * RATE.count / RATE.period_s + 1e-6


@given(steps)
def test_whoever_waits_as_long_as_told_is_granted_and_trying_meanwhile_costs_nothing(pauses: list[float]) -> None:
    bucket, now = TokenBucket(), 0.0
    for pause_s in pauses:
        now += pause_s / 100
        wait_s = bucket.take(RATE, now)
        if wait_s is not None:
            assert 0 < wait_s <= RATE.period_s / RATE.count + 1e-6
            assert bucket.take(RATE, now + wait_s / 2) is not None
            now += wait_s + 1e-6
            assert bucket.take(RATE, now) is None


def test_a_whole_rate_may_be_taken_at_once() -> None:
    for count in (1, 3, 7, 600):
        bucket = TokenBucket()
        assert [bucket.take(Rate(count, 60), 1_000_000.0) for _ in range(count)] == [None] * count
        assert bucket.take(Rate(count, 60), 1_000_000.0) is not None


def test_what_has_come_already_is_taken_as_a_debt() -> None:
    bucket = TokenBucket()
    assert bucket.charge(10, Rate(10, 5), 100.0) == 0
    assert bucket.charge(4, Rate(10, 5), 100.0) == 2
    assert bucket.take(Rate(10, 5), 101.0) is not None
    assert bucket.charge(1, Rate(10, 5), 110.0) == 0
