"""Epochs: whom a replica follows when more than one authority is heard, over a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from chat.membership import wire
from chat.membership.authority import Authority
from chat.membership.protocol import Batch, Block, Mandate
from reaktor.process.bus import Bus
from tests.support.membership import FIRST, QUICK, SECOND, Node, authority_on, eventually, lease, no_places, running

FAR = 10_000
"""So much higher is the epoch of an authority that should not be."""


@pytest.fixture
def no_database() -> Iterator[None]:
    lease.is_away = True
    yield
    lease.is_away = False


async def no_blocks() -> list[Block]:
    return []


@asynccontextmanager
async def second_authority(bus: Bus, mandate: Mandate) -> AsyncIterator[Authority]:
    authority = Authority(bus, QUICK, mandate=mandate, load_blocks=no_blocks, load_places=no_places)
    task = asyncio.create_task(authority.run())
    try:
        yield authority
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_whom_the_lease_does_not_name_no_replica_follows(buses: list[Bus]) -> None:
    """A dying worker had been an authority for a moment: every other worker dropped the real one's batches for good."""
    authority, here, there = authority_on(buses[0]), Node(buses[1], FIRST), Node(buses[2], SECOND)
    async with running(authority, here, there):
        await here.connect("s1")
        await here.join("s1", "lobby")
        followed = here.replica.followed
        async with second_authority(buses[2], Mandate(followed.epoch + FAR, "impostor")) as impostor:
            await eventually(lambda: impostor.status()["phase"] == "serving", "it decides and beats")
            await there.connect("s2", "bob")
            await there.join("s2", "lobby")
            await eventually(lambda: here.who("lobby") == ["ann", "bob"], "changes flow beside it")
        assert here.replica.followed == there.replica.followed == followed
        here.shown.matches(here.replica)
        assert here.contradictions == there.contradictions == []
        await eventually(
            lambda: authority.status()["digest"] == here.replica.digest() == there.replica.digest(), "all are in step"
        )
        assert set(here.live) == {"s1"}


async def test_two_terms_of_one_epoch_are_told_apart_by_the_lease(buses: list[Bus]) -> None:
    authority, here = authority_on(buses[0]), Node(buses[1], FIRST)
    async with running(authority, here):
        await here.connect("s1")
        epoch, _ = here.replica.followed
        await buses[2].broadcast(wire.CHANGES_GROUP, wire.BATCH, wire.batch_body(Batch(epoch, 99, term="impostor")))
        await here.connect("s2", "bob")
        await eventually(lambda: here.feeder.is_in_step, "the real one is followed")
        assert authority.status()["digest"] == here.replica.digest()
        assert set(here.live) == {"s1", "s2"}


async def test_whom_the_lease_names_is_followed_and_the_one_before_is_not_any_more(buses: list[Bus]) -> None:
    """The one before may be late to hear that it was replaced; it must not win anybody back."""
    first, here = authority_on(buses[0]), Node(buses[1], FIRST)
    async with running(first, here):
        await here.connect("s1")
        await here.join("s1", "lobby")
        second = authority_on(buses[2])
        async with running(second):
            await eventually(
                lambda: here.replica.position.epoch == second.status()["epoch"], "the newer one is followed"
            )
            seen: set[Mandate] = set()

            def has_waited() -> bool:
                seen.add(here.replica.followed)
                return asyncio.get_running_loop().time() > until

            until = asyncio.get_running_loop().time() + 5 * QUICK.heartbeat_s
            await eventually(has_waited, "the first one beats some more")
            assert seen == {lease.named()}
            assert here.who("lobby") == ["ann"]
            assert here.contradictions == []


@pytest.mark.usefixtures("no_database")
async def test_while_the_database_is_away_whoever_is_followed_stays_so(buses: list[Bus]) -> None:
    lease.is_away = False
    first, here = authority_on(buses[0]), Node(buses[1], FIRST)
    async with running(first, here):
        followed = here.replica.followed
        lease.is_away = True
        named = lease.take()
        await buses[2].broadcast(
            wire.CHANGES_GROUP, wire.BATCH, wire.batch_body(Batch(named.epoch, 1, term=named.term))
        )
        await here.connect("s1")
        assert here.replica.followed == followed
        assert here.feeder.is_in_step
        lease.is_away = False
        await eventually(lambda: here.replica.followed == named, "the database says who it is")


@pytest.mark.usefixtures("no_database")
async def test_who_follows_nobody_takes_who_is_there_while_the_database_is_away(buses: list[Bus]) -> None:
    """A worker that starts while the database is away would serve nobody until it is back."""
    here = Node(buses[1], FIRST)
    async with running(authority_on(buses[0]), here):
        assert here.feeder.is_in_step


async def test_a_holder_whose_time_is_up_decides_nothing_and_ends_nobody_until_it_is_renewed(buses: list[Bus]) -> None:
    """The database was away, and every session was closed for want of an authority."""
    left_s = 60.0
    named = lease.take()
    authority = Authority(
        buses[0], QUICK, mandate=named, load_blocks=no_blocks, load_places=no_places, left_s=lambda: left_s
    )
    here = Node(buses[1], FIRST)
    async with running(authority, here):
        await here.connect("s1")
        left_s = 0.0
        joining = asyncio.create_task(here.join("s1", "lobby"))
        asked = asyncio.get_running_loop().time()
        await eventually(lambda: authority.status()["phase"] == "waiting", "it says that it waits")
        await eventually(
            lambda: asyncio.get_running_loop().time() > asked + 2 * QUICK.silence_s, "longer than any silence"
        )
        assert here.feeder.is_in_step
        assert not joining.done()
        assert here.who("lobby") == []
        left_s = 60.0
        assert (await joining).is_accepted
        assert here.who("lobby") == ["ann"]


async def test_a_worker_that_begins_while_the_holder_waits_is_shown_the_picture(buses: list[Bus]) -> None:
    """While the database was away no worker could take the place of a dead one."""
    left_s = 60.0
    authority = Authority(
        buses[0], QUICK, mandate=lease.take(), load_blocks=no_blocks, load_places=no_places, left_s=lambda: left_s
    )
    here, newcomer = Node(buses[1], FIRST), Node(buses[2], SECOND)
    async with running(authority, here):
        await here.connect("s1")
        await here.join("s1", "lobby")
        left_s = 0.0
        await eventually(lambda: authority.status()["phase"] == "waiting", "it says that it waits")
        async with running(newcomer):
            assert newcomer.who("lobby") == ["ann"]
            left_s = 60.0
            await newcomer.connect("s2", "bob")
            await eventually(lambda: len(here.replica.own_sessions()) == 1, "nobody was ended")


async def test_an_authority_that_is_not_followed_yet_shows_that_the_bus_is_there(buses: list[Bus]) -> None:
    """Every session was closed for want of a bus, while it was the database that could not say whom to follow."""
    here = Node(buses[1], FIRST)
    async with running(authority_on(buses[0]), here):
        pass
    # Two clocks of the feeder: the bus was heard last a little after the authority, or a little before.
    await eventually(lambda: min(here.feeder.bus_silent_s, here.feeder.silent_s) > QUICK.silence_s, "nobody is heard")
    epoch, _ = here.replica.followed
    here.feeder.on_message(wire.BATCH, wire.batch_body(Batch(epoch + FAR, 1, term="new")))
    assert here.feeder.bus_silent_s < QUICK.silence_s
    assert here.feeder.silent_s > QUICK.silence_s


async def test_whom_the_lease_names_is_found_by_silence_even_with_a_lower_epoch(buses: list[Bus]) -> None:
    """A database that was put back names an epoch from before: all workers were deaf until a restart."""
    here = Node(buses[1], FIRST)
    lease.name(Mandate(FAR, "lost"))
    async with contextlib.AsyncExitStack() as stack:
        async with second_authority(buses[0], Mandate(FAR, "lost")):
            await stack.enter_async_context(running(here))
            await eventually(lambda: here.replica.position.epoch == FAR, "it is followed")
        lower = lease.take()
        assert lower.epoch < FAR
        async with second_authority(buses[0], lower):
            await eventually(lambda: here.replica.position.epoch == lower.epoch, "the new one is found", 15.0)
