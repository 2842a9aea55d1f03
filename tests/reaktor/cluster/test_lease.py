"""Who may take a lease, and for how long a holder may decide: rows and times alone, then many holders over one row."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaktor.cluster.lease import (
    BEAT_S,
    DECIDE_SHARE,
    GIVE_BACK_S,
    LEASE_S,
    RENEW_SHARE,
    TAKE_S,
    LeaseRow,
    OwnBeat,
    Standby,
    Tenure,
)

FREE = LeaseRow("", 7, "", 0)
HELD = LeaseRow("host a", 7, "term", 3)


def test_a_free_lease_may_be_taken_at_once() -> None:
    assert Standby("host b", LEASE_S, is_alone=True).may_take(FREE, 0.0)


def test_a_held_one_may_be_taken_when_the_row_has_stood_still_for_a_whole_lease() -> None:
    standby = Standby("host b", LEASE_S, is_alone=True)
    assert not standby.may_take(HELD, 10.0)
    assert not standby.may_take(HELD, 10.0 + LEASE_S - 0.1)
    assert not standby.may_take(replace(HELD, renewals=4), 10.0 + LEASE_S)
    assert not standby.may_take(replace(HELD, renewals=4), 10.1 + LEASE_S)
    assert standby.may_take(replace(HELD, renewals=4), 10.0 + 2 * LEASE_S)


def test_who_is_alone_under_its_name_need_not_wait_for_its_own_dead_predecessor() -> None:
    """A supervisor that was killed and starts again would serve nobody for three seconds."""
    assert Standby("host a", LEASE_S, is_alone=True).may_take(HELD, 0.0)
    assert not Standby("host a", LEASE_S, is_alone=False).may_take(HELD, 0.0)


def test_a_holder_decides_for_a_part_of_the_lease_that_it_was_granted_last() -> None:
    tenure = Tenure(HELD, 100.0, LEASE_S)
    assert (tenure.epoch, tenure.term) == (7, "term")
    assert tenure.left_s(100.0) == pytest.approx(DECIDE_SHARE * LEASE_S)
    assert tenure.left_s(100.01 + DECIDE_SHARE * LEASE_S) < 0
    assert tenure.age_s(100.5) == pytest.approx(0.5)
    tenure.renewed(101.0)
    assert tenure.left_s(101.0 + DECIDE_SHARE * LEASE_S / 2) > 0
    without_end = Tenure(HELD, 0.0, math.inf)
    assert (without_end.left_s(1e9), without_end.age_s(1e9)) == (math.inf, 0.0)


@dataclass
class Host:
    """One of several, with a clock of its own; what it asks may be answered late, or never."""

    name: str
    clock_s: float
    standby: Standby = field(init=False)
    tenure: Tenure | None = None
    taken: int = 0

    def __post_init__(self) -> None:
        self.standby = Standby(self.name, LEASE_S, is_alone=False)


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # who
        st.floats(0, LEASE_S),  # after how long
        st.floats(0, LEASE_S / 2),  # how long its question is on its way to the database
        st.booleans(),  # whether the answer comes back
        st.booleans(),  # whether it is cut from the bus
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_no_two_holders_ever_decide_at_once_however_late_the_answers_are(
    steps: list[tuple[int, float, float, bool, bool]],
) -> None:
    """Their clocks show other times and nobody compares them; the row is changed by compare-and-set."""
    hosts = [Host(f"host {number}", clock_s=1000.0 * number) for number in range(3)]
    row, now = FREE, 0.0
    for who, pause_s, late_s, is_answered, is_cut in steps:
        host = hosts[who]
        now += pause_s
        sent_at = now + host.clock_s
        now += late_s
        if host.tenure is not None and host.tenure.is_given_back:
            if row.term != host.tenure.term:
                host.tenure = None if is_answered else host.tenure
            elif not is_cut:
                row = replace(row, holder=host.name, renewals=row.renewals + 1)
                if is_answered:
                    host.tenure.resumed(sent_at)
        elif host.tenure is not None:
            if (row.holder, row.term) != (host.name, host.tenure.term):
                host.tenure = None if is_answered else host.tenure
            elif is_cut:
                host.tenure.give_back()
                row = replace(row, holder="")
            else:
                row = replace(row, renewals=row.renewals + 1)
                if is_answered:
                    host.tenure.renewed(sent_at)
        elif is_answered and not is_cut and host.standby.may_take(row, now + host.clock_s):
            host.taken += 1
            row = LeaseRow(host.name, row.epoch + 1, f"{host.name}, {host.taken}", 0)
            host.tenure = Tenure(row, now + host.clock_s, LEASE_S)
        deciding = [each for each in hosts if each.tenure is not None and each.tenure.left_s(now + each.clock_s) > 0]
        assert len(deciding) <= 1
        if deciding and deciding[0].tenure is not None:
            assert deciding[0].tenure.epoch == row.epoch, "an older epoch decides"


def test_who_is_not_heard_on_the_bus_gives_back_after_a_while_and_does_not_take() -> None:
    beat, now = OwnBeat(), 100.0
    beat.due(now)
    assert not beat.may_take(now), "it was never heard"
    beat.heard(now)
    assert beat.may_take(now + TAKE_S)
    while now < 100.0 + GIVE_BACK_S:
        assert not beat.must_give_back()
        now += BEAT_S
        beat.due(now)
    assert not beat.may_take(now)
    assert now < 100.0 + GIVE_BACK_S + 2 * BEAT_S
    beat.due(now + 0.1)
    assert beat.must_give_back()
    beat.heard(now + 0.2)
    assert beat.may_take(now + 0.2)
    assert not beat.must_give_back()


def test_a_process_that_stood_still_does_not_take_the_bus_for_dead() -> None:
    """Stopped for ten seconds it found nothing heard for ten seconds, before it had read what waited for it."""
    beat = OwnBeat()
    beat.due(100.0)
    beat.heard(100.0)
    assert not beat.must_give_back()
    beat.due(110.0)
    assert not beat.must_give_back()
    assert not beat.may_take(110.0)
    for number in range(1, 7):
        beat.due(110.0 + number * BEAT_S)
    assert beat.must_give_back()


def test_who_gave_it_back_does_not_decide_until_it_is_theirs_again() -> None:
    tenure = Tenure(HELD, 100.0, LEASE_S)
    tenure.give_back()
    tenure.renewed(100.5)
    assert tenure.left_s(100.5) <= 0, "an answer that came late"
    tenure.resumed(101.0)
    assert tenure.left_s(101.0) > 0


def test_a_renewal_may_fail_once_before_a_holder_has_to_wait() -> None:
    assert 2 * RENEW_SHARE < DECIDE_SHARE < 1
