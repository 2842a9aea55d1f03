"""Requests are counted by address and by user, in bounded memory."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reaktor.config.model import Limits, Rate
from reaktor.errors import RateLimitedError
from reaktor.limits.ratelimit import TokenBucket
from reaktor.limits.requests import Buckets, RequestRates

RATE = Rate(5, 10)
steps = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 30, allow_nan=False)), max_size=80)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps)
def test_each_key_has_a_bucket_of_its_own(taken: list[tuple[str, float]]) -> None:
    buckets, alone, now = Buckets(RATE), {key: TokenBucket() for key in "abc"}, 0.0
    for key, pause_s in taken:
        now += pause_s
        expected = alone[key].take(RATE, now)
        assert buckets.take(key, now) == (None if expected is None else pytest.approx(expected))


def test_full_buckets_are_forgotten_and_of_too_many_keys_the_quietest() -> None:
    buckets = Buckets(RATE, max_keys=100)
    for number in range(1_000):
        buckets.take(str(number), number * 1e-6)
    assert len(buckets) == 100
    for number in range(60):
        buckets.take("again", 100.0 + number * 10)
    assert len(buckets) == 1


def test_an_address_and_a_user_are_counted_apart_and_a_site_of_ipv6_as_one() -> None:
    now = 100.0
    rates = RequestRates(Limits(requests_per_address=Rate(2, 2), requests_per_user=Rate(1, 1)), clock=lambda: now)
    rates.check_address("2001:db8::1")
    rates.check_address("2001:db8::2")
    with pytest.raises(RateLimitedError) as refused:
        rates.check_address("2001:db8::3")
    assert refused.value.retry_after_s == pytest.approx(1.0)
    rates.check_address("2001:db8:0:1::1")
    rates.check_user("ann")
    with pytest.raises(RateLimitedError):
        rates.check_user("ann")
    now += 1
    rates.check_user("ann")
    rates.check_address("2001:db8::3")


def test_limits_off_lifts_both() -> None:
    rates = RequestRates(Limits(enabled=False, requests_per_address=Rate(1, 60), requests_per_user=Rate(1, 60)))
    for _ in range(3):
        rates.check_address("192.0.2.1")
        rates.check_user("ann")
