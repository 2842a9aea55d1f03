"""The rate limiter against its own definition: at most `count` accepted hits in any window of `period_s`."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from reaktor.config.model import Rate
from reaktor.limits.ratelimit import RateLimiter

steps = st.lists(st.tuples(st.sampled_from("ab"), st.floats(0, 4)), max_size=80)


@settings(deadline=None)
@given(steps, st.integers(1, 5), st.sampled_from([1.0, 3.0, 10.0]))
def test_it_accepts_exactly_what_the_window_allows(taken: list[tuple[str, float]], count: int, period_s: float) -> None:
    limiter = RateLimiter(Rate(count, period_s))
    accepted: dict[str, list[float]] = {"a": [], "b": []}
    now = 1000.0
    for key, step_s in taken:
        now += step_s
        recent = [at for at in accepted[key] if now - at < period_s]
        wait_s = limiter.hit(key, now)
        assert (wait_s is None) == (len(recent) < count)
        if wait_s is None:
            accepted[key].append(now)
        else:
            assert 0 < wait_s <= period_s


@settings(deadline=None)
@given(st.integers(1, 5), st.floats(0.1, 100))
def test_who_waits_as_long_as_told_is_accepted(count: int, period_s: float) -> None:
    limiter = RateLimiter(Rate(count, period_s))
    for _ in range(count):
        assert limiter.hit("a", 0.0) is None
    wait_s = limiter.hit("a", period_s / 3)
    assert wait_s is not None
    assert limiter.hit("a", period_s / 3 + wait_s + 1e-9) is None


def test_a_refused_hit_does_not_make_the_wait_longer() -> None:
    limiter = RateLimiter(Rate(1, 10))
    assert limiter.hit("a", 0) is None
    assert [limiter.hit("a", now) for now in (1.0, 2.0, 9.0)] == [9.0, 8.0, 1.0]
    assert limiter.hit("a", 10) is None


def test_it_knows_a_bounded_number_of_keys_and_forgets_the_quietest() -> None:
    limiter = RateLimiter(Rate(1, 10), max_keys=100)
    for index in range(1000):
        limiter.hit(str(index), index * 0.001)
    assert len(limiter) == 100
    assert limiter.hit("999", 1.0) is not None
    assert limiter.hit("0", 1.0) is None


@settings(deadline=None)
@given(steps, st.integers(1, 5), st.lists(st.booleans(), min_size=80, max_size=80))
def test_a_hit_that_is_taken_back_never_was(taken: list[tuple[str, float]], count: int, is_undone: list[bool]) -> None:
    undoing, plain = RateLimiter(Rate(count, 5)), RateLimiter(Rate(count, 5))
    now = 1000.0
    for (key, step_s), undo in zip(taken, is_undone, strict=False):
        now += step_s
        if undo and undoing.hit(key, now) is None:
            undoing.undo(key)
            continue
        if not undo:
            assert undoing.hit(key, now) == plain.hit(key, now)


def test_who_came_once_is_forgotten_when_the_period_is_over() -> None:
    """A server that is never restarted held a window for each of the last 50,000 people who ever did a thing."""
    limiter = RateLimiter(Rate(20, 10))
    for index in range(2_000):
        limiter.hit(f"visitor{index}", index * 1.0)
    assert len(limiter) <= 12


def test_what_somebody_did_before_the_period_is_not_held() -> None:
    """Who asks twice a minute filled a window of 600 times, of which two counted."""
    limiter = RateLimiter(Rate(600, 60))
    for index in range(2_000):
        assert limiter.hit("a", index * 30.0) is None
    assert limiter.remembered <= 6


def test_at_the_full_rate_it_holds_no_more_than_two_periods() -> None:
    """Forgetting by halves must not let a client that never rests add up what it did."""
    limiter = RateLimiter(Rate(100, 10))
    for index in range(20_000):
        limiter.hit("a", index * 0.05)
    assert limiter.remembered <= 202
