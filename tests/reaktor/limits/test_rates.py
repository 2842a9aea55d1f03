"""The one door for rates: each is a setting, all processes count together, and rare questions are asked exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from reaktor.config.environment import variables
from reaktor.config.model import Limits, Rate
from reaktor.errors import RateLimitedError, UnavailableError
from reaktor.limits.rates import Limit, Rates
from reaktor.limits.sharedlimits import SharedCounts
from tests.support.redis import RedisServer, running_redis

ANN = "0198f000-0000-7000-8000-000000000001"
SMALL = replace(Limits(), **{limit.value: Rate(3, 60) for limit in Limit})


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def test_each_limit_is_a_rate_of_the_configuration_and_a_setting() -> None:
    settings = {variable.name for variable in variables()}
    for limit in Limit:
        assert isinstance(getattr(Limits(), limit.value), Rate)
        assert f"LIMIT_{limit.name}" in settings


@pytest.mark.parametrize(
    "limit", [limit for limit in Limit if limit not in {Limit.SEND, Limit.LISTS, Limit.FILE_READS}]
)
def test_all_processes_count_together(redis: RedisServer, limit: Limit) -> None:
    one, other = (Rates(SMALL, SharedCounts(redis.at, "reaktor:one:", timeout_s=5)) for _ in range(2))
    for rates in (one, other, one):
        rates.check(limit, ANN)
    for rates in (one, other):
        with pytest.raises(RateLimitedError) as caught:
            rates.check(limit, ANN)
        assert 0 < (caught.value.retry_after_s or 0) <= 60
    one.check(limit, "another user")
    assert {rates.refused()[limit.value] for rates in (one, other)} == {1}


def test_the_first_part_of_a_frequent_rate_is_granted_without_a_question(redis: RedisServer) -> None:
    rates = Rates(replace(Limits(), join=Rate(30, 60)), SharedCounts(redis.at, "reaktor:one:", timeout_s=5))
    assert [rates.check_here(Limit.JOIN, "unasked") for _ in range(5)] == [False, False, False, True, True]
    assert rates.check_here(Limit.BULK_DELETE, "unasked")


def test_what_keeps_one_process_from_too_much_work_is_counted_there_alone(redis: RedisServer) -> None:
    one, other = (Rates(SMALL, SharedCounts(redis.at, "reaktor:one:", timeout_s=5)) for _ in range(2))
    for rates in (one, other):
        assert [rates.check_here(Limit.LISTS, ANN) for _ in range(3)] == [False] * 3


def test_asking_what_is_left_takes_nothing() -> None:
    rates = Rates(SMALL)
    for _ in range(5):
        rates.check_left(Limit.LISTS, ANN)
    for _ in range(3):
        rates.check(Limit.LISTS, ANN)
    with pytest.raises(RateLimitedError):
        rates.check_left(Limit.LISTS, ANN)
    rates.check_left(Limit.LISTS, "another user")
    assert rates.refused()["lists"] == 1


def test_alone_nobody_is_asked_and_the_rate_holds() -> None:
    rates = Rates(SMALL)
    for limit in Limit:
        assert [rates.check_here(limit, ANN) for _ in range(3)] == [False] * 3
        with pytest.raises(RateLimitedError):
            rates.check(limit, ANN)


def test_switched_off_there_are_none() -> None:
    rates = Rates(replace(SMALL, enabled=False))
    for limit in Limit:
        for _ in range(10):
            rates.check(limit, ANN)
            rates.check_left(limit, ANN)
    assert not rates.asks_for_sends
    assert set(rates.refused().values()) == {0}


def test_a_user_who_goes_on_against_refusals_stays_away_for_the_rest_of_the_time() -> None:
    now = 100.0
    rates = Rates(Limits(refusals=Rate(3, 10)), clock=lambda: now)
    assert [rates.on_refusal(RateLimitedError(), "ann") for _ in range(4)] == [None, None, None, 10]
    with pytest.raises(RateLimitedError):
        rates.check_may_come("ann")
    rates.check_may_come("bob")
    now += 10
    rates.check_may_come("ann")


def test_what_the_server_can_not_do_is_held_against_nobody() -> None:
    rates = Rates(Limits(refusals=Rate(1, 10)))
    assert [rates.on_refusal(UnavailableError(), "ann") for _ in range(3)] == [None] * 3
