"""Which spare is taken, and when the next one is started: at once, after a while, or not at all."""

from __future__ import annotations

import pytest

from reaktor.cluster import spares as module
from reaktor.cluster.spares import AFTER_READY_S, RETRY_S, Spares
from reaktor.cluster.worker_process import NOT_NEEDED, Listener, WorkerProcess, WorkerState


class Clock:
    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def spawn():
    return WorkerProcess(Listener(print, print, print, print))


def test_a_booted_one_is_taken_before_one_that_boots_and_an_ending_one_never(clock):
    spares = Spares(3, spawn)
    for _ in range(3):
        spares.keep()
    booting, booted, ending = spares.workers
    booted.state, ending.state = WorkerState.SPARE, WorkerState.ENDING
    assert [spares.take(), spares.take(), spares.take()] == [booted, booting, None]
    assert spares.workers == [ending]


def test_no_more_are_kept_than_wanted_and_clients_that_come_back_go_first(clock):
    spares = Spares(1, spawn)
    spares.leave_room()
    spares.keep()
    assert spares.workers == []
    clock.now += AFTER_READY_S
    spares.keep()
    spares.keep()
    assert len(spares.workers) == 1


@pytest.mark.parametrize("reason", ["", "can't be started: no such file", "did not become ready within 30 s"])
def test_one_that_fails_is_said_and_tried_again_after_a_while(clock, caplog, reason):
    spares = Spares(1, spawn)
    spares.keep()
    worker = spares.workers[0]
    worker.reason, worker.exit_code, worker.state = reason, 1, WorkerState.GONE
    spares.on_gone(worker)
    assert (reason or "exited with code 1") in caplog.text
    spares.keep()
    assert spares.workers == []
    clock.now += RETRY_S
    spares.keep()
    assert len(spares.workers) == 1


def test_one_that_is_dismissed_is_not_spoken_of_and_replaced_at_once(clock, caplog):
    spares = Spares(1, spawn)
    spares.keep()
    worker = spares.workers[0]
    spares.dismiss()
    assert (worker.state, worker.reason) == (WorkerState.ENDING, NOT_NEEDED)
    spares.on_gone(worker)
    assert caplog.text == ""
    spares.keep()
    assert len(spares.workers) == 1


def test_why_one_is_missing_is_said(clock):
    """`status` showed no spare and no word on it; the reason stood in the log alone."""
    spares = Spares(1, spawn)
    assert spares.missing(is_allowed=False) == "one is started when every slot serves and no reload is running"
    assert spares.missing(is_allowed=True) == "one is started in a moment"
    spares.keep()
    assert spares.missing(is_allowed=True) == ""
    worker = spares.workers[0]
    worker.reason, worker.exit_code, worker.state = "", 1, WorkerState.GONE
    spares.on_gone(worker)
    clock.now += RETRY_S - 12
    assert spares.missing(is_allowed=True) == "the last one exited with code 1; the next is started in 12 s"
    clock.now += 12
    spares.keep()
    assert spares.missing(is_allowed=True) == ""
    assert Spares(0, spawn).missing(is_allowed=True) == ""
