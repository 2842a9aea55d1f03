"""Replica: a worker's copy of who is in which channel.

Fed by membership.feeder, one batch or slice at a time; read by the runtime, at any time. Pure: no clock, no bus, no
log. Serves the flows join, worker crash, supervisor start. Source: docs/architecture.md, "Membership".

Slices come in any order, each of some parts and at a position of its own. A part that has come is kept in step by the
batches from then on. Of a part that has not, what was shown before stays, and batches change nothing: its slice will
have it. If the slice is older than the newest batches, it gets what they changed: the last of them are kept for that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Status
from chat.membership.protocol import (
    ALL_PARTS,
    PARTS,
    Batch,
    Change,
    Connected,
    Mandate,
    Outcome,
    Position,
    Snapshot,
    Transition,
    part_of,
)
from chat.membership.roster import Roster, SessionEntry, UserEntry
from chat.membership.transitions import carry_out, install

HOLD_LIMIT = 1_000
"""Batches held while one before them is missing, and batches kept for slices that may be older. More would be a
snapshot's worth; the oldest are let go."""


class OfferKind(StrEnum):
    APPLIED = "applied"
    STALE = "stale"
    HELD = "held"
    GAP = "gap"
    UNCONFIRMED = "unconfirmed"


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch (or slice) did: carry out the transitions, then hand out the outcomes."""

    transitions: tuple[Transition, ...] = ()
    outcomes: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Offer:
    """The answer to a batch or a slice: what became of it, and the steps to take, in order."""

    kind: OfferKind
    steps: tuple[Step, ...] = ()


class Replica:
    """One worker's copy. Until the first slice it shows nobody, and every offer is a GAP."""

    def __init__(self, worker: WorkerId) -> None:
        self.worker = worker
        self.position = Position(0, 0)
        """Up to where batches were taken. A slice may be ahead of it."""
        self.gap_since: float | None = None
        """Since when a batch is missing, on the clock of the `now` arguments; None: nothing is missing."""
        self.is_whole = False
        """Whether each part has been shown at least once."""
        self._followed = Mandate(0, "")
        self._is_contested = False
        self._held: dict[int, Batch] = {}
        self._has_given_up = False
        self._roster = Roster()
        self._missing = set(ALL_PARTS)
        self._shown_at = [0] * PARTS
        self._ahead = 0
        self._kept: deque[Batch] = deque()
        self._kept_after = 0

    # -- what the feeder feeds it -------------------------------------------------------------------------------

    def offer(self, batch: Batch, now: float) -> Offer:
        """Take one batch, in whatever order the bus brought it; a heartbeat is an empty one.

        APPLIED, with the steps of it and of those that had waited for it; STALE: known already (its outcomes may be
        new: they are handed out); HELD: waits for earlier revisions; GAP: ask for what is wanted() and call restore(),
        later batches are held meanwhile; UNCONFIRMED: nothing was done with it, ask the lease and call follow().
        Never raises; offering twice is harmless.
        """
        if (refused := self._refused(batch.mandate)) is not None:
            return refused
        if self._is_blind or batch.first_revision > self.position.revision + 1:
            self._hold(batch, now)
            return Offer(OfferKind.HELD if self.is_waiting else OfferKind.GAP)
        if batch.changes and batch.last_revision > self.position.revision:
            steps = [self._apply(batch), *self._apply_held()]
            return Offer(OfferKind.APPLIED, tuple(steps))
        # Nothing new to us, but perhaps the answer to a command whose change a slice brought.
        kind = OfferKind.STALE if batch.changes else OfferKind.APPLIED
        return Offer(kind, (Step((), batch.outcomes),) if batch.outcomes else ())

    def restore(self, snapshot: Snapshot, now: float) -> Offer:
        """Install a slice, then what was held and is newer.

        APPLIED: the first step is the difference to what was shown. (The first time of all it tells of own sessions
        only: nobody was shown anything before it, and 500,000 members need not be told to nobody.) STALE: not newer
        than what is shown, or too old, or of an authority that was followed before. UNCONFIRMED as above.
        """
        if (refused := self._refused(snapshot.mandate)) is not None:
            return refused
        revision, was_waiting = snapshot.position.revision, self.is_waiting
        if not snapshot.parts:
            return self.offer(Batch(snapshot.position.epoch, revision + 1, term=snapshot.term), now)
        if self._has_given_up and revision >= self._needed():
            self._go_on_from(self._needed())
        if self._is_blind:
            self.position = snapshot.position
            self._forget_kept()
            self._has_given_up = False
        parts = self._older(snapshot.parts, revision)
        if not parts or revision < self._kept_after:
            return Offer(OfferKind.STALE, tuple(self._apply_held()))
        if len(parts) < len(snapshot.parts):
            sessions = tuple(each for each in snapshot.sessions if part_of(each.session.user_id) in parts)
            snapshot = replace(snapshot, sessions=sessions)
        made = install(self._roster, snapshot, parts, self.worker, tells_members=self.is_whole)
        for part in parts:
            self._shown_at[part] = revision
        self._missing -= parts
        self._ahead = max(self._ahead, revision)
        for batch in self._kept:
            made.extend(self._carry_out(batch, after=revision, parts=parts))
        if not self._missing:
            self.is_whole = True
            if revision > self.position.revision:
                # Behind the position of all parts nothing can be missing.
                self.position = Position(self.position.epoch, max(self.position.revision, min(self._shown_at)))
            self._forget_kept()
        steps = [Step(tuple(made)), *self._apply_held()]
        if self._held and not was_waiting:
            self.gap_since = now
        return Offer(OfferKind.APPLIED, tuple(steps))

    def follow(self, mandate: Mandate, succeeds: str = "") -> bool:
        """Follow the authority that the lease names, whichever was followed before. Said again: nothing happens.

        What is shown stays until slices of that one come; what was held of the other is forgotten. Where it began with
        what is shown here (`succeeds`, see Batch), nothing is missing: returns whether that is so.
        """
        if mandate == self._followed and not self._is_contested:
            return False
        goes_on = self.is_whole and self.is_in_step and self.digest() == succeeds
        self._followed, self._is_contested = mandate, False
        self._held.clear()
        self.gap_since = None
        if not goes_on:
            self.doubt()
            return False
        self.position = Position(mandate.epoch, 0)
        self._shown_at = [0] * PARTS
        self._ahead = 0
        self._forget_kept()
        return True

    def doubt(self) -> None:
        """The authority may take this worker for lost, and what comes next may say so: apply nothing to a part before
        its next slice. What is shown stays, and later batches are held.
        """
        self._missing = set(ALL_PARTS)
        self._shown_at = [0] * PARTS
        self._ahead = 0
        self._has_given_up = False
        self._kept.clear()

    def give_up_waiting(self) -> None:
        """The hole was not filled in time: only slices help now."""
        self._has_given_up = bool(self._held)

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
            self._has_given_up = True

    def _needed(self) -> int:
        """After giving up: the revision that a part must show, as the batches before it will not come."""
        return min(self._held) - 1 if self._has_given_up else 0

    def _go_on_from(self, revision: int) -> None:
        """The batches up to there are let go: parts that do not show them are missing."""
        self._missing |= self._behind(revision)
        self.position = Position(self.position.epoch, revision)
        self._has_given_up = False
        self._forget_kept()

    def _behind(self, revision: int) -> set[int]:
        """The parts that do not show that revision, which the batches have not come to."""
        return {part for part, at in enumerate(self._shown_at) if at < revision}

    def _forget_kept(self) -> None:
        self._kept.clear()
        self._kept_after = self.position.revision

    def _older(self, parts: Iterable[int], revision: int) -> set[int]:
        """Those of the parts that show less than that revision."""
        if revision > max(self._ahead, self.position.revision):
            return set(parts)
        shown_at, missing = self._shown_at, self._missing
        return {part for part in parts if part in missing or revision > max(shown_at[part], self.position.revision)}

    def _apply(self, batch: Batch) -> Step:
        made = self._carry_out(batch, after=self.position.revision)
        self.position = Position(batch.epoch, max(batch.last_revision, self.position.revision))
        if self._missing and batch.changes:
            self._kept.append(batch)
            if len(self._kept) > HOLD_LIMIT:
                self._kept_after = self._kept.popleft().last_revision
        return Step(tuple(made), batch.outcomes)

    def _carry_out(self, batch: Batch, *, after: int, parts: Collection[int] = ALL_PARTS) -> list[Transition]:
        """Make the changes after that revision, in those of these parts that do not show them yet."""
        made: list[Transition] = []
        first = max(after + 1, batch.first_revision)
        is_even = parts is ALL_PARTS and not self._missing and first > self._ahead
        for revision, change in enumerate(batch.changes[first - batch.first_revision :], first):
            if not is_even:
                part = self._part_of(change)
                if part is None or part in self._missing or part not in parts or revision <= self._shown_at[part]:
                    continue
            made.extend(carry_out(self._roster, change, self.worker))
        return made

    def _part_of(self, change: Change) -> int | None:
        """Where the change belongs, as each is about one user; None: about a session that is not here."""
        if isinstance(change, Connected):
            return part_of(change.session.user_id)
        entry = self._roster.sessions.get(change.session_id)
        return None if entry is None else self._roster.users[entry.info.user_id].part

    def _apply_held(self) -> list[Step]:
        steps: list[Step] = []
        for first in sorted(self._held):
            if self._is_blind or first > self.position.revision + 1:
                break
            steps.append(self._apply(self._held.pop(first)))
        if not self._held:
            self.gap_since = None
            self._has_given_up = False
        return [step for step in steps if step.transitions or step.outcomes]

    # -- what the feeder asks -----------------------------------------------------------------------------------

    @property
    def followed(self) -> Mandate:
        """The authority that is followed, even before a snapshot of it came. Epoch 0: none yet."""
        return self._followed

    @property
    def needs_snapshot(self) -> bool:
        """Waiting won't help: parts are missing (all of them at the start and with a new authority), or batches are."""
        return bool(self._missing) or self._has_given_up

    @property
    def is_waiting(self) -> bool:
        """Whether a batch is missing that may still come."""
        return self.gap_since is not None and not self._has_given_up and not self._is_blind

    @property
    def _is_blind(self) -> bool:
        """Whether no part is in step, so that batches mean nothing."""
        return len(self._missing) == PARTS

    def wanted(self) -> tuple[range, ...]:
        """The parts whose slices are needed, as runs."""
        if self._is_blind:
            return (ALL_PARTS,)
        found: list[range] = []
        for part in sorted(self._missing | self._behind(self._needed())):
            if found and found[-1].stop == part:
                found[-1] = range(found[-1].start, part + 1)
            else:
                found.append(range(part, part + 1))
        return tuple(found)

    def is_current(self, user_id: UserId | None) -> bool:
        """Whether what is shown of the user follows the batches; None: of everybody."""
        return not self._missing or (user_id is not None and part_of(user_id) not in self._missing)

    # -- what the runtime reads, and views from their threads: each copies before it goes through anything ---------

    @property
    def is_in_step(self) -> bool:
        """Whether nothing is known to be missing."""
        is_even = self._ahead <= self.position.revision
        return is_even and not self.needs_snapshot and self.gap_since is None and not self._is_contested

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

    def present(self) -> frozenset[UserId]:
        """The users whom others see as online, wherever they are. In the loop only."""
        return frozenset(user_id for user_id, user in self._roster.users.items() if user.online)

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
