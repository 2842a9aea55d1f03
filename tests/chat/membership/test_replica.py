"""What a replica makes of batches and snapshots, and what it tells of them."""

from __future__ import annotations

from typing import Any

import pytest

from chat.domain import sessions
from chat.domain.ids import ChannelKey, CommandId, SessionId, UserId, WorkerId
from chat.membership import protocol as m
from chat.membership import roster
from chat.membership.replica import HOLD_LIMIT, OfferKind, Replica, Step
from tests.support.membership import FIRST, LINGERS, SECOND, outcomes_of, session_info, transitions_of

LOBBY, NEWS = ChannelKey("lobby"), ChannelKey("news")
S1, S2 = SessionId("s1"), SessionId("s2")
ANN = UserId("ann")
DONE = m.Outcome(CommandId("c1"))


def connected(session: str, user: str = "ann", worker: WorkerId = FIRST, *channels: ChannelKey) -> m.Connected:
    return m.Connected(session_info(session, user, worker, grace=LINGERS), frozenset(channels))


def replica_at(*changes: m.Change) -> Replica:
    """A replica on worker FIRST, in epoch 5, after these changes."""
    replica = Replica(FIRST)
    replica.follow(m.Mandate(5, ""))
    replica.restore(m.Snapshot(m.Position(5, 0)), 0.0)
    if changes:
        replica.offer(m.Batch(5, 1, changes), 0.0)
    return replica


def apply(replica: Replica, *changes: m.Change) -> tuple[m.Transition, ...]:
    return transitions_of(replica.offer(m.Batch(5, replica.position.revision + 1, changes), 0.0))


def joined(user: str, channel: ChannelKey = LOBBY, status: sessions.Status = sessions.Status.ONLINE) -> m.MemberJoined:
    return m.MemberJoined(channel, UserId(user), user, status)


def left(user: str, reason: sessions.LeftReason, channel: ChannelKey = LOBBY) -> m.MemberLeft:
    return m.MemberLeft(channel, UserId(user), user, reason)


def test_before_the_first_snapshot_everything_is_a_gap() -> None:
    replica = Replica(FIRST)
    replica.follow(m.Mandate(5, ""))
    assert replica.offer(m.Batch(5, 1, (connected("s1"),)), 0.0).kind is OfferKind.GAP
    assert not replica.is_in_step


def test_a_session_is_told_of_its_own_joining_and_not_of_its_own_going() -> None:
    replica = replica_at(connected("s1"))
    assert apply(replica, m.Joined(S1, LOBBY)) == (m.SessionEntered(S1, LOBBY), joined("ann"))
    assert apply(replica, m.Left(S1, LOBBY)) == (
        m.SessionExited(S1, LOBBY, sessions.LeftReason.LEFT),
        left("ann", sessions.LeftReason.LEFT),
    )


def test_all_sessions_that_enter_at_once_are_told_of_it() -> None:
    """A user with five sessions joined, and only one of the five was told: the others entered after the word."""
    replica = replica_at(connected("s1"), connected("s2"), connected("s3", worker=SECOND))
    assert apply(replica, m.Joined(S1, LOBBY, (S2, SessionId("s3")))) == (
        m.SessionEntered(S1, LOBBY),
        m.SessionEntered(S2, LOBBY),
        joined("ann"),
    )


def test_a_second_session_of_a_member_is_told_to_nobody() -> None:
    replica = replica_at(connected("s1"), m.Joined(S1, LOBBY), connected("s2", worker=SECOND))
    assert apply(replica, m.Joined(S2, LOBBY)) == ()
    assert apply(replica, m.Disconnected(S2)) == ()
    assert apply(replica, m.Disconnected(S1)) == (m.SessionEnded(S1), left("ann", sessions.LeftReason.QUIT))


def test_sessions_of_other_workers_make_member_transitions_only() -> None:
    replica = replica_at(connected("s1", worker=SECOND))
    assert apply(replica, m.Joined(S1, LOBBY)) == (joined("ann"),)


def test_a_lingering_session_has_ended_for_its_worker_and_for_nobody_else() -> None:
    replica = replica_at(connected("s1"), m.Joined(S1, LOBBY))
    assert apply(replica, m.Lingering(S1, 99.0)) == (m.SessionEnded(S1),)
    assert [user_id for user_id, _, _ in replica.members(LOBBY)] == [ANN]
    assert apply(replica, m.Disconnected(S1)) == (left("ann", sessions.LeftReason.QUIT),)


def test_who_is_taken_over_was_never_away() -> None:
    replica = replica_at(connected("s1", "ann", SECOND), m.Joined(S1, LOBBY), m.Lingering(S1, 99.0))
    info = session_info("s2", grace=LINGERS)
    told = apply(replica, m.Connected(info, frozenset({LOBBY}), S1, {LOBBY: 7}))
    assert told == (m.SessionEntered(S2, LOBBY, 7),)
    assert replica.session(S1) is None


def test_who_comes_back_after_the_quit_has_joined_again() -> None:
    replica = replica_at(connected("s1"), m.Joined(S1, LOBBY), m.Lingering(S1, 99.0), m.Disconnected(S1))
    info = session_info("s2", grace=LINGERS)
    assert apply(replica, m.Connected(info, frozenset({LOBBY}), S1, {LOBBY: 7})) == (
        joined("ann"),
        m.SessionEntered(S2, LOBBY, 7),
    )


def test_the_status_of_a_user_is_the_best_of_the_sessions() -> None:
    replica = replica_at(connected("s1"), m.Joined(S1, LOBBY), connected("s2", worker=SECOND))
    assert apply(replica, m.StatusChanged(S1, sessions.Status.AWAY)) == ()
    told = apply(replica, m.StatusChanged(S2, sessions.Status.AWAY))
    assert told == (m.PresenceChanged(ANN, "ann", sessions.Status.AWAY, frozenset({LOBBY})),)
    assert replica.members(LOBBY) == [(ANN, "ann", sessions.Status.AWAY)]


def test_who_is_present_is_online_with_some_session() -> None:
    replica = replica_at(connected("s1"), connected("s2", worker=SECOND), connected("s3", "bob", SECOND))
    assert len(replica.present()) == 2
    apply(replica, m.StatusChanged(S1, sessions.Status.AWAY), m.StatusChanged(SessionId("s3"), sessions.Status.AWAY))
    assert replica.present() == {ANN}


def test_the_end_of_the_only_online_session_is_a_change_of_presence() -> None:
    replica = replica_at(connected("s1"), connected("s2"), m.StatusChanged(S1, sessions.Status.AWAY))
    told = apply(replica, m.Disconnected(S2))
    assert told == (m.SessionEnded(S2), m.PresenceChanged(ANN, "ann", sessions.Status.AWAY, frozenset()))


def test_an_order_to_close_reaches_the_sessions_worker() -> None:
    replica = replica_at(connected("s1", "ann", FIRST, LOBBY))
    told = apply(replica, m.Disconnected(S1, sessions.LeftReason.REMOVED, 4502, "spam"))
    assert told == (m.SessionEnded(S1, 4502, "spam"), left("ann", sessions.LeftReason.REMOVED))


def test_a_later_batch_waits_for_the_one_before_it() -> None:
    replica = replica_at(connected("s1"))
    assert replica.offer(m.Batch(5, 3, (m.Joined(S1, NEWS),), (DONE,)), 2.0).kind is OfferKind.HELD
    assert replica.gap_since == 2.0
    offer = replica.offer(m.Batch(5, 2, (m.Joined(S1, LOBBY),)), 3.0)
    assert offer.kind is OfferKind.APPLIED
    assert [len(step.transitions) for step in offer.steps] == [2, 2]
    assert outcomes_of(offer) == (DONE,)
    assert replica.is_in_step


def test_a_repeated_batch_is_stale_but_its_outcomes_are_handed_out() -> None:
    replica = replica_at(connected("s1"))
    offer = replica.offer(m.Batch(5, 1, (connected("s1"),), (DONE,)), 0.0)
    assert (offer.kind, transitions_of(offer), outcomes_of(offer)) == (OfferKind.STALE, (), (DONE,))


def test_outcomes_do_not_overtake_the_changes_they_stand_for() -> None:
    replica = replica_at()
    assert outcomes_of(replica.offer(m.Batch(5, 2, (), (DONE,)), 0.0)) == ()
    assert outcomes_of(replica.offer(m.Batch(5, 1, (connected("s1"),)), 0.0)) == (DONE,)


def test_a_heartbeat_shows_a_lost_last_batch() -> None:
    replica = replica_at()
    assert replica.offer(m.Batch(5, 1), 0.0).kind is OfferKind.APPLIED
    assert replica.offer(m.Batch(5, 2), 0.0).kind is OfferKind.HELD


def test_a_heartbeat_does_not_hide_a_held_answer() -> None:
    replica = replica_at()
    replica.offer(m.Batch(5, 2, (), (DONE,)), 0.0)
    replica.offer(m.Batch(5, 2), 0.0)
    assert outcomes_of(replica.offer(m.Batch(5, 1, (connected("s1"),)), 0.0)) == (DONE,)


def test_a_snapshot_tells_the_difference_then_what_was_held_and_is_newer() -> None:
    replica = replica_at(connected("s1"), m.Joined(S1, LOBBY))
    replica.offer(m.Batch(5, 6, (m.Joined(S2, NEWS),)), 0.0)
    both = tuple(
        m.SnapshotSession(session_info(session, user), sessions.Status.ONLINE, frozenset({LOBBY}))
        for session, user in (("s1", "ann"), ("s2", "bob"))
    )
    offer = replica.restore(m.Snapshot(m.Position(5, 5), both), 0.0)
    assert [step.transitions for step in offer.steps] == [
        (joined("bob"), m.SessionEntered(S2, LOBBY)),
        (m.SessionEntered(S2, NEWS), joined("bob", NEWS)),
    ]
    assert replica.is_in_step


def test_a_snapshot_says_who_is_gone_before_who_is_new() -> None:
    replica = replica_at(connected("s1", "ann", FIRST, LOBBY, NEWS), connected("s2", "bob", FIRST, LOBBY))
    here = m.SnapshotSession(session_info("s1"), sessions.Status.AWAY, frozenset({NEWS}))
    replica.follow(m.Mandate(6, "new"))
    offer = replica.restore(m.Snapshot(m.Position(6, 1), (here,), "new"), 0.0)
    assert transitions_of(offer) == (
        m.SessionEnded(S2),
        m.SessionExited(S1, LOBBY, sessions.LeftReason.LEFT),
        left("bob", sessions.LeftReason.QUIT),
        left("ann", sessions.LeftReason.LEFT),
        m.PresenceChanged(ANN, "ann", sessions.Status.AWAY, frozenset({NEWS})),
    )


def test_a_snapshot_that_overtook_its_batch_still_says_from_where_to_catch_up() -> None:
    replica = replica_at()
    item = m.SnapshotSession(session_info("s2"), sessions.Status.ONLINE, frozenset({LOBBY}), None, S1, {LOBBY: 7})
    offer = replica.restore(m.Snapshot(m.Position(5, 9), (item,)), 0.0)
    assert m.SessionEntered(S2, LOBBY, 7) in transitions_of(offer)


def test_the_first_snapshot_tells_of_own_sessions_only() -> None:
    replica = Replica(FIRST)
    items = tuple(
        m.SnapshotSession(session_info(session, user, worker), sessions.Status.ONLINE, frozenset({LOBBY}))
        for session, user, worker in (("s1", "ann", FIRST), ("s2", "bob", SECOND))
    )
    replica.follow(m.Mandate(5, ""))
    offer = replica.restore(m.Snapshot(m.Position(5, 9), items), 0.0)
    assert transitions_of(offer) == (m.SessionEntered(S1, LOBBY),)
    assert replica.member_count(LOBBY) == 2


def test_an_older_snapshot_and_an_older_epoch_are_ignored() -> None:
    replica = replica_at(connected("s1"))
    assert replica.restore(m.Snapshot(m.Position(5, 0)), 0.0).kind is OfferKind.STALE
    assert replica.restore(m.Snapshot(m.Position(4, 99)), 0.0).kind is OfferKind.STALE
    assert replica.offer(m.Batch(4, 2, (m.Disconnected(S1),)), 0.0).kind is OfferKind.STALE
    assert replica.session(S1) is not None


def test_of_a_new_epoch_nothing_is_shown_before_its_snapshot() -> None:
    replica = replica_at(connected("s1"))
    replica.follow(m.Mandate(6, ""))
    assert replica.offer(m.Batch(6, 1, (connected("s2", "bob"),)), 0.0).kind is OfferKind.GAP
    assert replica.offer(m.Batch(5, 2, (m.Disconnected(S1),)), 0.0).kind is OfferKind.STALE
    assert replica.session(S1) is not None
    offer = replica.restore(m.Snapshot(m.Position(6, 0)), 0.0)
    assert offer.kind is OfferKind.APPLIED
    assert replica.position == (6, 1)
    assert [session for session in (S1, S2) if replica.session(session)] == [S2]


def test_a_higher_epoch_changes_nothing_before_the_lease_names_it() -> None:
    replica = replica_at(connected("s1"))
    assert replica.offer(m.Batch(6, 1, (connected("s2", "bob"),)), 0.0).kind is OfferKind.UNCONFIRMED
    assert replica.restore(m.Snapshot(m.Position(6, 9)), 0.0).kind is OfferKind.UNCONFIRMED
    assert apply(replica, m.Joined(S1, LOBBY))
    assert replica.is_in_step


def test_of_one_epoch_from_two_terms_neither_is_applied_before_the_lease_was_asked() -> None:
    """Two authorities that took an epoch each from a copy of the row: one of them says what never happened."""
    replica = replica_at(connected("s1"))
    other = m.Batch(5, 2, (m.Joined(S1, NEWS),), term="other")
    assert replica.offer(other, 0.0).kind is OfferKind.UNCONFIRMED
    assert not replica.is_in_step
    assert replica.offer(m.Batch(5, 2, (m.Joined(S1, LOBBY),)), 0.0).kind is OfferKind.UNCONFIRMED
    replica.follow(m.Mandate(5, ""))
    assert replica.needs_snapshot  # what came meanwhile was let go
    here = m.SnapshotSession(session_info("s1"), sessions.Status.ONLINE, frozenset({LOBBY}))
    assert transitions_of(replica.restore(m.Snapshot(m.Position(5, 2), (here,)), 0.0))
    assert replica.is_in_step


def test_another_term_of_the_same_epoch_is_another_picture() -> None:
    replica = replica_at(connected("s1"), connected("s2", "bob"))
    replica.offer(m.Batch(5, 1, term="other"), 0.0)
    replica.follow(m.Mandate(5, "other"))
    here = m.SnapshotSession(session_info("s1"), sessions.Status.ONLINE, frozenset())
    assert replica.restore(m.Snapshot(m.Position(5, 1), (here,), "other"), 0.0).kind is OfferKind.APPLIED
    assert [session for session in (S1, S2) if replica.session(session)] == [S1]


def test_too_many_held_batches_need_a_snapshot() -> None:
    replica = replica_at()
    for revision in range(HOLD_LIMIT + 1):
        replica.offer(m.Batch(5, 2 + revision, (m.Left(S1, LOBBY),)), 0.0)
    assert replica.needs_snapshot


# Slices: each of the two users is in a part of their own.

ANNS, BOBS = m.part_of(ANN), m.part_of(UserId("bob"))


def item(session: str, user: str, *channels: ChannelKey) -> m.SnapshotSession:
    return m.SnapshotSession(session_info(session, user, grace=LINGERS), sessions.Status.ONLINE, frozenset(channels))


def part(revision: int, number: int, *items: m.SnapshotSession, epoch: int = 5) -> m.Snapshot:
    """A slice of one part."""
    return m.Snapshot(m.Position(epoch, revision), items, "", range(number, number + 1))


def rest(revision: int, *, epoch: int = 5) -> list[m.Snapshot]:
    """Slices of the parts that neither Ann nor Bob is in."""
    ends = sorted((ANNS, BOBS))
    runs = (range(ends[0]), range(ends[0] + 1, ends[1]), range(ends[1] + 1, m.PARTS))
    return [m.Snapshot(m.Position(epoch, revision), (), "", run) for run in runs]


def replica_of_both() -> Replica:
    """Ann and Bob, one session each, in the lobby; at revision 4."""
    return replica_at(connected("s1"), connected("s2", "bob"), m.Joined(S1, LOBBY), m.Joined(S2, LOBBY))


def test_changes_to_a_part_that_has_come_apply_at_once_and_others_do_not() -> None:
    replica = replica_of_both()
    replica.doubt()
    replica.restore(part(4, ANNS, item("s1", "ann", LOBBY)), 0.0)
    assert replica.wanted() == tuple(sorted((range(ANNS), range(ANNS + 1, m.PARTS)), key=lambda run: run.start))
    assert apply(replica, m.Joined(S1, NEWS), m.Left(S2, LOBBY)) == (m.SessionEntered(S1, NEWS), joined("ann", NEWS))
    assert replica.member_count(LOBBY) == 2, "what was shown of a part that is missing stays"
    assert (replica.is_current(ANN), replica.is_current(UserId("bob"))) == (True, False)
    told = transitions_of(replica.restore(part(6, BOBS, item("s2", "bob")), 0.0))
    assert told == (m.SessionExited(S2, LOBBY, sessions.LeftReason.LEFT), left("bob", sessions.LeftReason.LEFT))
    assert not replica.is_in_step
    for each in rest(6):
        assert transitions_of(replica.restore(each, 0.0)) == ()
    assert replica.is_in_step
    replica.invariants()


def test_a_slice_that_is_older_than_the_newest_batches_gets_what_they_changed() -> None:
    replica = replica_of_both()
    replica.doubt()
    replica.restore(part(4, ANNS, item("s1", "ann", LOBBY)), 0.0)
    assert apply(replica, m.Joined(S2, NEWS)) == ()
    told = transitions_of(replica.restore(part(4, BOBS, item("s2", "bob", LOBBY)), 0.0))
    assert told == (m.SessionEntered(S2, NEWS), joined("bob", NEWS))


def test_a_slice_that_is_ahead_of_the_batches_has_what_they_bring() -> None:
    replica = replica_of_both()
    replica.doubt()
    replica.restore(part(4, ANNS, item("s1", "ann", LOBBY)), 0.0)
    assert transitions_of(replica.restore(part(7, BOBS, item("s2", "bob", LOBBY, NEWS)), 0.0)) == (
        joined("bob", NEWS),
        m.SessionEntered(S2, NEWS),
    )
    for each in rest(4):
        replica.restore(each, 0.0)
    assert not replica.is_in_step, "it shows more than its position says"
    changes = (m.Left(S2, LOBBY), m.Joined(S2, NEWS), m.Joined(S2, LOBBY))
    assert replica.offer(m.Batch(5, 5, changes, (DONE,)), 0.0).steps == (Step((), (DONE,)),)
    assert replica.is_in_step


def test_a_slice_from_before_what_is_known_of_the_batches_is_not_taken() -> None:
    replica = replica_of_both()
    replica.doubt()
    replica.restore(part(7, ANNS, item("s1", "ann", LOBBY)), 0.0)
    assert replica.restore(part(6, BOBS, item("s2", "bob", LOBBY)), 0.0).kind is OfferKind.STALE
    assert not replica.is_current(UserId("bob"))


def test_so_is_one_that_is_older_than_the_batches_that_are_kept() -> None:
    replica = replica_of_both()
    replica.doubt()
    replica.restore(part(4, ANNS, item("s1", "ann", LOBBY)), 0.0)
    for _ in range(HOLD_LIMIT // 2 + 1):
        apply(replica, m.Left(S1, LOBBY))
        apply(replica, m.Joined(S1, LOBBY))
    assert replica.restore(part(4, BOBS, item("s2", "bob", LOBBY)), 0.0).kind is OfferKind.STALE
    assert replica.restore(part(6, BOBS, item("s2", "bob", LOBBY)), 0.0).kind is OfferKind.APPLIED


def test_a_loss_while_slices_come_makes_missing_again_only_what_is_older() -> None:
    replica = replica_of_both()
    replica.doubt()
    replica.restore(part(4, ANNS, item("s1", "ann", LOBBY)), 0.0)
    replica.restore(part(9, BOBS, item("s2", "bob", LOBBY)), 0.0)
    replica.offer(m.Batch(5, 8, (m.Left(S1, LOBBY),)), 1.0)
    for each in rest(4):
        replica.restore(each, 2.0)
    assert replica.is_waiting
    assert replica.gap_since == 1.0, "however many slices come, it waits no longer"
    replica.give_up_waiting()
    assert any(ANNS in run for run in replica.wanted())
    assert not any(BOBS in run for run in replica.wanted())
    for each in rest(9):
        replica.restore(each, 2.0)
    assert not replica.is_current(ANN)
    assert replica.is_current(UserId("bob"))
    assert replica.position == (5, 8)
    told = transitions_of(replica.restore(part(9, ANNS, item("s1", "ann")), 2.0))
    assert told == (m.SessionExited(S1, LOBBY, sessions.LeftReason.LEFT), left("ann", sessions.LeftReason.LEFT))
    assert replica.is_in_step
    assert replica.position == (5, 9)


def test_with_a_new_authority_each_slice_tells_its_own_difference() -> None:
    replica = replica_of_both()
    replica.follow(m.Mandate(6, ""))
    assert transitions_of(replica.restore(part(2, BOBS, epoch=6), 0.0)) == (
        m.SessionEnded(S2),
        left("bob", sessions.LeftReason.QUIT),
    )
    assert replica.member_count(LOBBY) == 1
    for each in (part(2, ANNS, item("s1", "ann", LOBBY), epoch=6), *rest(2, epoch=6)):
        assert transitions_of(replica.restore(each, 0.0)) == ()
    assert replica.is_in_step


def test_the_first_time_slices_tell_of_own_sessions_only() -> None:
    replica = Replica(FIRST)
    replica.follow(m.Mandate(5, ""))
    assert transitions_of(replica.restore(part(2, ANNS, item("s1", "ann", LOBBY)), 0.0)) == (
        m.SessionEntered(S1, LOBBY),
    )
    assert not replica.is_whole
    for each in (part(3, BOBS), *rest(3)):
        replica.restore(each, 0.0)
    assert replica.is_whole


def test_what_does_not_differ_is_not_touched() -> None:
    replica = replica_of_both()
    before = replica.session(S1)
    replica.doubt()
    same = (item("s1", "ann", LOBBY), item("s2", "bob", LOBBY, NEWS))
    replica.restore(m.Snapshot(m.Position(5, 9), same), 0.0)
    assert replica.session(S1) is before
    replica.invariants()


def test_an_answer_without_parts_says_whether_anything_is_missing() -> None:
    replica = replica_of_both()
    assert replica.restore(m.Snapshot(m.Position(5, 4), parts=range(0)), 0.0).kind is OfferKind.APPLIED
    assert replica.is_in_step
    assert replica.restore(m.Snapshot(m.Position(5, 6), parts=range(0)), 0.0).kind is OfferKind.HELD
    assert not replica.is_in_step


def test_members_are_listed_online_first_then_by_name_in_pages_as_they_change() -> None:
    names = ["Zoe", "ann", "bob", "Cid"]
    replica = replica_at(*(connected(name, name, FIRST, LOBBY) for name in names))

    def shown(**page: Any) -> list[str]:
        return [name for _, name, _ in replica.members(LOBBY, **page)]

    assert shown() == ["ann", "bob", "Cid", "Zoe"]
    away = m.StatusChanged(SessionId("ann"), sessions.Status.AWAY)
    replica.offer(m.Batch(5, 5, (away, m.Left(SessionId("bob"), LOBBY))), 0.0)
    assert shown() == ["Cid", "Zoe", "ann"]
    replica.invariants()
    assert shown(limit=2) == ["Cid", "Zoe"]
    assert shown(after=(0, "cid"), limit=9) == ["Zoe", "ann"]
    assert (shown(after=(0, "nobody")), shown(after=(1, "zzz"))) == (["Zoe", "ann"], [])


def test_a_join_costs_the_same_in_a_channel_of_ten_thousand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each join sorted all members of the channel for its answer: 47 ms with 10,000 on a busy machine."""
    replica = replica_at(*(connected(f"s{n}", f"user{n}", FIRST, LOBBY) for n in range(10_000)))
    replica.members(LOBBY, limit=200)
    looked_at: list[str] = []

    def order(user: roster.UserEntry) -> roster.MemberOrder:
        looked_at.append(user.username)
        return user.order

    monkeypatch.setattr(roster, "_by_order", order)
    for revision in range(10):
        late = connected(f"late{revision}", f"late{revision}", FIRST, LOBBY)
        replica.offer(m.Batch(5, 10_001 + revision, (late,)), 0.0)
        assert len(replica.members(LOBBY, limit=200)) == 200
    assert len(looked_at) < 10 * 50
    replica.invariants()


def test_the_read_api_answers_for_users_channels_and_sessions() -> None:
    replica = replica_at(
        connected("s1", "ann", FIRST, LOBBY),
        connected("s2", "ann", SECOND, NEWS),
        connected("s3", "bob", SECOND, LOBBY),
    )
    assert replica.members(LOBBY) == [("ann", "ann", sessions.Status.ONLINE), ("bob", "bob", sessions.Status.ONLINE)]
    assert [replica.member_count(channel) for channel in (LOBBY, NEWS, ChannelKey("empty"))] == [2, 1, 0]
    assert replica.users_channels(ANN) == {LOBBY, NEWS}
    assert [entry.info.session_id for entry in replica.sessions_of(ANN)] == [S1, S2]
    assert replica.own_sessions() == [S1]
    assert replica.is_live(S1)
    nobody = SessionId("nobody")
    assert (replica.members(ChannelKey("empty")), replica.session(nobody), replica.is_live(nobody)) == ([], None, False)
