"""The hub's particulars: who is told, when a turn's frames are written, what the origin hears."""

from __future__ import annotations

import pytest

from chat.delivery.feed import Delivery
from chat.delivery.hub import Hub
from chat.domain.events import Event, EventType
from chat.domain.ids import ChannelKey, SessionId
from tests.support.delivery import CHANNEL, FakeFormat, FakeSession, message


class Turns:
    """Counts how often the hub asked to be flushed."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1


@pytest.fixture
def turns() -> Turns:
    return Turns()


@pytest.fixture
def hub(turns: Turns) -> Hub:
    return Hub(unsent_bytes=1_000_000, on_dirty=turns)


def entered(hub: Hub, name: str, **options: str) -> FakeSession:
    session = FakeSession(name, FakeFormat(), **options)
    hub.attach(session)
    hub.enter(session, CHANNEL)
    return session


def new(seq: int) -> Event:
    return Event(EventType.MESSAGE_NEW, CHANNEL, message(seq, seq), seq)


def test_the_frames_of_one_turn_are_one_write_and_asked_for_once(hub: Hub, turns: Turns) -> None:
    session = entered(hub, "ann")
    hub.to_channel(new(1))
    hub.send(session, b'{"answer": true}')
    hub.to_channel(new(2))
    assert (turns.asked, session.writes) == (1, [])
    hub.flush()
    assert [[frame.get("seq", "answer") for frame in frames] for frames in session.writes] == [[1, "answer", 2]]
    hub.to_channel(new(3))
    assert turns.asked == 2


def test_presence_waits_for_more_and_keeps_its_place_before_a_message(turns: Turns) -> None:
    """A thousand who came one after the other were told of one another by a million writes."""
    later = Turns()
    hub = Hub(unsent_bytes=1_000_000, on_dirty=turns, on_deferred=later)
    ann, bob = entered(hub, "ann"), entered(hub, "bob")
    for _ in range(2):
        hub.to_channel(Event(EventType.MEMBER_JOINED, CHANNEL, {"username": "eve"}))
    hub.flush()
    assert (turns.asked, later.asked, ann.writes, bob.writes) == (0, 1, [], [])
    hub.to_channel(new(1), exclude=SessionId("bob"))
    hub.flush()
    assert [[frame.get("seq") for frame in frames] for frames in ann.writes] == [[None, None, 1]]
    hub.flush_deferred()
    assert (len(ann.writes), [len(frames) for frames in bob.writes]) == (1, [2])
    hub.to_channel(Event(EventType.MEMBER_LEFT, CHANNEL, {"username": "eve"}))
    hub.detach(bob)
    hub.flush_deferred()
    assert (later.asked, len(ann.writes), len(bob.writes)) == (2, 2, 1)


def test_the_origin_is_acknowledged_in_its_place_and_not_sent_its_own_event(hub: Hub) -> None:
    author, other = entered(hub, "author"), entered(hub, "other")
    answers: list[int] = []

    def acknowledge() -> None:
        answers.append(len(author.outbox))
        hub.send(author, b'{"acknowledged": 2}')

    deliveries = [Delivery(new(1)), Delivery(new(2), SessionId("author"), acknowledge), Delivery(new(3))]
    hub.deliver(deliveries)
    hub.flush()
    assert answers == [1], "after event 1, before event 3"
    assert [frame.get("seq", "mine") for frame in author.frames] == [1, "mine", 3]
    assert [frame["seq"] for frame in other.frames] == [1, 2, 3]
    assert hub.deliveries_total == 5


def test_an_event_for_users_spares_sessions_that_were_not_greeted_yet(hub: Hub) -> None:
    greeted, starting = entered(hub, "one", user="ann"), entered(hub, "two", user="ann")
    starting.is_starting = True
    hub.to_everybody(Event(EventType.CHANNEL_CREATED, ChannelKey("new"), {}))
    hub.flush()
    assert (len(greeted.frames), len(starting.frames)) == (1, 0)


def test_an_event_without_a_channel_goes_to_no_channel(hub: Hub) -> None:
    session = entered(hub, "ann")
    hub.to_channel(Event(EventType.AUTH_EXPIRING, None, {}))
    hub.flush()
    assert session.frames == []


def test_a_session_that_left_hears_nothing_even_of_its_last_turn(hub: Hub) -> None:
    session = entered(hub, "ann")
    hub.to_channel(new(1))
    hub.detach(session)
    hub.flush()
    assert session.frames == []
    hub.exit(session, CHANNEL)
    assert not hub.has_members(CHANNEL)


def test_a_format_without_a_word_for_an_event_writes_nothing(hub: Hub, turns: Turns) -> None:
    class Mute(FakeFormat):
        def encode(self, event: Event) -> bytes | None:
            return None

    session = FakeSession("ann", Mute())
    hub.attach(session)
    hub.enter(session, CHANNEL)
    hub.to_channel(new(1))
    assert (turns.asked, session.outbox) == (0, [])
