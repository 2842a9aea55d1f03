"""Decisions: what the authority makes of what it is told: each command once, answers again for those sent again.

The pure half of the authority: envelopes, Hellos and BEATs go in with the time, one Batch per tick comes out. No bus,
no clock, no log, so that property tests can lose, repeat and reorder what goes in. Source: docs/architecture.md,
"Membership".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from chat.domain.ids import CommandId, WorkerId
from chat.membership.answers import Answers
from chat.membership.journal import Decided, Delivered, Journal
from chat.membership.protocol import (
    Batch,
    BeginLife,
    Change,
    Command,
    DropWorker,
    Hello,
    LoseHost,
    LoseWorker,
    Outcome,
    Tick,
)
from chat.membership.state import MembershipState, Result
from chat.membership.wire import Beat, Envelope, HostBeat, SyncRequest

# A worker that just died may not have been noticed: its sessions still count, and its users must not be refused.
SECOND_LOOK_S = 1.0
SECOND_LOOK = "too_many_sessions"


class _Deferred(NamedTuple):
    due: float
    sender: WorkerId | None
    envelope: Envelope


class Decisions:
    """The state, the answers given, who has said Hello in this epoch, and what is to be published next."""

    def __init__(self, state: MembershipState, *, is_handed_over: bool = False) -> None:
        """`is_handed_over`: the state is where the authority before ended, and what it knew of its workers holds."""
        self.state = state
        self.journal = Journal()
        self.decided = 0
        self._answers = Answers()
        self._greeted: set[WorkerId] = set(state.workers()) if is_handed_over else set()
        # Who has said anything since this one decides, be it to another one.
        self._heard: set[WorkerId] = set()
        self._deferred: dict[CommandId, _Deferred] = {}
        self._changes: list[Change] = []
        self._outcomes: dict[CommandId, Outcome] = {}

    def take(self, sender: WorkerId | None, envelope: Envelope, now: float) -> None:
        """Decide one command, or give its answer again.

        A worker that has not said Hello in this epoch gets no answer: its sessions are not known yet, and it would
        be told that they don't exist. It sends the command again after its Hello.
        """
        if (given := self._answers.get(envelope.command_id, now)) is not None:
            self._outcomes[given.command_id] = given
            return
        if envelope.command_id in self._deferred:
            return
        is_hello = isinstance(envelope.command, Hello)
        if sender is not None:
            self._meet(sender.host, sender.life, now)
        if sender is not None and not is_hello and sender not in self._greeted and not self.state.is_dead(sender):
            return
        result = self._apply(envelope.command, now, sender)
        if result.refusal == SECOND_LOOK:
            self._deferred[envelope.command_id] = _Deferred(now + SECOND_LOOK_S, sender, envelope)
            return
        self._answer(envelope.command_id, result, now)
        if is_hello and sender is not None and result.refusal is None:
            self._greeted.add(sender)
            self._heard.add(sender)

    def sync(self, request: SyncRequest, now: float) -> None:
        """Take the Hello of a worker that asks for a snapshot, so that the snapshot has its sessions in it."""
        if request.hello is not None:
            self.take(request.worker, request.hello, now)

    def order(self, command: Command, now: float) -> None:
        """A command of the authority's own process: nobody waits for its outcome."""
        if isinstance(command, DropWorker | LoseWorker):
            self._forget(lambda worker: worker == command.worker)
        elif isinstance(command, LoseHost):
            self._forget(lambda worker: worker.host == command.host)
        self._apply(command, now, None)

    def beat(self, beat: Beat) -> None:
        """Note what a worker has delivered."""
        self._heard.add(beat.worker)
        # Of whoever it is: a worker that can't read whom the lease names says no Hello, and its sessions end all the
        # same. Not for the journal: it is said again until the session is disconnected.
        self.state.note_last(beat.worker, beat.ended)
        if beat.worker in self._greeted:
            self.state.note_heads(beat.worker, beat.heads, whole=beat.whole)
            if beat.heads or beat.whole:
                self.journal.add(Delivered(beat.worker, beat.heads, beat.whole))

    def host_beat(self, beat: HostBeat, now: float) -> None:
        """Note what a supervisor says of its host: that it was started anew, and which of its workers have ended."""
        self._meet(beat.host, beat.life, now)
        for worker in beat.ended:
            if not self.state.is_dead(worker):
                self.order(DropWorker(worker), now)

    def _meet(self, host: int, life: int, now: float) -> None:
        if self.state.is_new_life(host, life):
            self._forget(lambda worker: worker.host == host and worker.life < life)
            self._apply(BeginLife(host, life), now, None)

    def _forget(self, is_gone: Callable[[WorkerId], bool]) -> None:
        for known in (self._greeted, self._heard):
            known.difference_update([worker for worker in known if is_gone(worker)])

    def tick(self, now: float) -> None:
        """What has come to its time: endings, blocks, second looks."""
        self._apply(Tick(), now, None)
        for deferred in [item for item in self._deferred.values() if item.due <= now]:
            command_id = deferred.envelope.command_id
            del self._deferred[command_id]
            self._answer(command_id, self._apply(deferred.envelope.command, now, deferred.sender), now)

    def lose_strangers(self, now: float) -> list[WorkerId]:
        """Those of whom nothing was heard, and who had the time for it, are lost.

        Who follows another authority still is there as well: its host can't reach the database that names us.
        """
        strangers = [worker for worker in self.state.workers() if worker not in self._heard]
        for worker in strangers:
            self.order(LoseWorker(worker), now)
        return strangers

    def is_greeted(self, worker: WorkerId) -> bool:
        """Whether the worker's sessions are in the picture."""
        return worker in self._greeted

    def heartbeat(self) -> Batch:
        """The position, as an empty batch."""
        return Batch(self.state.epoch, self.state.revision + 1, term=self.state.term)

    def collect(self) -> Batch | None:
        """Everything decided since the last call, to be published at once; None where there is nothing to say."""
        if not self._changes and not self._outcomes:
            return None
        first = self.state.revision - len(self._changes) + 1
        outcomes = tuple(self._outcomes.values())
        batch = Batch(self.state.epoch, first, tuple(self._changes), outcomes, self.state.term)
        self._changes, self._outcomes = [], {}
        return batch

    def _apply(self, command: Command, now: float, sender: WorkerId | None) -> Result:
        result = self.state.apply(command, now, sender)
        self._changes.extend(result.changes)
        if result.refusal is None:
            self.journal.add(Decided(now, command))
        self.decided += 1
        return result

    def _answer(self, command_id: CommandId, result: Result, now: float) -> None:
        outcome = Outcome(command_id, result.refusal)
        self._answers.put(outcome, now)
        self._outcomes[command_id] = outcome
