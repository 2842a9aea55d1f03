"""The rules of the membership, one by one. What holds for all of them together is in tests/property."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from chat.domain.ids import SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, LeftReason, Status
from chat.membership.keep import DEAD_PER_SLOT, DeadWorkers
from chat.membership.protocol import (
    AnnouncedSession,
    Block,
    Connect,
    Connected,
    Disconnect,
    Disconnected,
    DropWorker,
    Hello,
    Join,
    Joined,
    Leave,
    Left,
    Lingering,
    Tick,
)
from tests.support.membership import FIRST, LINGERS, SECOND, session_info
from tests.support.told import ANN, LOBBY, NEWS, S1, S2, Told


def test_each_change_raises_the_revision_by_one_and_nothing_else_does() -> None:
    told = Told()
    told.connect("s1")
    told.accept(Join(S1, LOBBY))
    told.accept(Join(S1, LOBBY))
    assert told.refuse(Join(S2, LOBBY)) == "not_found"
    assert told.state.position == (7, 2)


def test_a_session_is_in_no_more_channels_than_allowed() -> None:
    told = Told(max_channels_per_session=1)
    told.connect("s1")
    told.accept(Join(S1, LOBBY))
    assert told.refuse(Join(S1, NEWS)) == "conflict"
    told.accept(Join(S1, LOBBY))


def test_a_connect_that_comes_after_its_disconnect_makes_no_ghost() -> None:
    told = Told()
    told.accept(Disconnect(S1))
    assert told.refuse(Connect(session_info("s1"))) == "conflict"


def test_a_connect_that_comes_twice_is_accepted_twice_and_makes_one_session() -> None:
    told = Told()
    told.connect("s1")
    assert told.connect("s1") == ()


def test_a_block_everywhere_ends_the_sessions_with_its_reason_and_refuses_new_ones() -> None:
    told = Told()
    told.connect("s1")
    block = Block(ANN, None, told.now + 60, "banned", "spam")
    assert told.accept(block) == (Disconnected(S1, LeftReason.REMOVED, 4502, "spam"),)
    assert told.refuse(Connect(session_info("s2"))) == "banned"
    told.wait(60)
    told.connect("s2")


def test_a_blocked_channel_is_not_among_those_that_come_back() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    for channel in (LOBBY, NEWS):
        told.accept(Join(S1, channel))
    told.accept(Disconnect(S1))
    told.wait(10)
    told.accept(Block(ANN, LOBBY, told.now + 1))
    told.wait(2)
    assert told.connect("s2", grace=LINGERS)[0].channels == {NEWS}  # type: ignore[union-attr]


def test_a_block_whose_time_is_over_does_nothing() -> None:
    told = Told()
    told.connect("s1")
    assert told.accept(Block(ANN, None, told.now)) == ()


def test_a_later_end_replaces_an_earlier_one() -> None:
    told = Told()
    told.accept(Block(ANN, None, told.now + 1))
    told.accept(Block(ANN, None, told.now + 100))
    told.wait(50)
    assert told.refuse(Connect(session_info("s1"))) == "banned"


def test_a_dead_worker_loses_its_sessions_and_its_voice() -> None:
    told = Told()
    told.connect("s1", worker=FIRST)
    told.connect("s2", "bob", worker=FIRST, grace=LINGERS)
    told.connect("s3", "eve", worker=SECOND)
    assert told.accept(DropWorker(FIRST)) == (Disconnected(S1), Lingering(S2, told.now + 8))
    assert told.refuse(Disconnect(S2, Ending.GOODBYE), FIRST) == "unavailable"
    assert told.refuse(Connect(session_info("s4", worker=FIRST))) == "unavailable"
    assert told.refuse(Hello(FIRST)) == "unavailable"
    told.connect("s5", "bob", worker=WorkerId(1, 1, 0, 2), grace=LINGERS)


def test_an_older_incarnation_may_outlive_a_newer_one() -> None:
    told = Told()
    told.accept(DropWorker(WorkerId(1, 1, 0, 2)))
    told.connect("s1", worker=WorkerId(1, 1, 0, 1))


def test_the_memory_of_dead_incarnations_is_bounded_and_forgets_none() -> None:
    dead = DeadWorkers()
    for incarnation in range(1, 3 * DEAD_PER_SLOT):
        dead.add(WorkerId(1, 1, 0, incarnation))
    assert all(WorkerId(1, 1, 0, incarnation) in dead for incarnation in range(1, 3 * DEAD_PER_SLOT))
    assert WorkerId(1, 1, 0, 3 * DEAD_PER_SLOT) not in dead
    assert WorkerId(1, 1, 1, 1) not in dead


def test_hello_makes_the_picture_of_a_worker_what_it_announced() -> None:
    told = Told()
    told.connect("s1")
    told.connect("s2", "bob", grace=LINGERS)
    told.accept(Join(S1, NEWS))
    news = session_info("s3", "eve")
    hello = Hello(
        FIRST,
        (
            AnnouncedSession(session_info("s1"), Status.AWAY, frozenset({LOBBY})),
            AnnouncedSession(news, Status.ONLINE, frozenset({LOBBY})),
        ),
    )
    changes = told.accept(hello)
    assert set(map(type, changes)) == {Lingering, Left, Joined, type(changes[-2]), Connected}
    assert Connected(news, frozenset({LOBBY})) in changes
    assert told.state.roster.sessions[S1].channels == {LOBBY}
    assert told.state.roster.sessions[S1].status is Status.AWAY
    assert not told.state.roster.sessions[S2].is_live
    assert told.accept(hello) == ()


def test_a_hello_leaves_to_its_connect_who_is_just_connecting() -> None:
    """A client that came while another authority took over was announced in no channel, and lost its place."""
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    told.accept(Disconnect(S1))
    again, more = session_info("s2", grace=LINGERS, since=session_info("s1").since + 1), session_info("s3", "eve")
    told.accept(Connect(more))
    told.accept(Join(more.session_id, LOBBY))
    announced = [AnnouncedSession(each, Status.ONLINE, frozenset(), is_connecting=True) for each in (again, more)]
    assert told.accept(Hello(FIRST, tuple(announced))) == ()
    assert told.state.roster.sessions[more.session_id].channels == {LOBBY}, "its worker has not heard of that yet"
    told.accept(Connect(again))
    assert told.state.roster.sessions[S2].channels == {LOBBY}


def test_hello_brings_back_neither_the_blocked_nor_those_who_ended_here() -> None:
    told = Told()
    told.accept(Block(ANN, None, None))
    told.accept(Disconnect(S2))
    sessions = tuple(
        AnnouncedSession(session_info(session, user), Status.ONLINE, frozenset())
        for session, user in (("s1", "ann"), ("s2", "bob"))
    )
    assert told.accept(Hello(FIRST, sessions)) == ()


def test_leaving_twice_changes_nothing_the_second_time() -> None:
    told = Told()
    told.connect("s1")
    told.accept(Join(S1, LOBBY))
    assert told.accept(Leave(S1, LOBBY)) == (Left(S1, LOBBY),)
    assert told.accept(Leave(S1, LOBBY)) == ()


def test_a_tick_costs_nothing_however_many_sessions_there_are() -> None:
    told = Told()
    for number in range(5_000):
        told.state.apply(Connect(session_info(f"s{number}", f"u{number}", grace=LINGERS)), told.now)
    started = time.perf_counter()
    for _ in range(1_000):
        told.state.apply(Tick(), told.now)
    assert time.perf_counter() - started < 0.5


def test_the_sessions_of_a_user_join_in_one_change_and_nobody_elses_with_them() -> None:
    told = Told()
    for session, user in (("s1", "ann"), ("s2", "ann"), ("s3", "bob")):
        told.connect(session, user)
    others = (S2, S2, SessionId("s3"), S1, SessionId("gone"))
    assert told.accept(Join(S1, NEWS, 7, others)) == (Joined(S1, NEWS, (S2,)),)
    assert told.accept(Join(S2, NEWS, 7, (S1,))) == ()


# invariants(), on which the property tests rely


def lives_on_a_dead_worker(told: Told) -> None:
    told.state.roster.apply(Connected(session_info("s9", "bob", SECOND)))


def lingers_and_is_not_kept(told: Told) -> None:
    told.state.roster.apply(Lingering(S1, told.now + 5))


def is_in_too_many_channels(told: Told) -> None:
    told.state.roster.apply(Joined(S1, NEWS))


def is_there_in_spite_of_a_block(told: Told) -> None:
    told.accept(Block(UserId("bob"), None, None))
    told.state.roster.apply(Connected(session_info("s9", "bob")))


def is_a_member_in_spite_of_a_block(told: Told) -> None:
    told.accept(Leave(S1, LOBBY))
    told.accept(Block(ANN, NEWS, None))
    told.state.roster.apply(Joined(S1, NEWS))


def has_left_an_index(told: Told) -> None:
    told.state.roster.channels.clear()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lives_on_a_dead_worker, "lives on a dead worker"),
        (lingers_and_is_not_kept, "lingers and is not kept"),
        (is_in_too_many_channels, "more channels than are allowed"),
        (is_there_in_spite_of_a_block, "blocked everywhere and still here"),
        (is_a_member_in_spite_of_a_block, "a member where a block holds"),
        (has_left_an_index, "the members of the channels are not"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_state_that_contradicts_itself_is_noticed(spoil: Callable[[Told], None], sentence: str) -> None:
    told = Told(max_channels_per_session=1)
    told.connect("s1")
    told.accept(Join(S1, LOBBY))
    told.accept(DropWorker(SECOND))
    spoil(told)
    with pytest.raises(AssertionError, match=sentence):
        told.state.invariants()
