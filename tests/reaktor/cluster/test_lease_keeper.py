"""A keeper whose database is slow, away, or answers late: rows in memory, and threads that really wait."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from dataclasses import replace

import pytest

from reaktor.cluster.lease import LeaseAwayError, LeaseRow, Tenure
from reaktor.cluster.lease_keeper import LeaseKeeper, boot_clock
from tests.support.waiting import until

LEASE_S = 2.0


class Rows:
    """A LeaseStore in memory. While `open` is not set every question waits; `is_broken`: it fails."""

    def __init__(self) -> None:
        self.row = LeaseRow("", 1, "", 0)
        self.open = threading.Event()
        self.open.set()
        self.is_broken = False
        self.closed = False

    def _wait(self) -> None:
        self.open.wait(30)
        if self.is_broken:
            raise LeaseAwayError("permission denied for table cluster_lease")

    def read(self) -> LeaseRow:
        self._wait()
        return self.row

    def take(self, seen: LeaseRow, holder: str, term: str) -> LeaseRow | None:
        self._wait()
        if seen != self.row:
            return None
        self.row = LeaseRow(holder, self.row.epoch + 1, term, 0)
        return self.row

    def renew(self, holder: str, term: str) -> bool:
        self._wait()
        if (self.row.holder, self.row.term) != (holder, term):
            return False
        self.row = replace(self.row, renewals=self.row.renewals + 1)
        return True

    def release(self, holder: str, term: str) -> None:
        self._wait()
        if (self.row.holder, self.row.term) == (holder, term):
            self.row = replace(self.row, holder="")

    def resume(self, holder: str, term: str) -> bool:
        self._wait()
        if self.row.holder not in ("", holder) or self.row.term != term:
            return False
        self.row = replace(self.row, holder=holder, renewals=self.row.renewals + 1)
        return True

    def close(self) -> None:
        self.closed = True


class Duty:
    """What the keeper runs."""

    def __init__(self) -> None:
        self.tenures: list[Tenure] = []
        self.ended = 0

    async def serve(self, tenure: Tenure) -> None:
        self.tenures.append(tenure)
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1


def keeper_of(rows: Rows, holder: str = "host a/1") -> LeaseKeeper:
    return LeaseKeeper(rows, "authority", holder, lease_s=LEASE_S)


async def stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_while_the_database_is_away_the_duty_goes_on_without_deciding_and_a_late_answer_counts() -> None:
    """A renewal that came late was thrown away: a slow database kept the holder waiting for ever."""
    rows, duty = Rows(), Duty()
    task = asyncio.create_task(keeper_of(rows).run(duty.serve))
    await until(lambda: duty.tenures, 10)
    (tenure,) = duty.tenures
    rows.open.clear()
    await until(lambda: tenure.left_s(boot_clock()) <= 0, 10)
    assert duty.ended == 0
    renewals = rows.row.renewals
    rows.open.set()
    await until(lambda: rows.row.renewals > renewals, 10)
    await until(lambda: tenure.left_s(boot_clock()) > 0, 10)
    assert (len(duty.tenures), duty.ended) == (1, 0)
    await stopped(task)
    assert (rows.row.holder, rows.closed, duty.ended) == ("", True, 1)


async def test_a_taking_that_was_answered_too_late_is_recognised() -> None:
    rows, duty = Rows(), Duty()
    taken = rows.take

    def slowly(seen: LeaseRow, holder: str, term: str) -> LeaseRow | None:
        found = taken(seen, holder, term)
        time.sleep(LEASE_S / 2)
        return found

    rows.take = slowly  # type: ignore[method-assign]
    task = asyncio.create_task(keeper_of(rows).run(duty.serve))
    await until(lambda: duty.tenures, 20)
    assert (duty.tenures[0].epoch, rows.row.epoch) == (2, 2), "it took it once"
    await stopped(task)


async def test_a_keeper_that_is_ended_while_it_takes_lets_go_of_what_it_was_given() -> None:
    rows, duty = Rows(), Duty()
    rows.open.clear()
    task = asyncio.create_task(keeper_of(rows).run(duty.serve))
    await asyncio.sleep(0)
    threading.Timer(0.05, rows.open.set).start()
    await stopped(task)
    assert rows.row.holder == ""
    assert rows.closed


async def test_why_the_lease_cannot_be_had_is_said_once_and_that_it_can_again(caplog: pytest.LogCaptureFixture) -> None:
    """A role that may not write the table left a server that never got ready, and no word in its log."""
    caplog.set_level(logging.INFO)
    rows, duty = Rows(), Duty()
    rows.is_broken = True
    task = asyncio.create_task(keeper_of(rows).run(duty.serve))
    await until(lambda: "permission denied" in caplog.text, 10)
    await asyncio.sleep(1.0)  # some more tries
    assert caplog.text.count("permission denied") == 1
    rows.is_broken = False
    await until(lambda: duty.tenures, 10)
    assert "answers again" in caplog.text
    await stopped(task)
