"""How events leave a process: all that wait at once, in order; and what happens to those that nobody takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import orjson
import pytest

from chat.delivery import wire
from chat.delivery.hidings import Hidings
from chat.delivery.hub import Hub
from chat.delivery.wire import Audience
from chat.domain.events import Event, EventType
from chat.domain.ids import ChannelKey, UserId
from chat.live import broadcast as broadcast_module
from chat.live.broadcast import Broadcast
from reaktor.process.bus import BusError, Saying
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.waiting import running, until

TEA = ChannelKey("tea")


class Channelled:
    """A bus that keeps what it is given, and is away while told so. Hub, feeds and followers take everything."""

    has_unwritten = False

    def __init__(self) -> None:
        self.hidings = Hidings()
        self.taken: list[list[int | str]] = []
        self.delivered: list[Any] = []
        self.is_up = True
        self.is_away = False

    async def broadcast_all(self, sayings: Sequence[Saying]) -> None:
        self.is_up = not self.is_away
        if self.is_away:
            raise BusError("away")
        self.taken.append([saying.body["event"][2] if "event" in saying.body else saying.kind for saying in sayings])

    def to_channel(self, event: Event, exclude: Any = None) -> None:
        self.delivered.append(event.seq)

    def offer(self, key: ChannelKey, deliveries: Any) -> None:
        self.delivered.append(key)

    def changed(self, events: Any) -> None:
        self.delivered.append("followers")


def say(broadcast: Broadcast, *numbers: int) -> None:
    for number in numbers:
        broadcast.ephemeral(Event(EventType.TYPING, TEA, {}, number), Audience(channel=TEA))


@pytest.fixture
def bus() -> Channelled:
    return Channelled()


@pytest.fixture
def broadcast(bus: Channelled) -> Broadcast:
    return Broadcast(*[cast(Any, bus)] * 4, is_alone=False)


async def test_what_waits_is_handed_over_at_once_and_in_order(
    bus: Channelled, broadcast: Broadcast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each event used to wait until the bus had taken the one before."""
    monkeypatch.setattr(broadcast_module, "TOGETHER", 5)
    async with running(broadcast.run()):
        say(broadcast, *range(12))
        await until(lambda: not len(broadcast))
        say(broadcast, 12, 13)
        await until(lambda: len(bus.taken) == 4)
    assert bus.taken == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9], [10, 11], [12, 13]]


async def test_a_bus_that_is_away_is_told_of_once_and_what_comes_after_it_is_said(
    bus: Channelled, broadcast: Broadcast, caplog: pytest.LogCaptureFixture
) -> None:
    bus.is_away = True
    async with running(broadcast.run()):
        for number in range(3):
            say(broadcast, number)
            await until(lambda: not len(broadcast) and not bus.is_up)
        bus.is_away = False
        say(broadcast, 3)
        await until(lambda: bus.taken)
        say(broadcast, 4)
        await until(lambda: len(bus.taken) == 2)
    assert bus.taken == [[3, "events.gap"], [4]], "the others compare with the store, once"
    assert [record.getMessage() for record in caplog.records] == ["broadcast: the bus does not take 1 events (away)"]


def test_what_does_not_fit_in_the_queue_is_counted(bus: Channelled, broadcast: Broadcast) -> None:
    say(broadcast, *range(broadcast_module.QUEUE + 3))
    assert (len(broadcast), broadcast.dropped_total) == (broadcast_module.QUEUE, 3)


async def test_a_process_that_is_the_whole_server_publishes_nothing(bus: Channelled) -> None:
    """Its own words came back to it through the layer, to be thrown away: most of what saying them cost."""
    broadcast = Broadcast(*[cast(Any, bus)] * 4, is_alone=True)
    say(broadcast, 1)
    broadcast.durable([Event(EventType.MESSAGE_NEW, TEA, {}, 1)])
    assert (len(broadcast), bus.delivered) == (0, [1, TEA, "followers"])


REPLY = {
    "thread": "m1",
    "thread_info": {"number": 1, "seq": 2, "replies": 1, "last_reply_at": None, "participants": ["eve"]},
    "author": "eve",
}


def test_a_reply_is_told_to_followers_who_are_elsewhere_and_may_hear_its_author(bus: Channelled) -> None:
    hub = Hub(unsent_bytes=1 << 20, on_dirty=lambda: None)
    wire_format = FakeFormat()
    sessions = {name: FakeSession(name, wire_format) for name in ("ann", "bob", "eve", "kim", "lea", "sam")}
    for session in sessions.values():
        hub.attach(session)
    hub.enter(sessions["bob"], TEA)
    hub.hidings.put(UserId("kim"), {TEA: frozenset({"eve"})})
    hub.hidings.put(UserId("sam"), {TEA: frozenset({"bob"})})
    others = Broadcast(*[cast(Any, bus), cast(Any, hub), cast(Any, bus), cast(Any, bus)], is_alone=False)
    followers = [UserId(name) for name in ("ann", "bob", "eve", "kim", "sam", "nobody")]
    body = wire.thread_activity_body(Event(EventType.THREAD_ACTIVITY, TEA, REPLY), followers)
    assert others.on_message(wire.THREAD_KIND, orjson.loads(orjson.dumps(body)))
    hub.flush()
    assert [name for name, session in sessions.items() if session.frames] == ["ann", "sam"]
    assert sessions["ann"].frames[0]["data"] == REPLY
