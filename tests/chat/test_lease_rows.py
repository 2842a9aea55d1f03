"""The row of a lease in a real database, and a keeper that asks it."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, connections

from chat.management.lease_rows import LeaseRows, refuse_beside, take_at_once
from chat.models import ClusterLease
from chat.selectors import authority_mandate
from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.lease import LeaseAwayError, LeaseRow, Tenure
from reaktor.cluster.lease_keeper import LeaseKeeper
from reaktor.db.patience import ANSWER_SETTING

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

DUTY = "authority"
QUICK_S = 0.8
"""A lease in these tests: a busy machine must be able to renew it."""


@pytest.fixture
def rows() -> LeaseRows:
    return LeaseRows(DUTY, answer_s=5.0)


def test_the_row_is_made_by_whoever_asks_first_and_names_nobody(rows: LeaseRows) -> None:
    assert authority_mandate() == (0, "")
    assert rows.read() == LeaseRow("", 0, "", 0) == rows.read()


def test_taking_begins_a_higher_epoch_that_is_at_least_the_database_s_time(rows: LeaseRows) -> None:
    before_ms = int(time.time() * 1000)
    first = rows.take(rows.read(), "host a", "one")
    assert first is not None
    assert abs(first.epoch - before_ms) < 60_000
    assert (first.holder, first.term, first.renewals) == ("host a", "one", 0)
    assert authority_mandate() == (first.epoch, "one")
    ClusterLease.objects.update(epoch=2 * before_ms)
    second = rows.take(rows.read(), "host b", "two")
    assert second is not None
    assert second.epoch == 2 * before_ms + 1


def test_of_two_that_saw_the_same_row_one_takes_it(rows: LeaseRows) -> None:
    seen = rows.read()
    assert rows.take(seen, "host a", "one") is not None
    assert rows.take(seen, "host b", "two") is None
    assert rows.read().holder == "host a"


def test_only_the_holder_of_this_term_renews_and_releases(rows: LeaseRows) -> None:
    rows.take(rows.read(), "host a", "one")
    assert rows.renew("host a", "one")
    assert rows.read().renewals == 1
    assert not rows.renew("host a", "before")
    rows.release("host a", "before")
    assert rows.read().holder == "host a"
    rows.release("host a", "one")
    assert rows.read().holder == ""
    assert not rows.renew("host a", "one")


def test_who_holds_the_lock_on_a_directory_takes_the_lease_of_whoever_it_was(rows: LeaseRows) -> None:
    rows.take(rows.read(), "another", "one")
    tenure = take_at_once(rows, "host a")
    assert tenure.left_s(1e9) == float("inf")
    assert authority_mandate() == (tenure.epoch, tenure.term)


async def test_a_server_that_finds_another_one_on_its_database_is_refused_in_words() -> None:
    """Two servers of one database on two Redis each showed their own people, and nobody noticed."""
    first, second = Duty(), Duty()
    holding = asyncio.create_task(keeper("host a/1").run(first.serve))
    async with asyncio.timeout(10):
        await first.is_on.wait()
        with pytest.raises(SupervisorError, match="Another server works on this database already, on host a\\."):
            await keeper("host b/2", on_rival=refuse_beside).run(second.serve)
    assert first.is_on.is_set()
    assert second.tenures == []
    await ended(holding)


def test_each_thread_that_asks_has_a_connection_that_waits_no_longer_than_it_may() -> None:
    """The first thread that asked was given the limits, and the keeper's own one waited 9 s for a dead route."""
    rows = LeaseRows(DUTY, answer_s=5.0)
    for _ in range(2):
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(limits_of, rows).result() == (5.0, None)


def limits_of(rows: LeaseRows) -> tuple[float, object]:
    rows.read()
    settings = connections["default"].settings_dict
    connections.close_all()
    return settings[ANSWER_SETTING], settings["CONN_MAX_AGE"]


def test_a_database_that_fails_is_told_as_such(rows: LeaseRows) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE cluster_lease RENAME TO elsewhere")
    try:
        with pytest.raises(LeaseAwayError):
            rows.read()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE elsewhere RENAME TO cluster_lease")


class Duty:
    """What a keeper runs while it has the lease."""

    def __init__(self) -> None:
        self.tenures: list[Tenure] = []
        self.is_on, self.is_off = asyncio.Event(), asyncio.Event()

    async def serve(self, tenure: Tenure) -> None:
        self.tenures.append(tenure)
        self.is_on.set()
        self.is_off.clear()
        try:
            await asyncio.Event().wait()
        finally:
            self.is_on.clear()
            self.is_off.set()


def keeper(holder: str, **options: Any) -> LeaseKeeper:
    return LeaseKeeper(LeaseRows(DUTY, answer_s=5.0), DUTY, holder, lease_s=QUICK_S, **options)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_of_two_keepers_one_has_the_duty_and_the_other_when_it_is_let_go() -> None:
    first, second = Duty(), Duty()
    holding = asyncio.create_task(keeper("host a").run(first.serve))
    async with asyncio.timeout(10):
        await first.is_on.wait()
    waiting = asyncio.create_task(keeper("host b").run(second.serve))
    await asyncio.sleep(2 * QUICK_S)  # longer than a lease: it is renewed, and nobody takes it
    assert first.is_on.is_set()
    assert second.tenures == []
    holding.cancel()
    async with asyncio.timeout(10):
        await second.is_on.wait()
    assert not first.is_on.is_set()
    assert second.tenures[0].epoch > first.tenures[0].epoch
    await asyncio.gather(holding, return_exceptions=True)
    await ended(waiting)


async def test_a_holder_that_was_stopped_for_too_long_ends_its_duty_and_waits_in_line() -> None:
    duty = Duty()
    task = asyncio.create_task(keeper("host a").run(duty.serve))
    async with asyncio.timeout(10):
        await duty.is_on.wait()
    await asyncio.to_thread(_take_away)
    async with asyncio.timeout(10):
        await duty.is_off.wait()
        # Nobody renews what was taken away, so it comes back.
        await duty.is_on.wait()
    assert len(duty.tenures) == 2
    await ended(task)


async def test_what_fails_in_the_duty_ends_the_keeper_which_lets_go() -> None:
    async def fail(tenure: Tenure) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await keeper("host a").run(fail)
    assert (await asyncio.to_thread(_row)).holder == ""


def _take_away() -> None:
    rows = LeaseRows(DUTY, answer_s=5.0)
    try:
        assert rows.take(rows.read(), "host b", "stolen") is not None
    finally:
        connections.close_all()


def _row() -> LeaseRow:
    try:
        return LeaseRows(DUTY, answer_s=5.0).read()
    finally:
        connections.close_all()
