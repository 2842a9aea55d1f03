"""The commands of a worker stay in the order in which they were given, whatever becomes of the bus meanwhile."""

from __future__ import annotations

from chat.domain.ids import SessionId
from chat.membership.pending import Pending, PendingCommand
from chat.membership.protocol import Command, Connect, Disconnect, Outcome
from tests.support.membership import session_info

ENDED = Disconnect(SessionId("s1"))
BEGINS = Connect(session_info("s2"))


def taken(pending: Pending, now: float) -> list[Command]:
    return [each.envelope.command for each in pending.take(500, now)]


def after_sending(command: Command) -> tuple[Pending, list[PendingCommand]]:
    """With what was taken to be sent, at 1.0."""
    pending = Pending("w")
    pending.add(command, None, None)
    return pending, pending.take(500, 1.0)


def test_what_the_bus_did_not_take_is_sent_before_what_came_meanwhile() -> None:
    pending, failed = after_sending(ENDED)
    pending.add(BEGINS, None, None)
    pending.put_back(failed)
    assert pending.to_send.is_set()
    assert taken(pending, 2.0) == [ENDED, BEGINS]
    assert taken(pending, 2.0) == []


def test_what_has_no_outcome_for_long_is_sent_before_what_came_meanwhile_and_once() -> None:
    pending, failed = after_sending(ENDED)
    pending.add(BEGINS, None, None)
    pending.requeue(1.0)
    pending.put_back(failed)
    pending.requeue(1.0)
    assert taken(pending, 2.0) == [ENDED, BEGINS]
    assert taken(pending, 2.0) == []


def test_what_was_decided_meanwhile_is_not_put_back() -> None:
    pending, failed = after_sending(ENDED)
    pending.resolve(Outcome(failed[0].envelope.command_id), lambda command: True, lambda command: True)
    pending.put_back(failed)
    assert taken(pending, 2.0) == []
    assert not pending.to_send.is_set()
