"""Who is told of what was said in channels that they follow: once, at the right time, and after what was lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from chat import selectors
from chat.delivery import wire
from chat.delivery.hub import Hub
from chat.domain.events import Activity, ChannelData, Event, EventType, MessageData, ReadUpdateData, mark_data
from chat.domain.following import Follow
from chat.domain.ids import ChannelKey, UserId
from chat.domain.reading import Head, Marker
from chat.live import activity as activity_module
from chat.live.activity import Activities
from chat.selectors import Read, Tally
from reaktor.db.database import Database
from reaktor.errors import UnavailableError
from tests.support.delivery import FakeFormat, FakeSession, message
from tests.support.waiting import running, until

TEA, DIRECT = ChannelKey("tea"), ChannelKey("dm-1")
ANN, BOB = UserId("ann"), UserId("bob")


class Store:
    """The store as activities ask it: the numbers of channels, their newest messages, who follows what."""

    def __init__(self) -> None:
        self.newest: dict[ChannelKey, MessageData] = {}
        self.follows: dict[UserId, list[Follow]] = {}
        self.reads: dict[UserId, list[Read]] = {}
        self.is_away = False
        self.asked: list[Any] = []

    async def read(self, function: Callable[..., Any], argument: Any = None, **options: Any) -> Any:
        if self.is_away:
            raise UnavailableError
        self.asked.append(function)
        if function is selectors.channels_access:
            return []
        if function is selectors.channel_numbers:
            return {key: self.newest[key]["number"] for key in argument if key in self.newest}
        if function is selectors.activities_of:
            return [wire.activity_of(self.newest[key], is_new=True) for key in argument if key in self.newest]
        if function is selectors.tallies_of:
            found = {user_id: [read.data for read in self.reads.get(user_id, [])] for user_id in argument}
            return {
                user_id: Tally(sum(data["read_rev"] for data in each), sum(data["mentions"] for data in each))
                for user_id, each in found.items()
            }
        if function is selectors.reads_of:
            return {user_id: self.reads.get(user_id, []) for user_id in argument}
        return {user_id: self.follows.get(user_id, []) for user_id in argument}


class World:
    """One process's activities, with its hub and what it says to the others."""

    def __init__(self, *, is_alone: bool = False) -> None:
        self.hub = Hub(unsent_bytes=1_000_000, on_dirty=lambda: None)
        self.store = Store()
        self.said: list[list[Activity]] = []
        say = None if is_alone else self._say
        self.activities = Activities(self.hub, cast(Database, self.store), say)

    def _say(self, body: Mapping[str, Any]) -> None:
        self.said.append(wire.activities_from_body(body))

    def come(self, user: UserId, *follows: Follow, name: str = "") -> FakeSession:
        session = FakeSession(name or user, FakeFormat(), user=user)
        self.hub.attach(session)
        self.store.follows[user] = list(follows)
        self.activities.begin(user, follows, time.monotonic())
        return session

    def told(self, session: FakeSession) -> list[tuple[str, int, str | None]]:
        """Channel, number and beginning of what the session was told."""
        self.hub.flush()
        return [
            (frame["channel"], frame["data"]["head"]["number"], frame["data"]["last"] and frame["data"]["last"]["text"])
            for frame in session.frames
            if frame["event"] == "channel.activity"
        ]

    def marked(self, session: FakeSession) -> list[tuple[str, int, int]]:
        """Channel, read_rev and mentions of what the session was told of markers."""
        self.hub.flush()
        told = [frame for frame in session.frames if frame["event"] == "read.updated"]
        return [(frame["channel"], frame["data"]["read_rev"], frame["data"]["mentions"]) for frame in told]


def said(key: ChannelKey, number: int, text: str = "hi", *, is_new: bool = True, seq: int = 0) -> Activity:
    return wire.activity_of(written(key, number, text, seq=seq), is_new=is_new)


def written(key: ChannelKey, number: int, text: str | None = "hi", *, seq: int = 0) -> MessageData:
    return {**message(number, seq or number, text=text), "channel": key}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in {"SAY_S": 0.02, "TELL_S": 0.04, "TICK_S": 0.02, "ON_ITS_WAY_S": 0.02}.items():
        monkeypatch.setattr(activity_module, name, seconds)
    monkeypatch.setattr(activity_module, "DIRECT_ROUND_S", 0.08)
    monkeypatch.setattr(activity_module, "ROUND_S", 0.4)


async def test_followers_are_told_once_unless_they_are_there() -> None:
    world = World()
    ann, bob = world.come(ANN, Follow(DIRECT, 0, shows_last=True)), world.come(BOB, Follow(DIRECT, 0, shows_last=True))
    there = FakeSession("there", FakeFormat(), user=ANN)
    world.hub.attach(there)
    world.hub.enter(there, DIRECT)
    world.activities.posted([said(DIRECT, 1)])
    world.activities.on_body(wire.activities_body([said(DIRECT, 1)]))
    assert world.told(ann) == world.told(bob) == [("dm-1", 1, "hi")]
    assert world.told(there) == []
    assert world.said == [[said(DIRECT, 1)]], "what was heard is not said again"


async def test_direct_channels_at_once_the_others_together() -> None:
    world = World()
    ann = world.come(ANN, Follow(DIRECT, 0, shows_last=True), Follow(TEA, 0, shows_last=False))
    for number in (1, 2, 3):
        world.activities.posted([said(TEA, number)])
    world.activities.posted([said(DIRECT, 1)])
    assert world.told(ann) == [("dm-1", 1, "hi")]
    await until(lambda: len(world.told(ann)) > 1)
    assert world.told(ann)[1:] == [("tea", 3, None)], "the newest, without its text"
    assert world.said == [[said(DIRECT, 1)], [said(TEA, 3)]]


async def test_who_enters_before_is_not_told() -> None:
    world = World()
    ann = world.come(ANN, Follow(TEA, 0, shows_last=True))
    bob = world.come(BOB, Follow(TEA, 0, shows_last=True))
    world.activities.posted([said(TEA, 1)])
    world.hub.enter(ann, TEA)
    await until(lambda: bool(world.told(bob)))
    assert world.told(ann) == []


async def test_of_changes_only_that_of_the_newest_is_told() -> None:
    world = World(is_alone=True)
    ann = world.come(ANN, Follow(DIRECT, 2, shows_last=True))
    for number in (1, 2):
        deleted = Event(EventType.MESSAGE_DELETED, DIRECT, written(DIRECT, number, None, seq=5), 5)
        world.activities.changed([deleted])
    reaction = Event(EventType.REACTION_CHANGED, DIRECT, written(DIRECT, 2, seq=6), 6)
    world.activities.changed([reaction])
    assert world.told(ann) == [("dm-1", 2, None)]
    assert world.said == []


async def test_a_session_that_was_starting_hears_what_it_was_not_greeted_with() -> None:
    world = World()
    began = time.monotonic()
    world.activities.on_body(wire.activities_body([said(DIRECT, 1), said(TEA, 7)]))
    ann = world.come(ANN, Follow(DIRECT, 0, shows_last=True), Follow(TEA, 7, shows_last=True))
    ann.is_starting = True
    world.activities.on_body(wire.activities_body([said(DIRECT, 2)]))
    ann.is_starting = False
    world.activities.started(ann, {DIRECT: 0, TEA: 7}, [], began)
    assert world.told(ann) == [("dm-1", 2, "hi")]


async def test_where_too_much_was_said_meanwhile_the_store_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_module, "MAX_RECENT", 1)
    world = World()
    began = time.monotonic()
    world.activities.on_body(wire.activities_body([said(DIRECT, 1), said(TEA, 1), said(ChannelKey("far"), 1)]))
    ann = world.come(ANN, Follow(DIRECT, 1, shows_last=True))
    world.store.newest[DIRECT] = written(DIRECT, 1)
    world.activities.started(ann, {DIRECT: 0}, [], began)
    async with running(world.activities.run()):
        await until(lambda: world.told(ann) == [("dm-1", 1, "hi")])


@pytest.mark.parametrize("key", [DIRECT, TEA])
async def test_what_the_bus_lost_is_found_in_the_store(key: ChannelKey) -> None:
    world = World()
    ann = world.come(ANN, Follow(key, 1, shows_last=True))
    world.store.newest[key] = written(key, 3)
    world.store.is_away = True
    async with running(world.activities.run()):
        await asyncio.sleep(0.06)
        world.store.is_away = False
        await until(lambda: world.told(ann) == [(key, 3, "hi")])
        asked = len(world.store.asked)
        await until(lambda: len(world.store.asked) > asked + 4)
    assert len(world.told(ann)) == 1, "once"


async def test_after_a_gap_all_is_compared_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_module, "ROUND_S", 1_000.0)
    keys = [ChannelKey(f"c{number}") for number in range(50)]
    world = World()
    ann = world.come(ANN, *(Follow(key, 0, shows_last=True) for key in keys))
    async with running(world.activities.run()):
        await until(lambda: selectors.channel_numbers in world.store.asked)
        for key in keys:
            world.store.newest[key] = written(key, 1)
        world.activities.on_gap()
        await until(lambda: len(world.told(ann)) == len(keys))


def greeted(key: ChannelKey, rev: int) -> ChannelData:
    return cast(ChannelData, {"key": key, **read(key, rev).data})


def read(key: ChannelKey, rev: int, mentions: int = 0) -> Read:
    data = mark_data(Marker(Head(1), 0, rev), Head(3))
    return Read(key, ReadUpdateData(**data, mentions=mentions, number=3))


async def test_markers_that_moved_unheard_are_told_within_a_round() -> None:
    world = World()
    ann = world.come(ANN, Follow(TEA, 3, shows_last=True))
    world.store.reads[ANN] = [read(TEA, 1)]
    async with running(world.activities.run()):
        await until(lambda: world.marked(ann) == [("tea", 1, 0)])
        world.store.reads[ANN] = [read(TEA, 2)]
        await until(lambda: world.marked(ann)[1:] == [("tea", 2, 0)])
        asked = world.store.asked.count(selectors.tallies_of)
        await until(lambda: world.store.asked.count(selectors.tallies_of) > asked + 1)
    assert len(world.marked(ann)) == 2, "what did not move is not told again"


async def test_markers_that_a_session_was_greeted_with_are_not_told_again() -> None:
    """But where another session of the user was last told otherwise, both are told."""
    world = World()
    ann = world.come(ANN, Follow(TEA, 3, shows_last=True), Follow(DIRECT, 3, shows_last=True))
    world.activities.started(ann, {}, [greeted(TEA, 1), greeted(DIRECT, 1)], time.monotonic())
    world.store.reads[ANN] = [read(TEA, 1), read(DIRECT, 1)]
    async with running(world.activities.run()):
        await until(lambda: selectors.reads_of in world.store.asked)
        asked = world.store.asked.count(selectors.tallies_of)
        await until(lambda: world.store.asked.count(selectors.tallies_of) > asked + 1)
        assert world.marked(ann) == []
        other = world.come(ANN, Follow(TEA, 3, shows_last=True), Follow(DIRECT, 3, shows_last=True), name="other")
        world.activities.started(other, {}, [greeted(TEA, 2), greeted(DIRECT, 1)], time.monotonic())
        world.store.reads[ANN] = [read(TEA, 2), read(DIRECT, 1)]
        await until(lambda: world.marked(ann) == world.marked(other) == [("tea", 2, 0)])


async def test_mentions_that_were_lost_are_counted_within_a_round() -> None:
    """The word of one was lost, that of a later message was not: the channel had come no further."""
    world = World()
    ann = world.come(ANN, Follow(TEA, 3, shows_last=True), Follow(DIRECT, 3, shows_last=True))
    world.store.reads[ANN] = [read(TEA, 1), read(DIRECT, 1)]
    async with running(world.activities.run()):
        await until(lambda: world.marked(ann) == [("tea", 1, 0), ("dm-1", 1, 0)])
        world.store.reads[ANN] = [read(TEA, 1, 1), read(DIRECT, 1)]
        await until(lambda: world.marked(ann)[2:] == [("tea", 1, 1)])


async def test_with_an_activity_that_was_lost_its_mentions_are_counted() -> None:
    world = World()
    ann = world.come(ANN, Follow(DIRECT, 1, shows_last=True), Follow(TEA, 1, shows_last=False))
    world.store.newest[DIRECT] = written(DIRECT, 3)
    world.store.reads[ANN] = [read(DIRECT, 1, 2), read(TEA, 1)]
    async with running(world.activities.run()):
        await until(lambda: ("dm-1", 1, 2) in world.marked(ann))
        assert world.told(ann) == [("dm-1", 3, "hi")]


async def test_who_may_not_read_any_more_is_told_nothing_from_then() -> None:
    world = World()
    ann = world.come(ANN, Follow(DIRECT, 0, shows_last=True))
    removed = Event(EventType.CHANNEL_REMOVED, DIRECT, {})
    world.activities.on_user_event(ANN, removed)
    world.activities.posted([said(DIRECT, 1)])
    assert world.told(ann) == []


async def test_what_a_user_follows_is_read_again_when_it_changes() -> None:
    world = World()
    ann = world.come(ANN)
    async with running(world.activities.run()):
        world.store.follows[ANN] = [Follow(DIRECT, 4, shows_last=True)]
        world.activities.on_user_event(ANN, Event(EventType.CHANNEL_ADDED, DIRECT, {"level": "all"}))
        await until(lambda: world.activities.follows.told(DIRECT) == 4)
        world.activities.posted([said(DIRECT, 5)])
        assert world.told(ann) == [("dm-1", 5, "hi")]


async def test_a_change_while_a_session_comes_is_not_overwritten() -> None:
    world = World()
    async with running(world.activities.run()):
        began = time.monotonic()
        world.activities.on_user_event(ANN, Event(EventType.CHANNEL_ADDED, DIRECT, {"level": "all"}))
        session = FakeSession("ann", FakeFormat(), user=ANN)
        world.hub.attach(session)
        world.store.follows[ANN] = [Follow(DIRECT, 0, shows_last=True)]
        world.activities.begin(ANN, [], began)
        await until(lambda: world.activities.follows.told(DIRECT) == 0)


async def test_nobody_is_followed_for_who_is_gone() -> None:
    world = World()
    ann = world.come(ANN, Follow(DIRECT, 0, shows_last=True))
    world.hub.detach(ann)
    world.activities.end(ANN)
    assert (len(world.activities.follows), world.activities.follows.users()) == (0, [])
