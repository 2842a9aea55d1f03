"""Replica: a worker's copy of who is in which channel.

Fed by membership.feeder, one batch at a time; read by the runtime, at any time. Pure: no clock, no bus, no log.
Serves the flows join, worker crash, supervisor start. Source: docs/architecture.md, "Membership".
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from enum import StrEnum

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Status
from chat.membership.protocol import Batch, Mandate, Outcome, Position, Snapshot, Transition
from chat.membership.roster import Roster, SessionEntry, UserEntry
from chat.membership.transitions import carry_out, difference, entered

HOLD_LIMIT = 1_000
"""Batches held while one before them is missing. More would be a snapshot's worth; the oldest are let go."""


class OfferKind(StrEnum):
    APPLIED = "applied"
    STALE = "stale"
    HELD = "held"
    GAP = "gap"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch (or snapshot) did: carry out the transitions, then hand out the outcomes."""

    transitions: tuple[Transition, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """The answer to a batch or a snapshot: what became of it, and the steps to take, in order."""

    kind: OfferKind
    steps: tuple[Step, ...] = ()


class Replica:
    """One worker's copy. Until the first snapshot it shows nobody, and every offer is a GAP."""

    def __init__(self, worker: WorkerId) -> None:
        self.worker = worker
        self.position = Position(0, 0)
        self.gap_since: float | None = None
        """Since when a batch is missing, on the clock of the `now` arguments; None: nothing is missing."""
        self.needs_snapshot = True
        """Waiting won't help: no snapshot yet, a new authority, or too much is missing."""
        self._followed = self._shown = Mandate(0, "")
        self._is_contested = False
        self._held: dict[int, Batch] = {}
        self._roster = Roster()

    # -- what the feeder feeds it -------------------------------------------------------------------------------

    def offer(self, batch: Batch, now: float) -> Offer:
        """Take one batch, in whatever order the bus brought it; a heartbeat is an empty one.

        APPLIED, with the steps of it and of those that had waited for it; STALE: known already (its outcomes may be
        new: they are handed out); HELD: waits for earlier revisions; GAP: ask for a Snapshot and call restore(),
        later batches are held meanwhile; UNCONFIRMED: nothing was done with it, ask the lease and call follow().
        Never raises; offering twice is harmless.
        """
        if (refused := self._refused(batch.mandate)) is not None:
            return refused
        if self.needs_snapshot and self._shown != self._followed:
            self._hold(batch, now)
            return Offer(OfferKind.GAP)
        if batch.first_revision > self.position.revision + 1:
            self._hold(batch, now)
            return Offer(OfferKind.GAP if self.needs_snapshot else OfferKind.HELD)
        if batch.changes and batch.last_revision > self.position.revision:
            steps = [self._apply(batch), *self._apply_held()]
            return Offer(OfferKind.APPLIED, tuple(steps))
        # Nothing new to us, but perhaps the answer to a command whose change a snapshot brought.
        kind = OfferKind.STALE if batch.changes else OfferKind.APPLIED
        return Offer(kind, (Step((), batch.outcomes),) if batch.outcomes else ())

    def restore(self, snapshot: Snapshot, now: float) -> Offer:
        """Install a snapshot, then what was held and is newer.

        APPLIED: the first step is the difference to what was shown. (The first snapshot of all tells of own sessions
        only: nobody was shown anything before it, and 500,000 members need not be told to nobody.) STALE: not newer
        than what is shown (which then is in step), or of an authority that was followed before. UNCONFIRMED as above.
        """
        if (refused := self._refused(snapshot.mandate)) is not None:
            return refused
        if self._shown == self._followed and snapshot.position <= self.position:
            self.needs_snapshot = False
            return Offer(OfferKind.STALE, tuple(self._apply_held()))
        roster = Roster()
        roster.reset(snapshot.sessions)
        made = difference(self._roster, roster, self.worker) if self.position.epoch else entered(roster, self.worker)
        self._roster, self.position, self._shown = roster, snapshot.position, snapshot.mandate
        self.needs_snapshot = False
        self.gap_since = None if not self._held else now
        return Offer(OfferKind.APPLIED, (Step(tuple(made)), *self._apply_held()))

    def follow(self, mandate: Mandate) -> None:
        """Follow the authority that the lease names, whichever was followed before. Said again: nothing happens.

        What is shown stays until a snapshot of that one comes; what was held of the other is forgotten.
        """
        if mandate == self._followed and not self._is_contested:
            return
        self._followed, self._is_contested = mandate, False
        self._held.clear()
        self.gap_since = None
        self.needs_snapshot = True

    def doubt(self) -> None:
        """The authority may take this worker for lost, and what comes next may say so: apply nothing before its next
        snapshot. What is shown stays, and later batches are held.
        """
        self._shown = Mandate(0, "")
        self.needs_snapshot = True

    def give_up_waiting(self) -> None:
        """The hole was not filled in time (or messages were lost for certain): only a snapshot helps now."""
        self.needs_snapshot = True

    def _refused(self, mandate: Mandate) -> Offer | None:
        """What says that mandate is not for us, or not yet; None: we follow it.

        Of two terms of one epoch one is wrong, and neither is applied until the lease was asked.
        """
        if mandate.epoch < self._followed.epoch:
            return Offer(OfferKind.STALE)
        if mandate.epoch == self._followed.epoch and mandate.term != self._followed.term:
            self._is_contested = True
        if mandate != self._followed or self._is_contested:
            return Offer(OfferKind.UNCONFIRMED)
        return None

    def _hold(self, batch: Batch, now: float) -> None:
        if self.gap_since is None:
            self.gap_since = now
        held = self._held.get(batch.first_revision)
        if held is not None:
            # A heartbeat, an answer and a change may all stand at one revision: none may hide another.
            outcomes = tuple(dict.fromkeys(held.outcomes + batch.outcomes))
            batch = replace(batch, changes=batch.changes or held.changes, outcomes=outcomes)
        self._held[batch.first_revision] = batch
        if len(self._held) > HOLD_LIMIT:
            del self._held[min(self._held)]
            self.needs_snapshot = True

    def _apply(self, batch: Batch) -> Step:
        made: list[Transition] = []
        for change in batch.changes[self.position.revision + 1 - batch.first_revision :]:
            made.extend(carry_out(self._roster, change, self.worker))
        self.position = Position(batch.epoch, max(batch.last_revision, self.position.revision))
        return Step(tuple(made), batch.outcomes)

    def _apply_held(self) -> list[Step]:
        steps: list[Step] = []
        for first in sorted(self._held):
            if first > self.position.revision + 1:
                break
            steps.append(self._apply(self._held.pop(first)))
        if not self._held:
            self.gap_since = None
            self.needs_snapshot = self._shown != self._followed
        return [step for step in steps if step.transitions or step.outcomes]

    @property
    def followed(self) -> Mandate:
        """The authority that is followed, even before a snapshot of it came. Epoch 0: none yet."""
        return self._followed

    # -- what the runtime reads, and views from their threads: each copies before it goes through anything ---------

    @property
    def is_in_step(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.needs_snapshot and self.gap_since is None and not self._is_contested

    def digest(self) -> str:
        """Equal to the authority's exactly where both show the same at the same position."""
        return self._roster.digest(self.position)

    def members(
        self, channel: ChannelKey, *, after: tuple[int, str] | None = None, limit: int | None = None
    ) -> list[tuple[UserId, str, Status]]:
        """(user, username, status) of who is in the channel now, online first, then by name: at most `limit` of them,
        behind that place of the order.

        In the loop only, unlike the rest. It costs the same however many are there.
        """
        ordered = self._roster.ordered(channel)
        first = 0 if after is None else bisect_right(ordered, after, key=_place_of)
        shown = ordered[first : None if limit is None else first + limit]
        return [(user.user_id, user.username, user.status) for user in shown]

    def member_count(self, channel: ChannelKey) -> int:
        return len(self._roster.channels.get(channel, ()))

    def session(self, session_id: SessionId) -> SessionEntry | None:
        """A session of any worker, lingering ones included; read it, don't keep it."""
        return self._roster.sessions.get(session_id)

    def sessions_of(self, user_id: UserId) -> list[SessionEntry]:
        """The user's sessions on all workers, oldest first, lingering ones included."""
        user = self._roster.users.get(user_id)
        return [] if user is None else list(user.sessions.values())

    def is_live(self, session_id: SessionId) -> bool:
        """Whether the session is here and does not linger."""
        entry = self._roster.sessions.get(session_id)
        return entry is not None and entry.is_live

    def status_of(self, user_id: UserId) -> Status | None:
        """The best status of the user's sessions; None: there is none."""
        user = self._roster.users.get(user_id)
        return None if user is None else user.status

    def users_channels(self, user_id: UserId) -> frozenset[ChannelKey]:
        """Where the user is a member, through whichever session."""
        user = self._roster.users.get(user_id)
        return frozenset() if user is None else frozenset(user.channels)

    def own_sessions(self) -> list[SessionId]:
        """The live sessions of this worker."""
        own = self._roster.workers.get(self.worker, {})
        return [session_id for session_id, entry in own.items() if entry.is_live]

    def invariants(self) -> None:
        """For tests: raises AssertionError with a sentence where an index lies."""
        self._roster.invariants()


def _place_of(user: UserEntry) -> tuple[int, str]:
    return user.order[:2]
