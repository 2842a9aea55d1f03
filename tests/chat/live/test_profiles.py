"""Who is told that somebody shows another name, status or picture: whoever shares a channel, once in a while."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from chat import selectors
from chat.delivery.follows import Follows
from chat.delivery.hub import Hub
from chat.domain.events import EventType
from chat.domain.following import Follow
from chat.domain.ids import ChannelKey, UserId
from chat.live import profiles as module
from chat.live.profiles import EACH_S, Profiles
from chat.membership.replica import Replica
from chat.selectors import Profile
from reaktor.db.database import Database
from reaktor.errors import UnavailableError
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.waiting import running, until

TEA, DIRECT = ChannelKey("tea"), ChannelKey("dm-1")
ANN = UserId("ann")


class World:
    """One process: its hub, who is in which channel, and a store that says how people are shown."""

    def __init__(self) -> None:
        self.hub = Hub(unsent_bytes=1_000, on_dirty=lambda: None)
        self.follows = Follows()
        self.here: dict[UserId, frozenset[ChannelKey]] = {}
        self.shown: dict[UserId, str] = {ANN: "Ann"}
        self.closed: list[ChannelKey] = []
        self.asked: list[Sequence[UserId]] = []
        self.is_away = False
        self.now = 100.0
        replica, store = cast(Replica, self), cast(Database, self)
        self.profiles = Profiles(self.hub, replica, self.follows, store, clock=lambda: self.now)

    def users_channels(self, user_id: UserId) -> frozenset[ChannelKey]:
        return self.here.get(user_id, frozenset())

    async def read(self, function: Callable[..., Any], user_ids: Sequence[UserId]) -> Any:
        assert function is selectors.profiles_of
        if self.is_away:
            self.is_away = False
            raise UnavailableError
        self.asked.append(user_ids)
        return {each: Profile(cast(Any, {"username": self.shown[each]}), self.closed) for each in user_ids}

    def come(self, user: str, *channels: ChannelKey, follows: Sequence[ChannelKey] = ()) -> FakeSession:
        session = FakeSession(f"{user}{len(self.hub)}", FakeFormat(), user=UserId(user))
        self.hub.attach(session)
        for channel in channels:
            self.hub.enter(session, channel)
        self.follows.put(UserId(user), [Follow(key, 0, False) for key in follows])
        return session

    def told(self, session: FakeSession) -> list[str]:
        self.hub.flush_deferred()
        return [
            frame["data"]["user"]["username"] for frame in session.frames if frame["event"] == EventType.USER_UPDATED
        ]


async def test_who_is_in_a_channel_with_somebody_is_told_and_their_own_sessions_and_no_others() -> None:
    world = World()
    world.here[ANN] = frozenset({TEA})
    world.closed = [DIRECT]
    own, beside = world.come("ann"), world.come("bob", TEA, DIRECT)
    friend, stranger = world.come("cat", follows=[DIRECT]), world.come("dan", ChannelKey("else"), follows=[TEA])
    async with running(world.profiles.run()):
        world.profiles.changed(ANN)
        await until(lambda: bool(world.told(own)))
    assert [world.told(each) for each in (own, beside, friend, stranger)] == [["Ann"], ["Ann"], ["Ann"], []]


async def test_of_one_person_nobody_is_told_more_often_than_once_in_a_while_and_then_of_the_last_state() -> None:
    world = World()
    own = world.come("ann")
    async with running(world.profiles.run()):
        world.profiles.changed(ANN)
        await until(lambda: world.told(own) == ["Ann"])
        for name in ("Anna", "Annabel"):
            world.shown[ANN] = name
            world.profiles.changed(ANN)
        await until(lambda: bool(world.profiles._waiting))
        assert world.told(own) == ["Ann"]
        world.now += EACH_S
        await until(lambda: world.told(own) == ["Ann", "Annabel"])
    assert len(world.asked) == 2


async def test_a_slow_session_is_spared_it() -> None:
    world = World()
    slow, other = world.come("ann"), world.come("ann")
    slow.unsent = 900
    async with running(world.profiles.run()):
        world.profiles.changed(ANN)
        await until(lambda: bool(world.told(other)))
    assert world.told(slow) == []


async def test_a_store_that_is_away_is_asked_again(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    world = World()
    world.is_away = True
    own = world.come("ann")
    async with running(world.profiles.run()):
        world.profiles.changed(ANN)
        await until(lambda: world.told(own) == ["Ann"])


async def test_a_crowd_that_changes_at_once_is_told_of_bit_by_bit(monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    world = World()
    own = world.come("ann")
    world.here = {}
    people = [UserId(f"p{number}") for number in range(50)]
    world.shown = dict.fromkeys(people, "Somebody")
    async with running(world.profiles.run()):
        for each in people:
            world.profiles.changed(each)
        await until(lambda: sum(map(len, world.asked)) == 50)
    assert max(map(len, world.asked)) == module.AT_ONCE
    assert world.told(own) == []


def test_a_process_without_sessions_asks_nobody() -> None:
    world = World()
    world.profiles.changed(ANN)
    assert not world.profiles._waiting
