"""A run goes on when something fails, or hangs."""

from __future__ import annotations

import signal
import time

import pytest

from benchmarks.journal import Journal, time_limit


def test_what_fails_is_noted_and_nothing_is_raised() -> None:
    journal = Journal()

    def fail() -> int:
        raise OSError("no Node\nhere")

    assert journal.measure("theirs", fail) is None
    assert journal.failures == {"theirs": "OSError: no Node here"}


def test_what_succeeds_is_returned() -> None:
    journal = Journal()
    assert journal.measure("ours", lambda: 7) == 7
    assert journal.failures == {}


def test_what_hangs_is_ended_at_its_limit() -> None:
    journal = Journal()
    journal.measure("hangs", lambda: time.sleep(60), limit_s=0.05)
    assert "TimeoutError" in journal.failures["hangs"]


def test_a_limit_leaves_no_alarm_behind() -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(ValueError, match="inside"), time_limit(60):
        raise ValueError("inside")
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
