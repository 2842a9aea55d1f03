"""What the authority makes of messages: who is heard, what is answered again, what is published."""

from __future__ import annotations

from chat.domain.ids import ChannelKey, CommandId, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending
from chat.membership.answers import WINDOW_S, WINDOW_SIZE, Answers
from chat.membership.beats import LOOK_EVERY, WHOLE_EVERY, BeatHeads, Ghosts
from chat.membership.blocks import BlockList
from chat.membership.decisions import SECOND_LOOK_S, Decisions
from chat.membership.protocol import (
    Block,
    Command,
    Connect,
    Disconnect,
    DropWorker,
    EndSessions,
    Hello,
    Join,
    Outcome,
    Position,
)
from chat.membership.state import MembershipState
from chat.membership.wire import Beat, Envelope, SyncRequest
from tests.support.membership import FIRST, LINGERS, SECOND, session_info

LOBBY = ChannelKey("lobby")
S1 = SessionId("s1")


def decisions(**limits: int) -> Decisions:
    return Decisions(MembershipState(5, **limits))


def greeted(**limits: int) -> Decisions:
    """One that has heard FIRST say Hello, and has published that."""
    made = decisions(**limits)
    made.sync(SyncRequest(FIRST, Envelope(CommandId("hello"), Hello(FIRST))), 0.0)
    made.collect()
    return made


def take(made: Decisions, command_id: str, command: Command, now: float = 0.0, sender: WorkerId | None = FIRST) -> None:
    made.take(sender, Envelope(CommandId(command_id), command), now)


def outcomes(made: Decisions) -> dict[str, str | None]:
    batch = made.collect()
    return {} if batch is None else {outcome.command_id: outcome.code for outcome in batch.outcomes}


def test_a_worker_is_not_answered_before_its_hello() -> None:
    made = decisions()
    take(made, "c1", Connect(session_info("s1")))
    assert made.collect() is None
    made.sync(SyncRequest(FIRST, Envelope(CommandId("hello"), Hello(FIRST))), 0.0)
    assert made.is_greeted(FIRST)
    take(made, "c1", Connect(session_info("s1")))
    assert outcomes(made) == {"hello": None, "c1": None}


def test_who_is_no_worker_needs_no_hello() -> None:
    made = decisions()
    take(made, "c1", EndSessions(UserId("ann"), 4503), sender=None)
    assert outcomes(made) == {"c1": None}


def test_a_dead_worker_is_refused_and_greeted_no_more() -> None:
    made = greeted()
    made.order(DropWorker(FIRST), 0.0)
    assert not made.is_greeted(FIRST)
    take(made, "c1", Join(S1, LOBBY))
    take(made, "hello2", Hello(FIRST))
    assert outcomes(made) == {"c1": "unavailable", "hello2": "unavailable"}
    assert not made.is_greeted(FIRST)


def test_one_batch_holds_everything_of_a_tick_in_order() -> None:
    made = greeted()
    take(made, "c1", Connect(session_info("s1")))
    take(made, "c2", Join(S1, LOBBY))
    take(made, "c3", Join(SessionId("nobody"), LOBBY))
    batch = made.collect()
    assert batch is not None
    assert (batch.epoch, batch.first_revision, len(batch.changes)) == (5, 1, 2)
    assert batch.outcomes == (
        Outcome(CommandId("c1")),
        Outcome(CommandId("c2")),
        Outcome(CommandId("c3"), "not_found"),
    )
    assert made.collect() is None
    assert made.heartbeat().first_revision == 3


def test_a_command_that_comes_again_is_answered_again_after_what_is_published() -> None:
    made = greeted()
    take(made, "c1", Connect(session_info("s1")))
    made.collect()
    take(made, "c2", Disconnect(S1, Ending.GOODBYE))
    take(made, "c1", Connect(session_info("s1")))
    batch = made.collect()
    assert batch is not None
    assert (batch.first_revision, len(batch.changes)) == (2, 1)
    assert not made.state.roster.sessions


def test_the_limit_of_sessions_is_looked_at_again_before_it_refuses() -> None:
    made = greeted(max_sessions_per_user=1)
    take(made, "c1", Connect(session_info("s1")))
    take(made, "c2", Connect(session_info("s2")))
    take(made, "c2", Connect(session_info("s2")))
    assert outcomes(made) == {"c1": None}
    made.tick(SECOND_LOOK_S - 0.1)
    assert outcomes(made) == {}
    made.tick(SECOND_LOOK_S)
    assert outcomes(made) == {"c2": "too_many_sessions"}
    take(made, "c2", Connect(session_info("s2")), SECOND_LOOK_S)
    assert outcomes(made) == {"c2": "too_many_sessions"}


def test_a_worker_that_died_meanwhile_makes_room_at_the_second_look() -> None:
    made = greeted(max_sessions_per_user=1)
    take(made, "hello2", Hello(SECOND), sender=SECOND)
    take(made, "c1", Connect(session_info("s1", worker=SECOND)), sender=SECOND)
    take(made, "c2", Connect(session_info("s2")))
    made.order(DropWorker(SECOND), 0.5)
    made.tick(SECOND_LOOK_S)
    assert outcomes(made)["c2"] is None


def test_heads_are_taken_from_workers_that_were_greeted() -> None:
    made = greeted()
    take(made, "c1", Connect(session_info("s1", grace=LINGERS)))
    take(made, "c2", Join(S1, LOBBY))
    for worker, head in ((FIRST, 7), (SECOND, 9)):
        made.beat(Beat(worker, Position(5, 2), "", {LOBBY: head}))
    made.order(DropWorker(FIRST), 10.0)
    take(made, "hello2", Hello(SECOND), sender=SECOND)
    take(made, "c3", Connect(session_info("s3", worker=SECOND, grace=LINGERS)), 10.0, SECOND)
    batch = made.collect()
    assert batch is not None
    assert batch.changes[-1].heads == {LOBBY: 7}  # type: ignore[union-attr]


def test_answers_are_forgotten_after_their_time_unless_they_are_asked_for() -> None:
    answers = Answers()
    for name in ("old", "asked"):
        answers.put(Outcome(CommandId(name)), 0.0)
    assert answers.get(CommandId("asked"), WINDOW_S - 1) is not None
    answers.put(Outcome(CommandId("new")), WINDOW_S + 1)
    assert answers.get(CommandId("old"), WINDOW_S + 1) is None
    assert answers.get(CommandId("asked"), WINDOW_S + 1) is not None


def test_there_are_never_more_answers_than_the_window_is_large() -> None:
    answers = Answers()
    for number in range(WINDOW_SIZE + 10):
        answers.put(Outcome(CommandId(str(number))), 0.0)
    assert len(answers) == WINDOW_SIZE


def test_a_lifted_block_that_ends_later_takes_no_newer_one_with_it() -> None:
    blocks = BlockList()
    blocks.put(Block(UserId("ann"), None, 10.0))
    blocks.put(Block(UserId("ann"), None, 99.0))
    blocks.sweep(10.0)
    assert len(blocks) == 1
    blocks.sweep(99.0)
    assert len(blocks) == 0


def test_beats_tell_what_moved_and_now_and_then_everything() -> None:
    beats = BeatHeads()
    news = ChannelKey("news")
    assert beats.next({LOBBY: 1, news: 1}) == ({LOBBY: 1, news: 1}, True)
    assert beats.next({LOBBY: 2, news: 1}) == ({LOBBY: 2}, False)
    for _ in range(WHOLE_EVERY - 2):
        assert beats.next({LOBBY: 2, news: 1}) == ({}, False)
    assert beats.next({LOBBY: 2, news: 1}) == ({LOBBY: 2, news: 1}, True)
    beats.forget()
    assert beats.next({LOBBY: 2}) == ({LOBBY: 2}, True)


def test_what_an_early_beat_told_the_next_one_does_not_tell_again() -> None:
    beats = BeatHeads()
    assert beats.next({LOBBY: 1}) == ({LOBBY: 1}, True)
    assert beats.early({LOBBY: 101}) == {LOBBY: 101}
    assert beats.next({LOBBY: 101}) == ({}, False)


def test_a_ghost_is_who_was_a_stranger_twice_in_a_row() -> None:
    ghosts = Ghosts()
    assert [ghosts.is_time() for _ in range(LOOK_EVERY)] == [False] * (LOOK_EVERY - 1) + [True]
    shown = {S1, SessionId("s2"), SessionId("s3")}
    assert ghosts.look(shown, {S1}) == set()
    assert ghosts.look(shown, {S1, SessionId("s2")}) == {"s3"}
