"""Events survive the way over the bus, and junk on it is an error that the reader expects."""

from __future__ import annotations

import json

import pytest

from chat.delivery import wire
from chat.delivery.wire import Audience
from chat.domain.events import Event, EventType, event_from_message
from chat.domain.ids import SessionId, UserId
from tests.support.delivery import CHANNEL, message


def over_the_bus(body: object) -> object:
    return json.loads(json.dumps(body))


def test_durable_events_arrive_as_they_left() -> None:
    events = [wire.message_new(message(1, 5)), Event(EventType.MESSAGE_DELETED, CHANNEL, message(1, 5, text=None), 6)]
    assert wire.durable_from_body(over_the_bus(wire.durable_body(events, 5.5))) == events
    assert wire.committed_at(over_the_bus(wire.durable_body(events, 5.5)), 9.0) == 5.5
    assert wire.committed_at({"events": []}, 9.0) == 9.0, "a process of older code does not say"


@pytest.mark.parametrize(
    "audience",
    [Audience(), Audience(CHANNEL, exclude=SessionId("s")), Audience(user_id=UserId("u"))],
    ids=["everybody", "a channel", "a user"],
)
def test_ephemeral_events_arrive_with_their_audience(audience: Audience) -> None:
    event = Event(EventType.TYPING, audience.channel, {"username": "ann", "on": True})
    assert wire.ephemeral_from_body(over_the_bus(wire.ephemeral_body(event, audience))) == (event, audience)


def test_activities_arrive_as_they_left() -> None:
    said = [wire.activity_of(message(3, 4), is_new=True), wire.activity_of(message(5, 5, text=None), is_new=False)]
    assert wire.activities_from_body(over_the_bus(wire.activities_body(said))) == said


def test_an_event_of_a_later_release_is_passed_over() -> None:
    # Hosts get their releases one after the other.
    body = over_the_bus(wire.ephemeral_body(Event(EventType.TYPING, CHANNEL, {}), Audience(CHANNEL)))
    body["event"][0] = "something.new"
    assert wire.ephemeral_from_body(body) is None


@pytest.mark.parametrize("body", [[], ["nope", None, 1, {}], ["typing"], [5, 5, 5, 5, 5], None])
def test_junk_is_refused(body: object) -> None:
    with pytest.raises((ValueError, TypeError, IndexError)):
        wire.event_from_body(body)  # type: ignore[arg-type]


def test_a_mention_tells_what_to_show_and_no_more() -> None:
    event = wire.mention(message(3, 4))
    assert event.seq is None
    assert event.data == {"id": "m3", "number": 3, "author": "ann", "text": "hi"}


@pytest.mark.parametrize(
    ("after", "seq", "changed_seq", "text", "expected"),
    [
        (4, 5, 5, "hi", EventType.MESSAGE_NEW),
        (4, 5, 9, "edited", EventType.MESSAGE_NEW),
        (5, 5, 9, "edited", EventType.MESSAGE_UPDATED),
        (4, 5, 9, None, EventType.MESSAGE_DELETED),
    ],
)
def test_a_present_state_is_told_as_what_it_is_to_a_client_at_that_cursor(
    after: int, seq: int, changed_seq: int, text: str | None, expected: EventType
) -> None:
    event = event_from_message(message(1, seq, changed_seq=changed_seq, text=text), after=after)
    assert (event.type, event.seq) == (expected, changed_seq)
