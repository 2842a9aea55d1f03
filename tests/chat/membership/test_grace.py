"""How sessions end, linger, are kept and are taken over."""

from __future__ import annotations

from typing import Any

import pytest

from chat.domain.ids import CommandId, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, LeftReason, Naming, SessionInfo, Status, Transport
from chat.membership import wire
from chat.membership.decisions import Decisions
from chat.membership.keep import COPIED_PER_USER
from chat.membership.protocol import (
    Block,
    Connect,
    Connected,
    Disconnect,
    Disconnected,
    DropWorker,
    EndSession,
    EndSessions,
    Hello,
    Join,
    Joined,
    Left,
    Lingering,
    SetStatus,
)
from tests.support.membership import FIRST, LINGERS, SECOND, session_info
from tests.support.told import ANN, LOBBY, NEWS, S1, S2, Told


def test_a_native_session_that_is_lost_is_gone_at_once_and_nothing_is_kept() -> None:
    told = Told()
    told.connect("s1")
    told.accept(Join(S1, LOBBY))
    assert told.accept(Disconnect(S1)) == (Disconnected(S1, LeftReason.QUIT),)
    assert told.connect("s2")[0].channels == frozenset()  # type: ignore[union-attr]


def test_a_lost_socketio_session_lingers_then_quits_then_is_forgotten() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    assert told.accept(Disconnect(S1)) == (Lingering(S1, told.now + 8),)
    assert told.wait(7.9) == ()
    assert told.wait(0.1) == (Disconnected(S1, LeftReason.QUIT),)
    told.wait(52.1)
    connected = told.connect("s2", grace=LINGERS)[0]
    assert isinstance(connected, Connected)
    assert connected.took_over is None


def test_a_new_session_takes_a_lingering_one_over_with_its_channels_heads_and_status() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    told.accept(SetStatus(S1, Status.AWAY))
    told.accept(Disconnect(S1, heads={LOBBY: 5, NEWS: 9}))
    told.now += 1
    changes = told.connect("s2", worker=SECOND, grace=LINGERS)
    info = session_info("s2", "ann", SECOND, grace=LINGERS, since=told.now)
    assert changes == (Connected(info, frozenset({LOBBY}), S1, {LOBBY: 5}, Status.AWAY),)
    assert told.wait(100) == ()


def test_after_the_quit_was_told_the_channels_are_still_kept() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    told.accept(Disconnect(S1, heads={LOBBY: 5}))
    told.wait(20)
    (connected,) = told.connect("s2", grace=LINGERS)
    assert isinstance(connected, Connected)
    assert (connected.channels, connected.took_over, connected.heads) == ({LOBBY}, S1, {LOBBY: 5})


def test_the_session_that_ended_last_is_taken_over_and_only_that_one() -> None:
    told = Told()
    for session in ("s1", "s2"):
        told.connect(session, grace=LINGERS)
    for session_id in (S1, S2):
        told.now += 1
        told.accept(Disconnect(session_id))
    assert [told.connect(s, grace=LINGERS)[0].took_over for s in ("s3", "s4", "s5")] == [S2, S1, None]  # type: ignore[union-attr]


def test_resume_names_the_session_to_take_over() -> None:
    told = Told()
    for session in ("s1", "s2"):
        told.connect(session, grace=LINGERS)
    for session_id in (S1, S2):
        told.now += 1
        told.accept(Disconnect(session_id))
    assert told.connect("s3", grace=LINGERS, resume="s1")[0].took_over == S1  # type: ignore[union-attr]


def test_resume_may_name_the_part_of_an_id_before_the_dot() -> None:
    told = Told()
    names = ("private.1", "private.2", "other.1")
    for session in names:
        told.connect(session, grace=LINGERS)
    for session in names:
        told.now += 1
        told.accept(Disconnect(SessionId(session)))
    assert told.connect("new.1", grace=LINGERS, resume="private")[0].took_over == "private.2"  # type: ignore[union-attr]


def test_a_client_that_is_back_before_its_end_was_noticed_takes_over_its_own_live_session() -> None:
    told = Told(max_sessions_per_user=1)
    told.connect("private.1", grace=LINGERS)
    told.accept(Join(SessionId("private.1"), LOBBY))
    lingering, connected = told.connect("private.2", grace=LINGERS, resume="private")
    assert isinstance(lingering, Lingering)
    assert (connected.took_over, connected.channels) == ("private.1", {LOBBY})  # type: ignore[union-attr]
    # The old connection's end, when it is noticed at last, is nobody's.
    assert told.accept(Disconnect(SessionId("private.1"))) == ()
    assert told.wait(LINGERS.keep_s) == ()


def test_nobody_takes_over_the_session_of_another_user() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Disconnect(S1))
    assert told.refuse(Connect(session_info("s2", "eve", grace=LINGERS), S1)) == "not_found"
    assert told.connect("s2", "eve", grace=LINGERS)[0].took_over is None  # type: ignore[union-attr]
    assert told.refuse(Connect(session_info("s3", "bob", grace=LINGERS), S2)) == "not_found"


def test_who_names_a_session_that_is_not_there_is_refused_and_takes_no_other() -> None:
    told = Told()
    told.connect("other.1", grace=LINGERS)
    told.accept(Disconnect(SessionId("other.1")))
    assert told.refuse(Connect(session_info("s2", grace=LINGERS), SessionId("none"))) == "not_found"
    assert told.connect("s2", grace=LINGERS)[0].took_over == "other.1"  # type: ignore[union-attr]


def test_a_browser_tab_does_not_walk_into_the_channels_of_a_lost_socketio_client() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Disconnect(S1))
    assert session_info("s2").transport is Transport.NATIVE
    assert told.connect("s2")[0].took_over is None  # type: ignore[union-attr]
    assert told.connect("s3", grace=LINGERS)[0].took_over == S1  # type: ignore[union-attr]


def test_a_goodbye_ends_a_lingering_session_and_what_was_kept_of_it() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Disconnect(S1))
    assert told.accept(Disconnect(S1, Ending.GOODBYE)) == (Disconnected(S1),)
    assert told.connect("s2", grace=LINGERS)[0].took_over is None  # type: ignore[union-attr]


def test_a_named_session_is_forgotten_when_its_grace_is_over() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Disconnect(S1))
    told.wait(60.1)
    assert told.refuse(Connect(session_info("s2", grace=LINGERS), S1)) == "not_found"


# Whose place a client gets that names none


def lose_both(told: Told, *, first: SessionInfo, second: SessionInfo) -> None:
    """Two sessions of ann, the first in the lobby and the second in news, lost in the same moment."""
    for info, channel in ((first, LOBBY), (second, NEWS)):
        told.accept(Connect(info))
        told.accept(Join(info.session_id, channel))
    told.accept(DropWorker(FIRST))


def back(told: Told, session: str, resume: SessionId | None = None, **looks: Any) -> Connected:
    """What a client of ann that comes back on another worker gets."""
    info = session_info(session, grace=LINGERS, since=told.now, **{"worker": SECOND, **looks})
    (connected,) = told.accept(Connect(info, resume))
    assert isinstance(connected, Connected)
    return connected


@pytest.mark.parametrize("old_one_first", [True, False])
@pytest.mark.parametrize("lost_first", ["old", "new"])
def test_a_client_that_can_name_nothing_never_gets_the_place_of_one_that_can(
    lost_first: str, old_one_first: bool
) -> None:
    told = Told()
    old = session_info("old.1", grace=LINGERS, naming=Naming.NEVER)
    new = session_info("new.1", grace=LINGERS, naming=Naming.PERHAPS)
    first, second = (old, new) if lost_first == "old" else (new, old)
    lose_both(told, first=first, second=second)

    def old_comes() -> None:
        assert back(told, "old.2", naming=Naming.NEVER).took_over == "old.1"

    def new_comes() -> None:
        assert back(told, "new.2", SessionId("new"), naming=Naming.ALWAYS).took_over == "new.1"

    for comes in (old_comes, new_comes) if old_one_first else (new_comes, old_comes):
        comes()
    assert told.state.roster.channels.keys() == {LOBBY, NEWS}


def test_with_its_own_place_gone_an_old_client_gets_none_and_the_new_one_keeps_its_own() -> None:
    told = Told()
    told.accept(Connect(session_info("new.1", grace=LINGERS, naming=Naming.PERHAPS)))
    told.accept(Disconnect(SessionId("new.1")))
    assert back(told, "old.1", naming=Naming.NEVER).took_over is None
    assert back(told, "new.2", SessionId("new"), naming=Naming.ALWAYS).took_over == "new.1"


def test_of_two_clients_of_one_generation_each_gets_the_place_with_its_marks() -> None:
    told = Told()
    first = session_info("a.1", grace=LINGERS, naming=Naming.PERHAPS, marks="a")
    second = session_info("b.1", grace=LINGERS, naming=Naming.PERHAPS, marks="b")
    lose_both(told, first=first, second=second)
    assert back(told, "a.2", naming=Naming.PERHAPS, marks="a").channels == {LOBBY}
    assert back(told, "b.2", naming=Naming.PERHAPS, marks="b").channels == {NEWS}


def test_the_log_in_tells_more_than_the_marks() -> None:
    told = Told()
    first = session_info("a.1", grace=LINGERS, naming=Naming.NEVER, marks="a", login="phone")
    second = session_info("b.1", grace=LINGERS, naming=Naming.NEVER, marks="b", login="desk")
    lose_both(told, first=first, second=second)
    assert back(told, "a.2", naming=Naming.NEVER, marks="b", login="phone").channels == {LOBBY}


def test_the_place_of_a_client_that_would_have_named_it_is_the_last_to_be_guessed() -> None:
    told = Told()
    known = session_info("known.1", grace=LINGERS, naming=Naming.ALWAYS)
    other = session_info("other.1", grace=LINGERS, naming=Naming.PERHAPS)
    lose_both(told, first=other, second=known)
    told.wait(1)
    assert back(told, "other.2", naming=Naming.PERHAPS).channels == {LOBBY}


def test_a_wrong_guess_takes_nothing_from_the_client_that_names_its_session() -> None:
    """Nothing on the wire tells a client of 4.5 from one of 4.8 that comes for the first time."""
    told = Told()
    told.accept(Connect(session_info("new.1", grace=LINGERS, naming=Naming.PERHAPS)))
    told.accept(Join(SessionId("new.1"), LOBBY))
    told.accept(Disconnect(SessionId("new.1"), heads={LOBBY: 5}))
    guessed = back(told, "tab.1", naming=Naming.PERHAPS)
    assert (guessed.channels, guessed.heads) == ({LOBBY}, {LOBBY: 5})
    assert back(told, "tab.2", naming=Naming.PERHAPS).took_over is None, "one copy is enough"
    again = back(told, "new.2", SessionId("new"), naming=Naming.ALWAYS)
    assert (again.channels, again.heads, again.took_over) == ({LOBBY}, {LOBBY: 5}, "new.1")


def test_who_was_given_another_clients_place_comes_back_to_its_own_when_that_client_is_back() -> None:
    told = Told()
    new = session_info("new.1", grace=LINGERS, naming=Naming.PERHAPS)
    older = session_info("older.1", grace=LINGERS, naming=Naming.PERHAPS)
    lose_both(told, first=new, second=older)
    assert back(told, "older.2", naming=Naming.PERHAPS).channels == {LOBBY}, "a guess, and a wrong one"
    info = session_info("new.2", worker=SECOND, grace=LINGERS, since=told.now, naming=Naming.ALWAYS)
    connected, ended = told.accept(Connect(info, SessionId("new")))
    assert isinstance(connected, Connected)
    assert (connected.channels, connected.took_over) == ({LOBBY}, "new.1")
    assert isinstance(ended, Disconnected)
    assert (ended.session_id, ended.close_code) == ("older.2", 4004)
    assert back(told, "older.3", naming=Naming.PERHAPS).channels == {NEWS}
    assert told.state.roster.channels.keys() == {LOBBY, NEWS}


def test_a_client_that_named_a_session_that_is_gone_is_not_given_another_ones() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Disconnect(S1))
    assert back(told, "new.2", naming=Naming.ALWAYS).took_over is None


def test_copies_of_a_client_that_comes_and_goes_for_ever_are_bounded() -> None:
    told = Told()
    for number in range(3 * COPIED_PER_USER):
        session = session_info(f"s.{number}", grace=LINGERS, naming=Naming.PERHAPS, since=told.now)
        told.accept(Connect(session))
        told.now += 0.1
        told.accept(Disconnect(session.session_id))
    assert len(told.state._endings.kept.by_id) == COPIED_PER_USER + 1


# Recalled: the rights or the name changed


def test_a_session_that_is_told_to_come_back_keeps_its_place_and_the_others_are_told_at_once() -> None:
    """A renamed user's Socket.IO clients came back into no channel."""
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    told.state.note_heads(FIRST, {LOBBY: 5})
    assert told.accept(EndSessions(ANN, 4004, "renamed")) == (Disconnected(S1, LeftReason.QUIT, 4004, "renamed"),)
    # Its worker says more exactly what it was sent last.
    assert told.accept(Disconnect(S1, heads={LOBBY: 7, NEWS: 9})) == ()
    connected = back(told, "s2")
    assert (connected.channels, connected.heads, connected.took_over) == ({LOBBY}, {LOBBY: 7}, S1)


def test_a_session_that_was_lost_a_moment_before_it_is_recalled_keeps_its_place_too() -> None:
    """Its worker hears of the order as soon as the authority does."""
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    told.accept(Disconnect(S1, heads={LOBBY: 7}))
    assert told.accept(EndSessions(ANN, 4004, "renamed")) == (Disconnected(S1, LeftReason.QUIT, 4004, "renamed"),)
    connected = back(told, "s2")
    assert (connected.channels, connected.heads) == ({LOBBY}, {LOBBY: 7})


def test_of_a_recalled_native_session_nothing_is_kept() -> None:
    told = Told()
    told.connect("s1")
    told.accept(Join(S1, LOBBY))
    told.accept(EndSessions(ANN, 4004, "renamed"))
    assert told.connect("s2")[0].took_over is None  # type: ignore[union-attr]


def test_lingering_sessions_do_not_count_for_the_limit() -> None:
    told = Told(max_sessions_per_user=1)
    told.connect("s1", grace=LINGERS)
    assert told.refuse(Connect(session_info("s2", grace=LINGERS))) == "too_many_sessions"
    told.accept(Disconnect(S1))
    told.connect("s2", grace=LINGERS)


def test_a_block_in_a_channel_takes_the_user_out_and_refuses_with_its_own_word() -> None:
    told = Told()
    told.connect("s1")
    told.accept(Join(S1, LOBBY))
    assert told.accept(Block(ANN, LOBBY, None, "forbidden", "rude")) == (Left(S1, LOBBY, LeftReason.REMOVED, "rude"),)
    assert told.refuse(Join(S1, LOBBY)) == "forbidden"
    assert told.accept(Join(S1, NEWS)) == (Joined(S1, NEWS),)


def test_a_kick_takes_the_user_out_of_one_channel_and_they_may_come_back() -> None:
    told = Told()
    told.connect("s1")
    told.accept(Join(S1, LOBBY))
    kick = Block(ANN, LOBBY, told.now + 10, "forbidden", "calm down")
    assert told.accept(kick) == (Left(S1, LOBBY, LeftReason.REMOVED, "calm down"),)
    assert told.refuse(Join(S1, LOBBY)) == "forbidden"
    told.wait(11)
    told.accept(Join(S1, LOBBY))


def test_dead_tokens_end_every_session_of_the_user_lingering_ones_too() -> None:
    told = Told()
    told.connect("s1")
    told.connect("s2", grace=LINGERS)
    told.accept(Disconnect(S2))
    assert told.accept(EndSessions(ANN, 4503, "logged out")) == (
        Disconnected(S1, LeftReason.QUIT, 4503, "logged out"),
        Disconnected(S2, LeftReason.QUIT, 4503, "logged out"),
    )
    assert told.connect("s3", grace=LINGERS)[0].took_over is None  # type: ignore[union-attr]


def test_one_session_can_be_ended_by_its_user_and_by_nobody_else() -> None:
    told = Told()
    told.connect("s1")
    told.connect("s2", grace=LINGERS)
    told.accept(Disconnect(S2))
    assert told.refuse(EndSession(UserId("ben"), S1, 4503)) == "not_found"
    assert told.accept(EndSession(ANN, S2, 4503, "ended")) == (Disconnected(S2, LeftReason.QUIT, 4503, "ended"),)
    assert told.refuse(EndSession(ANN, S2, 4503)) == "not_found"
    assert told.connect("s3", grace=LINGERS)[0].took_over is None  # type: ignore[union-attr]
    assert told.state.roster.sessions[S1].is_live


def test_the_heads_of_a_dead_workers_sessions_are_those_of_its_last_beat() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    told.state.note_heads(FIRST, {LOBBY: 3, NEWS: 8}, whole=True)
    told.state.note_heads(FIRST, {LOBBY: 4})
    told.accept(DropWorker(FIRST))
    assert told.connect("s2", worker=SECOND, grace=LINGERS)[0].heads == {LOBBY: 4}  # type: ignore[union-attr]


def test_a_session_that_falls_again_before_it_was_caught_up_keeps_the_older_heads() -> None:
    told = Told()
    told.connect("s1", worker=SECOND, grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    told.accept(Disconnect(S1, heads={LOBBY: 3}))
    told.connect("s2", grace=LINGERS)
    told.state.note_heads(FIRST, {LOBBY: 90}, whole=True)
    told.now += 0.5
    told.accept(DropWorker(FIRST))
    assert told.connect("s3", worker=SECOND, grace=LINGERS)[0].heads == {LOBBY: 3}  # type: ignore[union-attr]


def test_who_joined_just_before_the_worker_died_is_caught_up_from_where_the_channel_was_then() -> None:
    """No BEAT had told of that channel yet, and what was said meanwhile was not sent."""
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY, head=5))
    told.accept(DropWorker(FIRST))
    connected = told.connect("s2", worker=SECOND, grace=LINGERS)[0]
    assert isinstance(connected, Connected)
    assert connected.heads == {LOBBY: 5}


def test_a_session_whose_worker_gave_up_waiting_for_it_was_sent_nothing() -> None:
    """Its Connect was decided, but for five seconds nobody heard so. What its worker delivered went past it."""
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY))
    told.accept(Disconnect(S1, heads={LOBBY: 3}))
    told.connect("s2", worker=SECOND, grace=LINGERS)
    told.state.note_heads(SECOND, {LOBBY: 90}, whole=True)
    told.now += 5.0
    told.accept(Disconnect(SessionId("s2")))
    assert told.connect("s3", worker=SECOND, grace=LINGERS)[0].heads == {LOBBY: 3}  # type: ignore[union-attr]


def test_what_a_beat_told_counts_more_than_where_the_channel_was_at_the_join() -> None:
    told = Told()
    told.connect("s1", grace=LINGERS)
    told.accept(Join(S1, LOBBY, head=5))
    told.state.note_heads(FIRST, {LOBBY: 8})
    told.accept(DropWorker(FIRST))
    connected = told.connect("s2", worker=SECOND, grace=LINGERS)[0]
    assert isinstance(connected, Connected)
    assert connected.heads == {LOBBY: 8}


def placed(told: Told, session: str, naming: Naming, worker: WorkerId = FIRST, **fields: Any) -> None:
    """A session in the lobby."""
    told.accept(Connect(session_info(session, worker=worker, grace=LINGERS, since=told.now, naming=naming, **fields)))
    told.accept(Join(SessionId(session), LOBBY))
    told.now += 1


@pytest.mark.parametrize("loss", [Disconnect(S1, heads={LOBBY: 5}), DropWorker(FIRST)], ids=["noticed late", "worker"])
@pytest.mark.parametrize("naming", [Naming.NEVER, Naming.PERHAPS])
def test_a_client_that_is_back_before_its_loss_is_noticed_is_told_to_come_again_to_its_place(
    naming: Naming, loss: Disconnect | DropWorker
) -> None:
    """One of 2.x that polls was in no channel for ever, when its new request was read before the end of the old one."""
    told = Told()
    placed(told, "s1", naming)
    assert back(told, "s2", naming=naming).took_over is None
    told.now += 30
    lingering, ended = told.accept(loss)
    assert isinstance(lingering, Lingering)
    assert isinstance(ended, Disconnected)
    assert (ended.session_id, ended.close_code) == (S2, 4004)
    again = back(told, "s3", naming=naming)
    assert (again.channels, again.took_over) == ({LOBBY}, S1)


@pytest.mark.parametrize("naming", [Naming.NEVER, Naming.PERHAPS])
def test_a_client_that_needs_several_attempts_comes_to_its_place_all_the_same(naming: Naming) -> None:
    """Its second session took the first one over, which was in no channel. So it was not called back, and was in no
    channel for ever.
    """
    told = Told()
    placed(told, "s1", naming)
    back(told, "s2", naming=naming)
    told.accept(Disconnect(S2))
    told.now += 1
    assert not back(told, "s3", naming=naming).channels
    told.now += 5
    *_, ended = told.accept(DropWorker(FIRST))
    assert isinstance(ended, Disconnected)
    assert (ended.session_id, ended.close_code) == ("s3", 4004)
    again = back(told, "s4", naming=naming)
    assert (again.channels, again.took_over) == ({LOBBY}, S1)


def test_of_several_attempts_of_which_none_was_seen_to_end_each_is_told_to_come_again() -> None:
    """Only the first was told, which was gone. The client had come once more, and was in no channel for ever."""
    told = Told()
    placed(told, "s1", Naming.PERHAPS)
    for session in ("s2", "s3"):
        assert back(told, session, naming=Naming.PERHAPS).took_over is None
        told.now += 1
    ended = [each for each in told.accept(Disconnect(S1)) if isinstance(each, Disconnected)]
    assert [(each.session_id, each.close_code) for each in ended] == [("s2", 4004), ("s3", 4004)]
    assert back(told, "s4", naming=Naming.PERHAPS).channels == {LOBBY}


def test_of_attempts_that_are_decided_in_one_moment_the_last_one_comes_to_the_place() -> None:
    """After an authority was missing for a while it decides at once about all of them: the first got the place, and had
    been given up. Neither had begun before the other, so the second was in no channel for ever.
    """
    told = Told()
    placed(told, "s1", Naming.PERHAPS)
    told.accept(Disconnect(S1))
    assert back(told, "s2", naming=Naming.PERHAPS).took_over == S1
    assert back(told, "s3", naming=Naming.PERHAPS).took_over is None
    *_, ended = told.accept(Disconnect(S2))
    assert isinstance(ended, Disconnected)
    assert (ended.session_id, ended.close_code) == ("s3", 4004)
    assert back(told, "s4", naming=Naming.PERHAPS).channels == {LOBBY}


def test_what_a_session_was_sent_is_known_though_its_worker_dies_before_it_is_disconnected() -> None:
    """Its Disconnect waits behind what its client said, which waits for a database that is away. What its worker had
    delivered since counted as sent.
    """
    told = Told()
    placed(told, "s1", Naming.NEVER)
    told.state.note_last(FIRST, {S1: {LOBBY: 5}, SessionId("unknown"): {LOBBY: 1}})
    told.state.note_last(SECOND, {S1: {LOBBY: 3}})
    told.state.note_heads(FIRST, {LOBBY: 9})
    told.accept(DropWorker(FIRST))
    assert back(told, "s2", naming=Naming.NEVER).heads == {LOBBY: 5}
    told.state.note_heads(SECOND, {LOBBY: 12})
    told.now += 10
    told.accept(DropWorker(SECOND))
    assert back(told, "s3", naming=Naming.NEVER, worker=WorkerId(1, 1, 3, 1)).heads == {LOBBY: 12}, "of another session"


def test_a_session_that_was_lost_by_a_hello_says_better_itself_what_it_was_sent() -> None:
    told = Told()
    placed(told, "s1", Naming.NEVER)
    told.state.note_heads(FIRST, {LOBBY: 9, NEWS: 9})
    told.accept(Hello(FIRST))
    told.accept(Disconnect(S1, heads={LOBBY: 5, NEWS: 5}))
    assert back(told, "s2", naming=Naming.NEVER).heads == {LOBBY: 5}


def test_who_said_no_hello_to_a_new_authority_says_all_the_same_what_ended_sessions_were_sent() -> None:
    """A host that is cut off the database can't read whom the lease names. A relayed client of it whose session ended
    then missed what came between that and the Hello.
    """
    told = Told()
    placed(told, "s1", Naming.NEVER)
    told.state.note_heads(FIRST, {LOBBY: 9})
    made = Decisions(told.state)
    made.beat(wire.Beat(FIRST, told.state.position, "", {LOBBY: 20}, ended={S1: {LOBBY: 5}}))
    made.take(FIRST, wire.Envelope(CommandId("hello"), Hello(FIRST)), told.now)
    assert back(told, "s2", naming=Naming.NEVER).heads == {LOBBY: 5}


@pytest.mark.parametrize("hour", [3_600.0, -3_600.0], ids=["ahead", "behind"])
def test_a_client_comes_to_its_place_whatever_the_clocks_of_its_hosts_say(hour: float) -> None:
    told = Told()
    for session, worker, wrong_by in (("s1", FIRST, hour), ("s2", SECOND, -hour)):
        since = told.now + wrong_by
        told.accept(Connect(session_info(session, worker=worker, grace=LINGERS, since=since, naming=Naming.NEVER)))
        if session == "s1":
            told.accept(Join(S1, LOBBY))
        told.now += 1
    ended = told.accept(Disconnect(S1))[-1]
    assert isinstance(ended, Disconnected)
    assert (ended.session_id, ended.close_code) == (S2, 4004)


@pytest.mark.parametrize(
    ("naming", "fields"),
    [
        (Naming.ALWAYS, {}),
        (Naming.PERHAPS, {}),
        (Naming.NEVER, {"login": "another"}),
        (Naming.NEVER, {"marks": "another"}),
    ],
    ids=["names its own", "other generation", "other log-in", "other kind"],
)
def test_nobody_elses_session_is_called_back(naming: Naming, fields: dict[str, str]) -> None:
    told = Told()
    placed(told, "s1", Naming.NEVER)
    told.accept(Connect(session_info("s2", worker=SECOND, grace=LINGERS, since=told.now, naming=naming, **fields)))
    assert len(told.accept(Disconnect(S1))) == 1


@pytest.mark.parametrize("why", ["has joined", "was here before", "long ago"])
def test_a_session_that_has_a_place_or_came_at_another_time_is_not_called_back(why: str) -> None:
    told = Told()
    if why == "was here before":
        told.accept(Connect(session_info("s2", worker=SECOND, grace=LINGERS, since=told.now, naming=Naming.NEVER)))
        told.now += 1
    placed(told, "s1", Naming.NEVER)
    if why != "was here before":
        assert back(told, "s2", naming=Naming.NEVER).took_over is None
    if why == "has joined":
        told.accept(Join(S2, NEWS))
    told.now += 61 if why == "long ago" else 1
    assert len(told.accept(Disconnect(S1))) == 1
