"""A host that falls silent is lost and not dead; one that begins another life is dead, all that was before it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.ids import ChannelKey, CommandId, SessionId, UserId, WorkerId
from chat.domain.sessions import Credentials, Ending, Status
from chat.membership.decisions import Decisions
from chat.membership.keep import DeadWorkers
from chat.membership.places import Place
from chat.membership.protocol import (
    AnnouncedSession,
    BeginLife,
    Block,
    Connect,
    Connected,
    Disconnect,
    Disconnected,
    EndSessions,
    Hello,
    Join,
    Left,
    Lingering,
    LoseHost,
    SetStatus,
)
from chat.membership.state import MembershipState
from chat.membership.wire import Envelope, HostBeat, SyncRequest
from tests.support.membership import FIRST, LINGERS, NO_GRACE, session_info
from tests.support.told import ANN, LOBBY, NEWS, S1, S2, Told

ELSEWHERE = WorkerId(2, 1, 0, 1)


def announced(told: Told, worker: WorkerId) -> Hello:
    """What that worker says of its sessions, as they are now."""
    mine = told.state.roster.workers.get(worker, {}).values()
    return Hello(worker, tuple(AnnouncedSession(each.info, each.status, frozenset(each.channels)) for each in mine))


def shown(told: Told) -> dict[SessionId, tuple[Status, frozenset[ChannelKey], bool]]:
    sessions = told.state.roster.sessions
    return {key: (each.status, frozenset(each.channels), each.is_live) for key, each in sessions.items()}


def two_hosts() -> tuple[Told, Hello]:
    """Ann's native session and Bob's Socket.IO one on a host; Eve on another."""
    told = Told()
    told.connect("s1", worker=ELSEWHERE)
    told.connect("s2", "bob", worker=ELSEWHERE, grace=LINGERS)
    told.connect("s3", "eve", worker=FIRST)
    for session in (S1, S2):
        told.accept(Join(session, LOBBY))
    return told, announced(told, ELSEWHERE)


def test_its_sessions_are_lost_as_after_any_loss_and_those_of_others_stay() -> None:
    told, _ = two_hosts()
    assert told.accept(LoseHost(2)) == (Disconnected(S1), Lingering(S2, told.now + 8))
    assert told.accept(LoseHost(2)) == ()
    assert told.state.roster.sessions[SessionId("s3")].is_live
    assert not told.state.is_dead(ELSEWHERE)


@pytest.mark.parametrize("silent_s", [1.0, 30.0])
def test_its_hello_brings_back_what_nobody_has_taken_over(silent_s: float) -> None:
    told, hello = two_hosts()
    before = shown(told)
    told.accept(LoseHost(2))
    told.wait(silent_s)
    changes = told.accept(hello)
    assert shown(told) == before
    assert all(isinstance(change, Connected) for change in changes)
    assert not any(isinstance(change, Left) for change in changes)
    assert told.wait(20.0) == ()
    assert shown(told) == before


def test_who_came_back_elsewhere_meanwhile_is_not_brought_back() -> None:
    told, hello = two_hosts()
    told.accept(LoseHost(2))
    told.connect("s4", "bob", worker=FIRST, grace=LINGERS, resume="s2")
    told.accept(hello)
    assert S2 not in told.state.roster.sessions
    assert told.state.roster.sessions[SessionId("s4")].channels == {LOBBY}


@pytest.mark.parametrize("after_s", [0.0, 20.0], ids=["lingers", "kept"])
@pytest.mark.parametrize(
    "ending", [EndSessions(UserId("bob"), 4503), Disconnect(S2, Ending.GOODBYE), Block(UserId("bob"), None, None)]
)
def test_who_was_ended_meanwhile_stays_so(ending: EndSessions | Disconnect | Block, after_s: float) -> None:
    told, hello = two_hosts()
    told.accept(LoseHost(2))
    told.wait(after_s)
    told.accept(ending)
    told.accept(hello)
    assert S2 not in told.state.roster.sessions
    assert S1 in told.state.roster.sessions


def test_a_session_without_a_place_that_was_ended_meanwhile_stays_so_too() -> None:
    told, hello = two_hosts()
    told.accept(LoseHost(2))
    told.accept(EndSessions(ANN, 4503))
    told.accept(hello)
    assert S1 not in told.state.roster.sessions
    assert S2 in told.state.roster.sessions


@pytest.mark.parametrize("lost_s", [1.0, 20.0], ids=["lingers", "kept"])
def test_a_session_read_from_its_place_is_live_when_its_worker_says_so(lost_s: float) -> None:
    """The authority before was on another host, and the worker lives on: it was told that its sessions had ended."""
    told = Told()
    info = session_info("s2", "bob", ELSEWHERE, grace=LINGERS, since=told.now - 60)
    place = Place(info, Status.ONLINE, {LOBBY: 5}, Credentials(1, ""), lost_at=told.now - lost_s)
    told.state.restore([place], told.now)
    told.accept(Hello(ELSEWHERE, (AnnouncedSession(info, Status.ONLINE, frozenset({LOBBY})),)))
    assert shown(told) == {S2: (Status.ONLINE, frozenset({LOBBY}), True)}
    told.wait(200.0)
    assert shown(told) == {S2: (Status.ONLINE, frozenset({LOBBY}), True)}


def test_a_place_that_was_lost_by_a_clock_that_is_ahead_was_lost_by_now() -> None:
    """It was shown in its channels for an hour, and stood before every place that was lost after it."""
    told = Told()
    info = session_info("s2", "bob", ELSEWHERE, grace=LINGERS, since=told.now)
    place = Place(info, Status.ONLINE, {LOBBY: 5}, Credentials(1, ""), lost_at=told.now + 3_600)
    told.state.restore([place], told.now)
    told.wait(LINGERS.quit_s + 0.1)
    assert shown(told) == {}


def test_a_new_life_ends_all_that_was_before_it() -> None:
    told, hello = two_hosts()
    assert told.accept(BeginLife(2, 2)) == (Disconnected(S1), Lingering(S2, told.now + 8))
    assert told.refuse(hello) == "unavailable"
    assert told.refuse(Connect(session_info("s5", worker=ELSEWHERE))) == "unavailable"
    told.connect("s5", worker=WorkerId(2, 2, 0, 1))
    assert told.accept(BeginLife(2, 1)) == ()


def test_a_later_life_forgets_whose_death_does_not_matter_any_more() -> None:
    dead = DeadWorkers()
    dead.add(WorkerId(2, 1, 0, 1))
    dead.add(WorkerId(3, 1, 0, 1))
    dead.begin(2, 2)
    assert WorkerId(2, 1, 0, 9) in dead
    assert WorkerId(2, 2, 0, 1) not in dead
    assert WorkerId(3, 1, 0, 1) in dead
    dead.add(WorkerId(2, 1, 5, 5))
    assert WorkerId(2, 2, 5, 5) not in dead


# What the authority makes of what a supervisor says


def greeted() -> Decisions:
    made = Decisions(MembershipState(5))
    for worker in (FIRST, ELSEWHERE):
        made.sync(SyncRequest(worker, Envelope(CommandId(f"hello {worker}"), Hello(worker))), 0.0)
    return made


def test_a_beat_of_a_new_life_drops_the_workers_of_the_former_ones() -> None:
    made = greeted()
    made.take(ELSEWHERE, Envelope(CommandId("c1"), Connect(session_info("s1", worker=ELSEWHERE))), 0.0)
    made.host_beat(HostBeat(2, 1), 0.0)
    assert made.is_greeted(ELSEWHERE)
    made.host_beat(HostBeat(2, 2), 0.0)
    assert not made.is_greeted(ELSEWHERE)
    assert made.is_greeted(FIRST)
    assert made.state.is_dead(ELSEWHERE)
    assert not made.state.roster.sessions


def test_a_beat_says_which_workers_have_ended_as_often_as_it_likes() -> None:
    made = greeted()
    made.take(ELSEWHERE, Envelope(CommandId("c1"), Connect(session_info("s1", worker=ELSEWHERE))), 0.0)
    for _ in range(2):
        made.host_beat(HostBeat(2, 1, (ELSEWHERE,)), 0.0)
        assert made.state.is_dead(ELSEWHERE)
        assert made.state.revision == 2


def test_a_worker_of_a_later_life_is_news_enough() -> None:
    made = greeted()
    later = WorkerId(2, 2, 0, 1)
    made.sync(SyncRequest(later, Envelope(CommandId("hello later"), Hello(later))), 0.0)
    assert made.is_greeted(later)
    assert made.state.is_dead(ELSEWHERE)


def test_a_lost_host_has_to_say_hello_again() -> None:
    made = greeted()
    made.order(LoseHost(2), 0.0)
    assert not made.is_greeted(ELSEWHERE)
    assert made.is_greeted(FIRST)


@given(
    people=st.lists(
        st.tuples(
            st.sampled_from([ANN, UserId("bob")]),
            st.sampled_from([FIRST, ELSEWHERE, WorkerId(2, 1, 1, 4)]),
            st.booleans(),
            st.booleans(),
            st.frozensets(st.sampled_from([LOBBY, NEWS])),
        ),
        max_size=8,
    ),
    silent_s=st.floats(0.0, 200.0),
)
def test_a_host_that_is_heard_again_is_as_it_was_however_long_it_was_silent(
    people: list[tuple[UserId, WorkerId, bool, bool, frozenset[ChannelKey]]], silent_s: float
) -> None:
    told = Told()
    for number, (user, worker, lingers, is_away, channels) in enumerate(people):
        session, grace = SessionId(f"s{number}"), LINGERS if lingers else NO_GRACE
        # Of a kind of their own: nobody is taken for the client of a session that is lost.
        info = session_info(session, user, worker, grace=grace, since=told.now, marks=session)
        told.accept(Connect(info))
        for channel in sorted(channels):
            told.accept(Join(session, channel))
        if is_away:
            told.accept(SetStatus(session, Status.AWAY))
    before = shown(told)
    hellos = [announced(told, worker) for worker in (ELSEWHERE, WorkerId(2, 1, 1, 4))]
    told.accept(LoseHost(2))
    told.wait(silent_s)
    for hello in hellos:
        told.accept(hello)
    assert shown(told) == before
