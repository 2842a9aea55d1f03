"""The schedule is a function of its seed, and leaves nothing out."""

from __future__ import annotations

from itertools import pairwise

from tests.faults.schedule import TEMPLATES, Fault, Kind, Role, schedule


def test_a_seed_gives_the_same_schedule_again_and_another_seed_another_one() -> None:
    assert schedule(7, 60, 1800) == schedule(7, 60, 1800)
    assert schedule(7, 60, 1800) != schedule(8, 60, 1800)


def test_no_fault_comes_again_before_all_have_come() -> None:
    drawn = schedule(1, len(TEMPLATES), 600)
    met = {(each.kind, each.target, each.other, each.is_silent, each.is_behind) for each in drawn}
    assert met == {(each.kind, each.target, each.other, each.is_silent, each.is_behind) for each in TEMPLATES}
    assert {each.kind for each in drawn} == set(Kind)


def test_faults_are_numbered_and_follow_each_other_within_the_time() -> None:
    drawn = schedule(3, 20, 600)
    assert [each.number for each in drawn] == list(range(1, 21))
    assert all(one.at_s < next_one.at_s for one, next_one in pairwise(drawn))
    assert drawn[-1].at_s < 600


def test_what_this_machine_can_not_do_is_left_out() -> None:
    drawn = schedule(3, 60, 600, without={Kind.CLOCK_STEPPED})
    assert len(drawn) == 60
    assert Kind.CLOCK_STEPPED not in {each.kind for each in drawn}


def test_a_fault_is_printed_in_words() -> None:
    fault = Fault(Kind.CUT_FROM_HOST, Role.HOLDER, Role.SECOND, for_s=8.0, is_silent=True)
    assert str(fault).split("  ")[-1] == (
        "the host that decides is cut off the second of the others, without a word for 8 s"
    )
