"""The registries of the native protocol agree with each other, and with the events that there are."""

from __future__ import annotations

from chat.domain.events import DURABLE, EventType
from chat.live.operations import OPERATIONS as LIVE_OPERATIONS
from chat.transports.native import handlers, moderation  # noqa: F401  they register themselves
from chat.transports.native.asyncapi import document
from chat.transports.native.operations import MAX_CURSORS, OPERATIONS
from chat.transports.native.registry import AT_ONCE, HANDLERS
from chat.transports.native.schemas import EVENTS, REPLIES
from reaktor.config.model import Limits


def test_each_operation_but_pong_has_a_handler_and_no_handler_is_left_over() -> None:
    assert sorted([*HANDLERS, *AT_ONCE, "pong"]) == sorted(OPERATIONS)


def test_each_operation_is_answered_with_a_known_shape() -> None:
    assert {operation.reply for operation in OPERATIONS.values()} - {None} == set(REPLIES)


def test_each_event_that_a_native_client_can_see_is_documented() -> None:
    unheard = {EventType.USER_QUIT}
    assert set(EVENTS) | {EventType.PING} == set(EventType) - unheard
    names = {message["name"] for message in document()["components"]["messages"].values()}
    assert {kind.value for kind in EventType} - {kind.value for kind in unheard} <= names


def test_the_live_operations_are_the_ones_that_native_clients_may_ask() -> None:
    assert set(LIVE_OPERATIONS) == set(OPERATIONS)


def test_durable_events_are_the_four_that_take_a_seq() -> None:
    assert {str(kind) for kind in DURABLE} == {"message.new", "message.updated", "message.deleted", "reaction.changed"}


def test_a_session_can_name_as_many_cursors_as_channels_it_may_be_in() -> None:
    assert Limits().channels_per_session == MAX_CURSORS
