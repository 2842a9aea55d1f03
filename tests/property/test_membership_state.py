"""MembershipState against a naive model of the same rules, and replicas against the state they follow."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chat.domain import sessions
from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.membership import protocol as m
from chat.membership.keep import COPIED_PER_USER
from chat.membership.places import Place
from chat.membership.replica import OfferKind, Replica
from chat.membership.state import MembershipState
from tests.support.membership import FIRST, LINGERS, NO_GRACE, Shown, session_info, transitions_of
from tests.support.membership_world import World

USERS = [UserId(name) for name in ("ann", "bob")]
CHANNELS = [ChannelKey(name) for name in ("lobby", "news", "den")]
SLOTS = (0, 1)
# Unevenly, so that things happen to the same user, session and channel again and again.
users = st.sampled_from([USERS[0]] * 3 + [USERS[1]])
channels = st.sampled_from([CHANNELS[0]] * 3 + CHANNELS)
indexes = st.sampled_from((0, 0, 0, 1, 2))
MAX_SESSIONS, MAX_CHANNELS = 2, 2


@dataclass
class ModelSession:
    user: UserId
    worker: WorkerId
    lingers: bool
    channels: set[ChannelKey] = field(default_factory=set)
    status: sessions.Status = sessions.Status.ONLINE
    ended_at: float | None = None
    naming: sessions.Naming = sessions.Naming.UNKNOWN
    was_recalled: bool = False
    was_copied: bool = False
    copied_to: SessionId | None = None
    since: float = 0.0
    place: int = 0
    """Which of all that were connected: two may begin in one turn."""

    @property
    def may_be_named(self) -> bool:
        return self.naming in {sessions.Naming.PERHAPS, sessions.Naming.ALWAYS}

    def phase(self, now: float) -> str:
        if self.ended_at is None:
            return "live"
        if not self.lingers or now >= self.ended_at + LINGERS.keep_s:
            return "gone"
        if self.was_copied:
            return "kept for its name"
        is_told = self.was_recalled or now >= self.ended_at + LINGERS.quit_s
        return "kept" if is_told else "lingering"


class StateAgainstModel(RuleBasedStateMachine):
    """Every rule of the state, said a second time in the plainest way: lists, no indexes, no deadlines."""

    def __init__(self) -> None:
        super().__init__()
        self.state = MembershipState(1, max_sessions_per_user=MAX_SESSIONS, max_channels_per_session=MAX_CHANNELS)
        self.now = 100.0
        self.model: dict[SessionId, ModelSession] = {}
        self.blocks: dict[tuple[UserId, ChannelKey | None], float] = {}
        self.incarnations = dict.fromkeys(SLOTS, 1)
        self.count = 0
        self.replica = Replica(WorkerId(1, 1, 0, 1))
        self.replica.follow(self.state.snapshot().mandate)
        self.replica.restore(self.state.snapshot(), 0.0)
        self.shown = Shown()
        self.copied_at = 0

    # -- the model's own view -------------------------------------------------------------------------------------

    def phase(self, session_id: SessionId) -> str:
        return self.model[session_id].phase(self.now) if session_id in self.model else "gone"

    def is_blocked(self, user: UserId, channel: ChannelKey | None) -> bool:
        return any(self.blocks.get((user, where), 0.0) > self.now for where in (None, channel))

    def do(self, command: m.Command) -> str | None:
        first = self.state.revision + 1
        result = self.state.apply(command, self.now)
        again = self.state.apply(command, self.now)
        assert not again.changes, "a repeated command changed something"
        offer = self.replica.offer(m.Batch(self.state.epoch, first, result.changes), 0.0)
        assert offer.kind is OfferKind.APPLIED
        self.shown.fold(transitions_of(offer))
        return result.refusal

    def any_session(self, index: int) -> SessionId:
        ids = list(self.model)
        return ids[-1 - index % len(ids)] if ids else SessionId("nobody")

    # -- the rules ------------------------------------------------------------------------------------------------

    @rule(
        user=st.sampled_from(USERS),
        slot=st.sampled_from(SLOTS),
        lingers=st.booleans(),
        resume=st.none() | indexes,
        naming=st.sampled_from(sessions.Naming),
    )
    def connect(self, user: UserId, slot: int, lingers: bool, resume: int | None, naming: sessions.Naming) -> None:
        self.count += 1
        session_id = SessionId(f"s{self.count}")
        worker = WorkerId(1, 1, slot, self.incarnations[slot])
        named = None if resume is None else self.any_session(resume)
        grace = LINGERS if lingers else NO_GRACE
        info = session_info(session_id, user, worker, grace=grace, since=self.now, naming=naming)
        refusal = self.do(m.Connect(info, named))
        if self.is_blocked(user, None):
            assert refusal == "banned"
            return
        mine = {key: s for key, s in self.model.items() if s.user == user and s.ended_at is None}
        displaced = mine.get(named) if named is not None else None
        if named is not None and displaced is None and named not in dict(self._waiting(user)):
            assert refusal == "not_found"
        elif len(mine) - (displaced is not None) >= MAX_SESSIONS:
            assert refusal == "too_many_sessions"
        else:
            assert refusal is None
            if displaced is not None:
                displaced.ended_at = self.now
            self.model[session_id] = new = ModelSession(
                user, worker, lingers, naming=naming, since=self.now, place=self.count
            )
            self._take_over(session_id, new, named)

    def _waiting(self, user: UserId) -> list[tuple[SessionId, ModelSession]]:
        """What a new session of this user may take over."""
        phases = {"lingering", "kept", "kept for its name"}
        return [(key, s) for key, s in self.model.items() if s.user == user and self.phase(key) in phases]

    def _take_over(self, new_id: SessionId, new: ModelSession, named: SessionId | None) -> None:
        waiting = self._waiting(new.user)
        chosen = [item for item in waiting if item[0] == named]
        if named is None and new.lingers and new.naming is not sessions.Naming.ALWAYS:
            lost = [item for item in waiting if not item[1].was_copied and self._could_be(item[1].naming, new.naming)]
            # Those that would have been named come last.
            likeness = [(s.naming is not sessions.Naming.ALWAYS, s.ended_at or 0.0) for _, s in lost]
            chosen = [lost[likeness.index(max(likeness))]] if lost else []
        for session_id, old in chosen:
            new.channels = {channel for channel in old.channels if not self.is_blocked(new.user, channel)}
            new.status = old.status
            if named is not None or not old.may_be_named:
                del self.model[session_id]
                self._guess_again(self.model.get(old.copied_to or session_id))
                continue
            old.was_copied, old.copied_to = True, new_id
            self._forget_copies(new.user)

    def _guess_again(self, guessed: ModelSession | None) -> None:
        """Whoever had got a copy of what its own client has named now, and can have had another one."""
        if guessed is None or guessed.ended_at is not None:
            return
        waiting = self._waiting(guessed.user)
        if any(not s.was_copied and self._could_be(s.naming, guessed.naming) for _, s in waiting):
            guessed.ended_at, guessed.was_copied = self.now, True
            self._forget_copies(guessed.user)

    def _forget_copies(self, user: UserId) -> None:
        copied = [(s.ended_at or 0.0, key) for key, s in self._waiting(user) if s.was_copied]
        for _, key in sorted(copied)[:-COPIED_PER_USER]:
            del self.model[key]

    @staticmethod
    def _could_be(was: sessions.Naming, now: sessions.Naming) -> bool:
        never, unknown = sessions.Naming.NEVER, sessions.Naming.UNKNOWN
        return was is now or unknown in {was, now} or never not in {was, now}

    @rule(index=indexes, ending=st.sampled_from(sessions.Ending))
    def disconnect(self, index: int, ending: sessions.Ending) -> None:
        session_id = self.any_session(index)
        # Each moment of its own: which of two that ended at once was the last, nobody can say.
        self.now += 0.001
        assert self.do(m.Disconnect(session_id, ending)) is None
        if ending is sessions.Ending.GOODBYE:
            self.model.pop(session_id, None)
        elif self.phase(session_id) == "live":
            self.model[session_id].ended_at = self.now
            self._call_back(session_id)

    def _call_back(self, session_id: SessionId) -> None:
        """Its client is here already, in no channel: it is told to come back."""
        lost = self.model[session_id]
        if not lost.lingers or not lost.channels or lost.naming is sessions.Naming.ALWAYS:
            return
        for key, new in list(self.model.items()):
            if (
                (new.user, new.ended_at, new.lingers) == (lost.user, None, True)
                and not (new.channels or new.naming is sessions.Naming.ALWAYS)
                and lost.place < new.place
                and self.now - new.since <= 60
                and self._could_be(lost.naming, new.naming)
            ):
                del self.model[key]

    @rule(index=indexes, channel=channels)
    def join(self, index: int, channel: ChannelKey) -> None:
        session_id = self.any_session(index)
        refusal = self.do(m.Join(session_id, channel))
        if self.phase(session_id) != "live":
            assert refusal == "not_found"
            return
        session = self.model[session_id]
        if self.is_blocked(session.user, channel):
            assert refusal == "banned"
        elif channel not in session.channels and len(session.channels) >= MAX_CHANNELS:
            assert refusal == "conflict"
        else:
            assert refusal is None
            session.channels.add(channel)

    @rule(index=indexes, channel=channels)
    def leave(self, index: int, channel: ChannelKey) -> None:
        session_id = self.any_session(index)
        refusal = self.do(m.Leave(session_id, channel))
        if self.phase(session_id) == "live":
            assert refusal is None
            self.model[session_id].channels.discard(channel)
        else:
            assert refusal == "not_found"

    @rule(user=users, slot=st.sampled_from(SLOTS), channel=channels)
    def settles_in(self, user: UserId, slot: int, channel: ChannelKey) -> None:
        self.connect(user, slot, lingers=True, resume=None, naming=sessions.Naming.PERHAPS)
        self.join(0, channel)

    @rule(index=indexes)
    def walks_away(self, index: int) -> None:
        self.disconnect(index, sessions.Ending.LOST)
        self.time_passes(9.0)

    @rule(index=indexes, status=st.sampled_from(sessions.Status))
    def set_status(self, index: int, status: sessions.Status) -> None:
        session_id = self.any_session(index)
        refusal = self.do(m.SetStatus(session_id, status))
        assert (refusal is None) == (self.phase(session_id) == "live")
        if refusal is None:
            self.model[session_id].status = status

    @rule(user=st.sampled_from(USERS), channel=st.none() | channels, for_s=st.sampled_from((1.0, 20.0)))
    def block(self, user: UserId, channel: ChannelKey | None, for_s: float) -> None:
        self.do(m.Block(user, channel, self.now + for_s))
        self.blocks[user, channel] = self.now + for_s
        self._take_out(user, channel)

    @rule(user=users, channel=st.none() | channels)
    def unblock(self, user: UserId, channel: ChannelKey | None) -> None:
        self.do(m.Unblock(user, channel))
        self.blocks.pop((user, channel), None)

    @rule(user=users)
    def revoke(self, user: UserId) -> None:
        self.do(m.EndSessions(user, 4503))
        self._take_out(user, None)

    @rule(user=users)
    def recall(self, user: UserId) -> None:
        self.now += 0.001
        self.do(m.EndSessions(user, 4004))
        for session_id, session in list(self.model.items()):
            if session.user == user and self.phase(session_id) == "live":
                # Each moment of its own, as above.
                session.ended_at = self.now
            if session.user == user and self.phase(session_id) in {"lingering", "kept", "gone"}:
                session.was_recalled = True

    @rule(index=indexes, user=users)
    def end(self, index: int, user: UserId) -> None:
        session_id = self.any_session(index)
        is_theirs = self.phase(session_id) in ("live", "lingering") and self.model[session_id].user == user
        assert (self.do(m.EndSession(user, session_id, 4503)) is None) == is_theirs
        if is_theirs:
            del self.model[session_id]

    def _take_out(self, user: UserId, channel: ChannelKey | None) -> None:
        if channel is None:
            self.model = {key: s for key, s in self.model.items() if s.user != user}
        for session in self.model.values():
            if session.user == user:
                session.channels.discard(channel or ChannelKey(""))

    @precondition(lambda self: self.count > 1)
    @rule(slot=st.sampled_from(SLOTS))
    def worker_dies(self, slot: int) -> None:
        self.now += 0.001
        worker = WorkerId(1, 1, slot, self.incarnations[slot])
        self.do(m.DropWorker(worker))
        self.incarnations[slot] += 1
        lost = [key for key, s in self.model.items() if s.worker == worker and s.ended_at is None]
        for session_id in lost:
            self.model[session_id].ended_at = self.now
        for session_id in lost:
            self._call_back(session_id)

    @rule(down_s=st.sampled_from((0.0, 5.0, 9.0, 70.0)))
    def everything_is_killed_and_comes_back(self, down_s: float) -> None:
        """Of the state nothing is left but the places, as its workers had written them."""
        self.model = {key: s for key, s in self.model.items() if s.lingers and self.phase(key) != "gone"}
        for session in self.model.values():
            # Each moment of its own, as above.
            self.now += 0.001
            session.ended_at = self.now if session.ended_at is None else session.ended_at
        places = [self._place(session_id) for session_id in self.model]
        for session in self.model.values():
            # That it was recalled, or whose copy it was once that one is gone, stands in no row.
            session.was_recalled = False
            session.was_copied = session.copied_to in self.model
        self.now += down_s
        self.state = MembershipState(
            self.state.epoch + 1, max_sessions_per_user=MAX_SESSIONS, max_channels_per_session=MAX_CHANNELS
        )
        self.state.restore(places, self.now)
        for (user, channel), until in self.blocks.items():
            self.state.apply(m.Block(user, channel, until), self.now)
        self.replica, self.shown = Replica(WorkerId(1, 1, 0, 1)), Shown()
        self.replica.follow(self.state.snapshot().mandate)
        self.replica.restore(self.state.snapshot(), 0.0)
        self.shown.adopt(self.replica)

    def _place(self, session_id: SessionId) -> Place:
        session = self.model[session_id]
        info = replace(session_info(session_id, session.user, session.worker, grace=LINGERS), naming=session.naming)
        copy_of = next((key for key, s in self.model.items() if s.was_copied and s.copied_to == session_id), None)
        return Place(
            info,
            session.status,
            dict.fromkeys(session.channels),
            sessions.Credentials(1, ""),
            session.ended_at,
            copy_of,
        )

    @rule(wait_s=st.sampled_from((0.5, 5.0, 9.0, 9.0, 40.0)))
    def time_passes(self, wait_s: float) -> None:
        self.now += wait_s
        self.do(m.Tick())

    # -- the laws -------------------------------------------------------------------------------------------------

    @invariant()
    def shows_what_the_model_shows(self) -> None:
        self.state.invariants()
        shown = {
            session_id: (entry.is_live, entry.status, frozenset(entry.channels))
            for session_id, entry in self.state.roster.sessions.items()
        }
        assert shown == {
            session_id: (s.ended_at is None, s.status, frozenset(s.channels))
            for session_id, s in self.model.items()
            if self.phase(session_id) in {"live", "lingering"}
        }

    @invariant()
    def the_replica_shows_the_same_and_told_it(self) -> None:
        assert self.replica.digest() == self.state.digest()
        self.shown.matches(self.replica)

    @invariant()
    def a_snapshot_is_the_state(self) -> None:
        if self.state.revision == self.copied_at:
            return
        self.copied_at = self.state.revision
        copy = Replica(FIRST)
        copy.follow(self.state.snapshot().mandate)
        copy.restore(self.state.snapshot(), 0.0)
        assert copy.digest() == self.state.digest()
        copy.invariants()


StateAgainstModel.TestCase.settings = settings(max_examples=175, stateful_step_count=25, deadline=None)
TestStateAgainstModel = StateAgainstModel.TestCase


@settings(max_examples=300, deadline=None)
@given(st.binary(min_size=60, max_size=240), st.integers(0, 2**32))
def test_in_whatever_order_batches_come_the_replica_ends_where_the_state_is(program: bytes, seed: int) -> None:
    world, batches = World(), list[m.Batch]()
    for at in range(0, len(program), 30):
        world.run(program[at : at + 30])
        world.flow()
    # One life only, told anew as one stream: batches of the state's changes, cut anywhere, shuffled and repeated.
    state, chance = world.state, random.Random(seed)
    feeder, straight = Replica(WorkerId(1, 1, 0, 1)), Replica(WorkerId(1, 1, 0, 1))
    began = replace(world.began, term="")
    for replica in (feeder, straight):
        replica.follow(m.Mandate(state.epoch, ""))
        shown = Shown()
        shown.fold(transitions_of(replica.restore(began, 0.0)))
    shown.adopt(straight)
    first = 1
    changes = world.state.stream
    while first <= len(changes):
        size = chance.randint(1, 4)
        batches.append(m.Batch(state.epoch, first, tuple(changes[first - 1 : first - 1 + size])))
        first += size
    for batch in batches:
        assert straight.offer(batch, 0.0).kind is OfferKind.APPLIED
    mixed = batches + [batch for batch in batches if chance.random() < 0.3]
    chance.shuffle(mixed)
    for batch in mixed:
        shown.fold(transitions_of(feeder.offer(batch, 0.0)))
    assert feeder.is_in_step
    assert feeder.digest() == straight.digest() == state.digest()
    shown.matches(feeder)
