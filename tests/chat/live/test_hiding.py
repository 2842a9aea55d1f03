"""When a process reads whom its users block: before they see anything of a group, by order, and again in each round."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from chat import selectors
from chat.delivery.follows import Follows
from chat.delivery.hub import Hub
from chat.domain.following import Follow
from chat.domain.hiding import NOBODY, Names
from chat.domain.ids import ChannelKey, UserId
from chat.live import hiding as hiding_module
from chat.live import rounds
from chat.live.hiding import Hiding
from reaktor.db.database import Database
from reaktor.errors import UnavailableError
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.waiting import running, until

ANN, BOB = UserId("ann"), UserId("bob")
GROUP, TEA = ChannelKey("dm-1"), ChannelKey("tea")
EVE = frozenset({"eve"})


class Store:
    """The store as it is asked: who is hidden from whom. `answers`: when set, an answer waits for it."""

    def __init__(self) -> None:
        self.hidden: dict[UserId, dict[ChannelKey, Names]] = {}
        self.is_away = False
        self.asked: list[list[UserId]] = []
        self.waits: asyncio.Event | None = None

    async def read(self, function: Callable[..., Any], users: Sequence[UserId]) -> Any:
        assert function is selectors.hidings_of
        self.asked.append(list(users))
        if self.is_away:
            raise UnavailableError
        found = {user_id: dict(self.hidden.get(user_id, {})) for user_id in users}
        if self.waits is not None:
            await self.waits.wait()
        return found


class World:
    def __init__(self) -> None:
        self.hub = Hub(unsent_bytes=1_000, on_dirty=lambda: None)
        self.follows = Follows()
        self.store = Store()
        self.told: list[UserId] = []
        self.hiding = Hiding(self.hub, self.follows, cast(Database, self.store), self.told.append)

    def come(self, user_id: UserId) -> FakeSession:
        session = FakeSession(user_id, FakeFormat())
        self.hub.attach(session)
        return session

    def hidden(self, user_id: UserId = ANN) -> Names:
        return self.hub.hidings.of(user_id, GROUP)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    for module in (hiding_module, rounds):
        monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(hiding_module, "ROUND_S", 0.05)
    return World()


async def test_it_is_read_once_before_a_group_is_shown_and_never_for_other_channels(world: World) -> None:
    world.come(ANN)
    world.store.hidden[ANN] = {GROUP: EVE}
    await world.hiding.ready(ANN, TEA)
    assert world.store.asked == []
    assert (world.hiding.is_ready(ANN, TEA), world.hiding.is_ready(ANN, TEA, GROUP)) == (True, False)
    for _ in range(2):
        await world.hiding.ready(ANN, TEA, GROUP)
    assert (world.hidden(), world.store.asked, world.told) == (EVE, [[ANN]], [])


async def test_where_the_store_is_away_nothing_is_shown(world: World) -> None:
    world.come(ANN)
    world.store.is_away = True
    with pytest.raises(UnavailableError):
        await world.hiding.ready(ANN, GROUP)
    assert not world.hiding.is_ready(ANN, GROUP)


async def test_by_order_it_is_read_again_and_the_user_is_told_other_counts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hiding_module, "ROUND_S", 1_000.0)
    world.come(ANN)
    await world.hiding.ready(ANN, GROUP)
    async with running(world.hiding.run()):
        world.store.hidden[ANN] = {GROUP: EVE}
        world.hiding.changed(ANN)
        world.hiding.changed(BOB)
        await until(lambda: world.hidden() == EVE)
        await until(lambda: world.told == [ANN])
        assert not any(BOB in asked for asked in world.store.asked), "who is not here is not asked about"
        world.store.hidden.clear()
        world.hiding.changed(ANN)
        await until(lambda: world.hidden() == NOBODY)


async def test_what_the_store_could_not_say_is_asked_again(world: World) -> None:
    world.come(ANN)
    world.store.is_away = True
    async with running(world.hiding.run()):
        world.hiding.changed(ANN)
        await until(lambda: len(world.store.asked) > 2)
        world.store.hidden[ANN] = {GROUP: EVE}
        world.store.is_away = False
        await until(lambda: world.hidden() == EVE)


async def test_an_order_that_was_lost_is_made_good_within_a_round(world: World) -> None:
    world.come(ANN)
    await world.hiding.ready(ANN, GROUP)
    async with running(world.hiding.run()):
        world.store.hidden[ANN] = {GROUP: EVE}
        await until(lambda: world.hidden() == EVE)


async def test_who_follows_a_group_that_is_younger_than_their_session_is_compared_too(world: World) -> None:
    for user_id in (ANN, BOB):
        world.come(user_id)
    world.follows.put(ANN, [Follow(GROUP, 0, shows_last=True)])
    world.follows.put(BOB, [Follow(TEA, 0, shows_last=True)])
    world.store.hidden[ANN] = {GROUP: EVE}
    async with running(world.hiding.run()):
        await until(lambda: world.hidden() == EVE)
        assert not world.hub.hidings.knows(BOB)


async def test_after_a_gap_of_the_bus_all_of_it_is_read_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hiding_module, "ROUND_S", 1_000.0)
    people = [UserId(f"user{number}") for number in range(250)]
    for user_id in people:
        world.come(user_id)
        await world.hiding.ready(user_id, GROUP)
    for user_id in people:
        world.store.hidden[user_id] = {GROUP: EVE}
    async with running(world.hiding.run()):
        world.hiding.on_gap()
        await until(lambda: all(world.hidden(user_id) == EVE for user_id in people))
    assert max(map(len, world.store.asked)) <= hiding_module.USERS_TOGETHER


async def test_an_answer_that_was_overtaken_changes_nothing(world: World) -> None:
    """It was asked before the block was stored, and came after what was asked behind that."""
    world.come(ANN)
    world.store.waits = asyncio.Event()
    first = asyncio.create_task(world.hiding.ready(ANN, GROUP))
    await until(lambda: world.store.asked)
    slow, world.store.waits = world.store.waits, None
    world.store.hidden[ANN] = {GROUP: EVE}
    await world.hiding.ready(ANN, GROUP)
    slow.set()
    await first
    assert world.hidden() == EVE


async def test_who_gets_a_new_name_while_it_is_read_is_hidden_under_that_too(world: World) -> None:
    world.come(ANN)
    world.store.hidden[ANN] = {GROUP: EVE}
    world.store.waits = asyncio.Event()
    reading = asyncio.create_task(world.hiding.ready(ANN, GROUP))
    await until(lambda: world.store.asked)
    world.store.hidden[ANN] = {GROUP: frozenset({"eva"})}
    world.hub.hidings.rename("eve", "eva")
    world.store.waits.set()
    await reading
    assert world.hidden() == {"eva"}


async def test_of_who_is_gone_nothing_is_kept(world: World) -> None:
    session = world.come(ANN)
    world.store.hidden[ANN] = {GROUP: EVE}
    await world.hiding.ready(ANN, GROUP)
    world.hub.detach(session)
    world.hiding.end(ANN)
    assert not world.hub.hidings.users()
    await world.hiding.ready(ANN, GROUP)
    assert not world.hub.hidings.users(), "nor of who went while the store was asked"
