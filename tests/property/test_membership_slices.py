"""Slices, batches, losses and new authorities in any order: the replica ends where the authority is, and of those who
were there all the time nobody is told anything.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.domain.sessions import Ending, Status
from chat.membership import protocol as m
from chat.membership.replica import OfferKind, Replica
from chat.membership.slices import Slices
from chat.membership.state import MembershipState
from chat.membership.wire import SyncRequest
from tests.support.membership import FIRST, LINGERS, NO_GRACE, SECOND, Shown, session_info

CHANNELS = [ChannelKey(name) for name in ("lobby", "news", "den")]
STAYING = [UserId(f"stays{number}") for number in range(4)]
COMING = [UserId(f"comes{number}") for number in range(8)]
MOVES = (
    "change",
    "change",
    "publish",
    "batch",
    "batch",
    "lose",
    "repeat",
    "beat",
    "ask",
    "make",
    "make",
    "slice",
    "slice",
)
RARE = ("lose slice", "give up", "doubt", "new authority")


class Line:
    """One authority's pure half, one replica, and what is on its way to it."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now, self.count, self.doubts = 100.0, 0, 0
        self.replica, self.shown = Replica(FIRST), Shown()
        self.begin(1)
        for user in STAYING:
            self.connect(user)
            for session_id in list(self.state.roster.users[user].sessions):
                self.decide(m.Join(session_id, CHANNELS[0]))
        self.replica.follow(self.state.snapshot().mandate)

    def begin(self, epoch: int) -> None:
        self.state = MembershipState(epoch, term=f"term {epoch}")
        self.slices = Slices(self.state.roster, 1)
        self.changes: list[m.Change] = []
        self.batches: list[m.Batch] = []
        self.made: list[tuple[int, m.Snapshot]] = []

    def decide(self, command: m.Command) -> None:
        self.now += 0.5
        self.changes.extend(self.state.apply(command, self.now).changes)

    def connect(self, user: UserId) -> None:
        self.count += 1
        grace = LINGERS if user in COMING and self.chance.random() < 0.5 else NO_GRACE
        worker = self.chance.choice((FIRST, SECOND))
        self.decide(m.Connect(session_info(f"s{self.count}", user, worker, grace=grace, since=self.now)))

    # -- what may happen ------------------------------------------------------------------------------------------

    def change(self) -> None:
        sessions = [e.info.session_id for e in self.state.roster.sessions.values() if e.info.user_id in COMING]
        session = self.chance.choice(sessions or [SessionId("nobody")])
        channel = self.chance.choice(CHANNELS)
        what = self.chance.randrange(6)
        if what < 2:
            self.connect(self.chance.choice(COMING))
        elif what == 2:
            self.decide(m.Join(session, channel))
        elif what == 3:
            self.decide(m.Leave(session, channel))
        elif what == 4:
            self.decide(m.SetStatus(session, self.chance.choice(list(Status))))
        else:
            self.decide(m.Disconnect(session, self.chance.choice(list(Ending))))
            self.decide(m.Tick())

    def publish(self) -> None:
        first = self.state.revision - len(self.changes) + 1
        if self.changes:
            self.batches.append(m.Batch(self.state.epoch, first, tuple(self.changes), (), self.state.term))
            self.changes = []

    def beat(self) -> None:
        self.batches.append(m.Batch(self.state.epoch, self.state.revision + 1, term=self.state.term))

    def batch(self, *, repeats: bool = False, index: int | None = None) -> None:
        if self.batches:
            at = self.chance.randrange(min(3, len(self.batches))) if index is None else index
            batch = self.batches[at] if repeats else self.batches.pop(at)
            offer = self.replica.offer(batch, self.now)
            self.told(step.transitions for step in offer.steps)

    def ask(self) -> None:
        self.slices.ask(SyncRequest(FIRST, None, self.replica.wanted(), self.doubts))

    def make(self) -> None:
        if self.slices:
            parts, workers = self.slices.take()
            self.made.append((workers[FIRST], self.state.snapshot(parts)))

    def slice(self) -> None:
        if self.made:
            doubts, snapshot = self.made.pop(self.chance.randrange(min(3, len(self.made))))
            if doubts == self.doubts:
                offer = self.replica.restore(snapshot, self.now)
                self.told(step.transitions for step in offer.steps)

    def doubt(self) -> None:
        self.doubts += 1
        self.replica.doubt()

    def new_authority(self) -> None:
        """It knows what workers say in their Hello: what the authority before had, but for some who have gone."""
        before = list(self.state.roster.sessions.values())
        self.begin(self.state.epoch + 1)
        for entry in before:
            if entry.is_live and (entry.info.user_id in STAYING or self.chance.random() < 0.7):
                announced = m.AnnouncedSession(entry.info, entry.status, frozenset(entry.channels))
                self.decide(m.Hello(entry.info.worker, (*self.announced(entry.info.worker), announced)))
        self.replica.follow(m.Mandate(self.state.epoch, self.state.term))

    def announced(self, worker: object) -> list[m.AnnouncedSession]:
        mine = [each for each in self.state.roster.sessions.values() if each.info.worker == worker]
        return [m.AnnouncedSession(each.info, each.status, frozenset(each.channels)) for each in mine]

    def do(self, move: str) -> None:
        match move:
            case "lose" if self.batches:
                self.batches.pop(self.chance.randrange(len(self.batches)))
            case "lose slice" if self.made:
                self.made.pop(self.chance.randrange(len(self.made)))
            case "repeat":
                self.batch(repeats=True)
            case "give up" if self.replica.is_waiting:
                self.replica.give_up_waiting()
            case "new authority":
                self.new_authority()
            case "change" | "publish" | "batch" | "beat" | "ask" | "make" | "slice" | "doubt":
                getattr(self, move)()

    # -- what must hold -------------------------------------------------------------------------------------------

    def told(self, steps: Iterable[tuple[m.Transition, ...]]) -> None:
        """Fold what was told. Before all was shown once, members are told to nobody."""
        own = (m.SessionEntered, m.SessionExited, m.SessionEnded)
        told = [each for step in steps for each in step]
        if not self.was_whole:
            self.shown.fold(each for each in told if isinstance(each, own))
            self.shown.adopt(self.replica)
            self.was_whole = self.replica.is_whole
            return
        self.shown.fold(told)
        for each in told:
            assert getattr(each, "user_id", None) not in STAYING, f"{each} of somebody who was there all the time"

    was_whole = False

    def settle(self) -> None:
        for _ in range(60):
            self.publish()
            self.beat()
            while self.batches:
                self.batch(index=0)
            if self.replica.is_waiting:
                self.replica.give_up_waiting()
            self.ask()
            while self.slices:
                self.make()
            while self.made:
                self.slice()
            if self.replica.is_in_step and self.replica.position == self.state.position:
                break
        assert self.replica.is_in_step
        assert self.replica.digest() == self.state.digest()
        self.replica.invariants()
        self.shown.matches(self.replica)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.sampled_from(MOVES * 3 + RARE), max_size=150),
    st.lists(st.sampled_from(MOVES * 3)),
)
def test_whatever_comes_in_whatever_order_the_replica_ends_where_the_authority_is(
    seed: int, moves: list[str], later: list[str]
) -> None:
    line = Line(seed)
    for move in moves:
        line.do(move)
    line.settle()
    for move in later:
        line.do(move)
    line.settle()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32))
def test_long_lives_too(seed: int) -> None:
    line = Line(seed)
    for _ in range(3):
        for _ in range(300):
            line.do(line.chance.choice(MOVES * 6 + RARE))
        line.settle()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_a_part_that_has_come_is_kept_in_step_while_others_are_missing(seed: int) -> None:
    line = Line(seed)
    for _ in range(60):
        line.change()
    line.publish()
    line.batches.clear()
    line.ask()
    while line.slices:
        line.make()
        line.slice()
        line.change()
        line.publish()
        for batch in line.batches:
            assert line.replica.offer(batch, line.now).kind is not OfferKind.GAP
        line.batches.clear()
        for user_id, user in line.state.roster.users.items():
            if line.replica.is_current(user_id):
                shown = line.replica.sessions_of(user_id)
                assert [e.info for e in shown] == [e.info for e in user.sessions.values()]
                assert [e.channels for e in shown] == [e.channels for e in user.sessions.values()]
