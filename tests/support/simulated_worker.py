"""A worker in one thread: a real replica and the least feeder that keeps the protocol, on lines a test holds.

Used by membership_world, which decides what is lost, repeated or reordered on the lines.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from chat.domain.ids import CommandId, SessionId, WorkerId
from chat.domain.sessions import SessionInfo, Status
from chat.membership.protocol import (
    AnnouncedSession,
    Batch,
    Command,
    Connect,
    Disconnect,
    Hello,
    Mandate,
    Outcome,
    SessionEnded,
    SessionEntered,
    SessionExited,
)
from chat.membership.replica import Offer, OfferKind, Replica
from chat.membership.wire import Envelope, SnapshotAnswer, SyncRequest
from tests.support.membership import Shown, channels_of

# No bus holds a message for longer; the authority's window for answers is longer than that.
LINE_MEMORY_S = 20.0
PATIENCE_S = 5.0


@dataclass
class Line:
    """What is on its way in one direction."""

    messages: list[tuple[float, Any]] = field(default_factory=list)

    def send(self, message: Any, now: float) -> None:
        self.messages.append((now, message))

    def take(self, index: int, now: float, *, keep: bool = False) -> Any | None:
        self.messages = [item for item in self.messages if item[0] + LINE_MEMORY_S > now]
        if not self.messages:
            return None
        index %= len(self.messages)
        return self.messages[index][1] if keep else self.messages.pop(index)[1]


class SimulatedWorker:
    """One incarnation: a real replica, and the feeder's duties without their clocks."""

    def __init__(self, worker: WorkerId, up: Line, named: Callable[[], Mandate]) -> None:
        """`named`: whom the lease names."""
        self.worker, self.named = worker, named
        self.up, self.down = up, Line()
        self.replica = Replica(worker)
        self.shown = Shown()
        self.pending: dict[CommandId, tuple[float, Envelope]] = {}
        self.live: dict[SessionId, SessionInfo] = {}
        self.is_greeted = False
        self.count = 0

    def submit(self, command: Command, now: float) -> None:
        self.count += 1
        envelope = Envelope(CommandId(f"{self.worker}.{self.count}"), command)
        self.pending[envelope.command_id] = (now, envelope)
        self.up.send((self.worker, envelope), now)

    def resend(self, now: float) -> None:
        self.give_up(now, PATIENCE_S)
        for _, envelope in self.pending.values():
            self.up.send((self.worker, envelope), now)

    def ask(self, now: float) -> None:
        hello = None
        if not self.is_greeted:
            sessions = [
                AnnouncedSession(info, Status.ONLINE, channels_of(self.replica, session_id))
                for session_id, info in self.live.items()
            ]
            hello = Envelope(CommandId(f"{self.worker}.hello"), Hello(self.worker, tuple(sessions)))
        self.up.send(SyncRequest(self.worker, hello, self.replica.wanted()), now)

    def on_message(self, message: Batch | SnapshotAnswer, now: float) -> None:
        was_whole = self.replica.is_whole
        if isinstance(message, Batch):
            offer = self.replica.offer(message, now)
            if self._asked_lease(offer):
                return
        else:
            mandate = message.snapshot.mandate
            if mandate == self.replica.followed and not message.is_greeted:
                self.is_greeted = False
                return
            offer = self.replica.restore(message.snapshot, now)
            if self._asked_lease(offer) or mandate != self.replica.followed:
                return
            self.is_greeted = True
        self._carry_out(offer, tells_members=was_whole)
        if not was_whole:
            self.shown.adopt(self.replica)

    def _asked_lease(self, offer: Offer) -> bool:
        """Whether the lease had to be asked; whom it names is followed from now on."""
        if offer.kind is not OfferKind.UNCONFIRMED:
            return False
        named = self.named()
        if named != self.replica.followed:
            self.is_greeted = False
        self.replica.follow(named)
        return True

    def _carry_out(self, offer: Offer, *, tells_members: bool) -> None:
        own = (SessionEntered, SessionExited, SessionEnded)
        for step in offer.steps:
            self.shown.fold(each for each in step.transitions if tells_members or isinstance(each, own))
            for transition in step.transitions:
                if isinstance(transition, SessionEnded):
                    self.live.pop(transition.session_id, None)
            for outcome in step.outcomes:
                self._resolve(outcome)

    def _resolve(self, outcome: Outcome) -> None:
        _, envelope = self.pending.get(outcome.command_id, (0.0, None))
        if outcome.is_accepted and envelope is not None and not self._is_current(envelope.command):
            return
        self.pending.pop(outcome.command_id, None)
        if envelope is None or not isinstance(envelope.command, Connect) or not outcome.is_accepted:
            return
        info = envelope.command.session
        if self.replica.is_live(info.session_id):
            self.live[info.session_id] = info

    def _is_current(self, command: Command) -> bool:
        if isinstance(command, Connect):
            return self.replica.is_current(command.session.user_id)
        entry = self.replica.session(getattr(command, "session_id", SessionId("")))
        return isinstance(command, Disconnect) or self.replica.is_current(None if entry is None else entry.info.user_id)

    def give_up(self, now: float, after_s: float = 0.0) -> None:
        """Callers lose patience: what they wanted is not sent again, and no Connect may leave a ghost."""
        for command_id, (at, envelope) in list(self.pending.items()):
            if now - at < after_s or isinstance(envelope.command, Disconnect):
                continue
            del self.pending[command_id]
            if isinstance(envelope.command, Connect):
                self.submit(Disconnect(envelope.command.session.session_id), now)

    def look_for_ghosts(self, now: float) -> None:
        """A session that the membership has as ours and nobody here knows is over."""
        wanted = {e.command.session.session_id for _, e in self.pending.values() if isinstance(e.command, Connect)}
        for session_id in self.replica.own_sessions():
            if session_id not in self.live and session_id not in wanted:
                self.submit(Disconnect(session_id), now)
