"""Pending: the commands of one feeder that have no outcome yet.

Held by the Feeder. Each has an id that no other command of this server ever has; it is sent, and sent again, under
that id. Those of one loop turn travel together. Asyncio only for the futures that callers await; no bus.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from chat.domain.ids import CommandId, SessionId
from chat.membership.protocol import Command, Connect, Outcome
from chat.membership.wire import Envelope, pack_envelope
from reaktor.errors import (
    BannedError,
    ConflictError,
    ErrorCode,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    ReaktorError,
    TooManySessionsError,
    UnavailableError,
)

_ERRORS: dict[str, type[ReaktorError]] = {
    ErrorCode.BANNED: BannedError,
    ErrorCode.CONFLICT: ConflictError,
    ErrorCode.FORBIDDEN: ForbiddenError,
    ErrorCode.NOT_FOUND: NotFoundError,
    ErrorCode.TOO_MANY_SESSIONS: TooManySessionsError,
    ErrorCode.UNAVAILABLE: UnavailableError,
}


def error_of(code: str) -> ReaktorError:
    """The error of a refusal. A Block may carry a word of its own: to whom it refuses, it is a ban of its kind."""
    return _ERRORS.get(code, ForbiddenError)()


@dataclass(slots=True, eq=False)
class PendingCommand:
    """One command without an outcome. No future: nobody waits, and it is sent until it has been decided."""

    envelope: Envelope
    packed: orjson.Fragment
    future: asyncio.Future[Any] | None
    on_applied: Callable[[Outcome], Any] | None
    sent_at: float = 0.0
    is_queued: bool = True
    is_refused: bool = False


class Pending:
    """The commands by id, and the queue of those to be sent."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._count = 0
        self._by_id: dict[CommandId, PendingCommand] = {}
        self._outbox: deque[PendingCommand] = deque()
        self.to_send = asyncio.Event()

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, command_id: CommandId) -> bool:
        return command_id in self._by_id

    def add(
        self, command: Command, future: asyncio.Future[Any] | None, on_applied: Callable[[Outcome], Any] | None
    ) -> PendingCommand:
        """Queue a command under a new id. Raises InvalidError for texts that can't be sent."""
        self._count += 1
        command_id = CommandId(f"{self._prefix}.{self._count}")
        envelope = Envelope(command_id, command)
        try:
            packed = pack_envelope(envelope)
        except TypeError as error:
            raise InvalidError from error
        pending = self._by_id[command_id] = PendingCommand(envelope, packed, future, on_applied)
        self._outbox.append(pending)
        self.to_send.set()
        return pending

    def drop(self, pending: PendingCommand) -> None:
        """Nobody waits for it any more: it is not sent again."""
        self._by_id.pop(pending.envelope.command_id, None)

    def connecting(self) -> set[SessionId]:
        """The sessions whose Connect has no outcome yet."""
        commands = [pending.envelope.command for pending in self._by_id.values()]
        return {command.session.session_id for command in commands if isinstance(command, Connect)}

    def take(self, count: int, now: float) -> list[PendingCommand]:
        """The next commands to send, in the order they were given; none: to_send is clear."""
        taken: list[PendingCommand] = []
        while self._outbox and len(taken) < count:
            pending = self._outbox.popleft()
            pending.is_queued = False
            if pending.envelope.command_id in self._by_id:
                pending.sent_at = now
                taken.append(pending)
        if not self._outbox:
            self.to_send.clear()
        return taken

    def put_back(self, taken: Iterable[PendingCommand]) -> None:
        """Send these again, and all that waits in the order it was given: no session ends after its successor began."""
        for pending in taken:
            pending.is_queued = True
        self._outbox = deque(each for each in self._by_id.values() if each.is_queued)
        if self._outbox:
            self.to_send.set()

    def requeue(self, sent_before: float) -> None:
        """Send again what was sent before that time and has no outcome yet."""
        overdue = [each for each in self._by_id.values() if not each.is_queued and each.sent_at <= sent_before]
        if overdue:
            self.put_back(overdue)

    def resolve(
        self, outcome: Outcome, is_current: Callable[[Command], bool], is_in_force: Callable[[Command], bool]
    ) -> None:
        """An outcome came, and the change with it is in the replica: tell whoever waits, here and now.

        Where what it changed is not current, as its slice is still to come, the command is sent and answered again.
        Ones that are not (or no longer) pending, such as those of other workers, are ignored. Where what was
        accepted is in force no longer (undone in the same batch, or in what a snapshot replaced), the caller must
        not go on as if it were: UnavailableError, and the next try meets what undid it.
        """
        pending = self._by_id.get(outcome.command_id)
        if pending is None:
            return
        is_waited_for = pending.future is not None and not pending.future.done()
        if is_waited_for and outcome.is_accepted and not is_current(pending.envelope.command):
            return
        del self._by_id[outcome.command_id]
        if pending.future is None or not is_waited_for:
            return
        if outcome.code is not None:
            pending.is_refused = True
            pending.future.set_exception(error_of(outcome.code))
            return
        if not is_in_force(pending.envelope.command):
            pending.future.set_exception(UnavailableError())
            return
        try:
            result = outcome if pending.on_applied is None else pending.on_applied(outcome)
        except Exception as error:  # noqa: BLE001  it belongs to the caller, who gets it; the replica goes on
            pending.future.set_exception(error)
        else:
            pending.future.set_result(result)

    def abandon_all(self) -> None:
        """End every wait with UnavailableError; nothing will be sent any more."""
        abandoned, self._by_id = self._by_id, {}
        self._outbox.clear()
        self.to_send.clear()
        for pending in abandoned.values():
            if pending.future is not None and not pending.future.done():
                pending.future.set_exception(UnavailableError())
