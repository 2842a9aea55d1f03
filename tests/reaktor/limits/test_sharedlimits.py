"""Several processes and one Redis: what one accepted counts in the others; a Redis that goes takes nothing along."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from reaktor.config.model import Rate
from reaktor.errors import RateLimitedError
from reaktor.limits.backoff import Delay
from reaktor.limits.sharedlimits import SharedBackoff, SharedCounts, SharedRate
from tests.support.ports import wait_for
from tests.support.redis import RedisServer, running_redis

DELAY = Delay(free=2, first_s=30, longest_s=100, memory_s=300)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def counts(server: RedisServer) -> SharedCounts:
    """The counts of one more process, patient: a busy machine must not pass for a Redis that is away."""
    return SharedCounts(server.at, "reaktor:one:", timeout_s=5)


def accepted(rates: list[SharedRate], key: str, hits: int) -> int:
    """How many of so many hits, spread over the processes, were accepted."""
    count, waits = 0, []
    for index in range(hits):
        try:
            rates[index % len(rates)].check(key)
            count += 1
        except RateLimitedError as refusal:
            waits.append(refusal.retry_after_s or 0)
    assert all(0 < wait_s <= 60 for wait_s in waits)
    return count


def test_processes_together_accept_exactly_the_limit(redis: RedisServer) -> None:
    rates = [SharedRate("exact", Rate(10, 60), counts(redis)) for _ in range(3)]
    assert accepted(rates, "ann", 60) == 10
    assert accepted(rates, "ben", 5) == 5


def test_at_the_same_time_too(redis: RedisServer) -> None:
    rates = [SharedRate("race", Rate(25, 60), counts(redis)) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(lambda rate: accepted([rate], "ann", 50), rates)) == 25


def test_what_the_others_used_up_comes_back_when_the_period_is_over_and_retries_cost_nothing(
    redis: RedisServer,
) -> None:
    one, other = (SharedRate("again", Rate(5, 2), counts(redis)) for _ in range(2))
    # One batch is counted at one instant, so all five come back together.
    assert one.everywhere(["ann"] * 5) == [None] * 5
    # Refused hits at the other one must not fill its own window, or it would keep refusing when Redis no longer does.
    assert accepted([other], "ann", 5) == 0
    wait_for(lambda: accepted([other], "ann", 1) == 1, 10.0, "the end of the period")
    assert accepted([other], "ann", 4) == 4


def test_a_batch_is_answered_one_by_one(redis: RedisServer) -> None:
    one, other = (SharedRate("batch", Rate(3, 60), counts(redis)) for _ in range(2))
    assert accepted([other], "ann", 2) == 2
    verdicts = one.everywhere(["ann", "ben", "ann", "ann", "ben"])
    assert [verdict is None for verdict in verdicts] == [True, True, False, False, True]


def test_with_some_unasked_one_process_keeps_to_the_rate_and_several_exceed_it_by_those(redis: RedisServer) -> None:
    def process() -> SharedRate:
        return SharedRate("unasked", Rate(20, 60), counts(redis), unasked=2)

    assert accepted([process()], "ann", 60) == 20
    processes = [process() for _ in range(3)]
    assert accepted(processes, "ben", 90) == 20 + 2 * 2


def test_failures_at_one_process_delay_the_attempt_at_another_and_success_forgets_them(redis: RedisServer) -> None:
    one, other = (SharedBackoff(counts(redis)) for _ in range(2))
    counted = [("own", DELAY), ("place", Delay(free=100, first_s=1, longest_s=1, memory_s=300))]
    one.begin(counted)
    other.begin(counted)
    one.begin(counted)
    with pytest.raises(RateLimitedError) as caught:
        other.begin(counted)
    assert 0 < (caught.value.retry_after_s or 0) <= 30
    one.undo(counted)
    other.begin(counted)
    with pytest.raises(RateLimitedError):
        one.begin(counted)
    for each in (one, other):
        each.clear("own")
    one.begin(counted)


def test_the_same_rule_holds_in_redis_and_in_memory(redis: RedisServer) -> None:
    backoff = SharedBackoff(counts(redis), clock=lambda: 0.0)
    alone = SharedBackoff(None, clock=lambda: 0.0)
    for each in (backoff, alone):
        for _ in range(3):
            each.begin([("rule", DELAY)])
        with pytest.raises(RateLimitedError) as caught:
            each.begin([("rule", DELAY)])
        assert caught.value.retry_after_s == pytest.approx(30, abs=1)


def test_keys_are_forgotten(redis: RedisServer) -> None:
    import redis as library

    shared = counts(redis)
    SharedRate("gone", Rate(2, 60), shared).check("ann")
    SharedBackoff(shared).begin([("gone", DELAY)])
    shared.remember("known:gone", 60)
    with library.Redis.from_url(redis.url) as client:
        keys = list(client.scan_iter("reaktor:one:limit:*gone*"))
        assert len(keys) == 3
        assert all(client.pttl(key) > 0 for key in keys)


def test_without_redis_each_process_counts_alone_and_goes_on_together_afterwards() -> None:
    with running_redis() as server:
        shared = [counts(server) for _ in range(2)]
        rates = [SharedRate("away", Rate(4, 60), each) for each in shared]
        assert accepted(rates, "ann", 2) == 2
        server.kill()
        # What each has accepted itself still counts there: three more each, never a fourth.
        assert accepted(rates, "ann", 20) == 6
        server.start()
        wait_for(lambda: all(each.knows("x") is False for each in shared), 5.0, "an answer to both")
        assert accepted(rates, "ben", 20) == 4


def test_a_redis_that_hangs_is_waited_for_once_a_second_and_no_more() -> None:
    with running_redis() as server:
        now = 0.0
        shared = SharedCounts(server.at, "reaktor:one:", timeout_s=0.1, clock=lambda: now)
        assert shared.knows("x") is False
        pid = server._process.pid if server._process else 0
        os.kill(pid, signal.SIGSTOP)
        try:
            asked = []
            for now in (0.0, 0.5, 0.99, 1.0, 1.5):  # noqa: B007  the clock reads it
                before = shared._away_until
                assert shared.knows("x") is None
                asked.append(shared._away_until != before)
            assert asked == [True, False, False, True, False]
        finally:
            os.kill(pid, signal.SIGCONT)
