"""The first seconds of an authority: who may be shown what it knows, and when whoever was not heard is lost."""

from __future__ import annotations

from chat.membership.roll_call import RollCall

LASTS_S = 2.0


def test_who_begins_where_the_one_before_ended_shows_it_at_once() -> None:
    roll_call = RollCall(LASTS_S, is_sure=True)
    roll_call.note_hello(5)
    assert roll_call.may_show


def test_anybody_else_shows_nothing_from_the_first_session_on_until_the_time_is_over() -> None:
    roll_call = RollCall(LASTS_S, is_sure=False)
    roll_call.note_hello(0)
    assert roll_call.may_show
    assert not roll_call.ends(100.0, 50.0)
    roll_call.note_hello(1)
    assert not roll_call.may_show
    assert not roll_call.ends(101.9, 50.0)
    assert roll_call.ends(102.0, 50.0)
    assert roll_call.may_show
    assert not roll_call.ends(103.0, 50.0), "it ends once"


def test_the_time_counts_only_while_anything_is_heard() -> None:
    roll_call = RollCall(LASTS_S, is_sure=True)
    assert not roll_call.ends(100.0, None)
    assert not roll_call.ends(110.0, None)
    assert not roll_call.ends(111.0, 110.5)
    assert roll_call.ends(112.5, 110.5)
