"""Epochs: whom a replica follows when more than one authority is heard, over a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from chat.domain.ids import ChannelKey
from chat.membership import wire
from chat.membership.authority import Authority
from chat.membership.protocol import Batch
from reaktor.process.bus import Bus
from tests.support.membership import FIRST, QUICK, SECOND, Node, authority_on, eventually, no_places, running

LOBBY = ChannelKey("lobby")
FAR = 10_000
"""So much higher is the epoch of an authority that should not be."""


@asynccontextmanager
async def second_authority(bus: Bus, epoch: int) -> AsyncIterator[Authority]:
    async def no_blocks() -> list[object]:
        return []

    authority = Authority(bus, QUICK, epoch=epoch, load_blocks=no_blocks, load_places=no_places)  # type: ignore[arg-type]  # none at all
    task = asyncio.create_task(authority.run())
    try:
        yield authority
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_one_batch_of_a_higher_epoch_does_not_make_a_replica_deaf_for_ever(buses: list[Bus]) -> None:
    """A dying worker had been an authority for a moment: every other worker dropped the real one's batches for good."""
    authority, here, there = authority_on(buses[0]), Node(buses[1], FIRST), Node(buses[2], SECOND)
    async with running(authority, here, there):
        await here.connect("s1")
        await here.join("s1", "lobby")
        epoch = here.replica.position.epoch
        await buses[2].broadcast(wire.CHANGES_GROUP, wire.BATCH, wire.batch_body(Batch(epoch + FAR, 1)))
        await eventually(lambda: not here.feeder.is_in_step, "the higher epoch is heard")
        await eventually(lambda: here.feeder.is_in_step and there.feeder.is_in_step, "the real one is followed again")
        await there.connect("s2", "bob")
        await there.join("s2", "lobby")
        await eventually(lambda: here.who("lobby") == ["ann", "bob"], "changes flow")
        here.shown.matches(here.replica)
        assert here.contradictions == there.contradictions == []
        assert authority.status()["digest"] == here.replica.digest() == there.replica.digest()
        assert set(here.live) == {"s1"}


async def test_what_a_short_lived_second_authority_decided_is_brought_to_the_first(buses: list[Bus]) -> None:
    """It had given snapshots and let people in; the first one must learn of them, and nobody is ended."""
    authority, here = authority_on(buses[0]), Node(buses[1], FIRST)
    async with running(authority, here):
        await here.connect("s1")
        await here.join("s1", "lobby")
        epoch = here.replica.position.epoch
        async with second_authority(buses[2], epoch + FAR):
            await eventually(lambda: here.replica.position.epoch == epoch + FAR, "its snapshot is installed")
            await here.connect("s2", "bob")
            await here.join("s2", "lobby")
        await eventually(lambda: here.replica.position.epoch == epoch and here.feeder.is_in_step, "back to the first")
        await eventually(lambda: here.who("lobby") == ["ann", "bob"], "both are in the channel")
        here.shown.matches(here.replica)
        assert here.contradictions == []
        assert authority.status()["digest"] == here.replica.digest()
        assert set(here.live) == {"s1", "s2"}


async def test_while_the_higher_epoch_is_heard_a_lower_one_is_not_followed(buses: list[Bus]) -> None:
    """The one before may be late to hear that it was replaced; it must not win anybody back."""
    first, here = authority_on(buses[0]), Node(buses[1], FIRST)
    async with running(first, here):
        epoch = here.replica.position.epoch
        async with second_authority(buses[2], epoch + FAR):
            await eventually(lambda: here.replica.position.epoch == epoch + FAR, "the newer one is followed")
            seen: set[int] = set()

            def has_waited() -> bool:
                seen.add(here.replica.newest_epoch)
                return asyncio.get_running_loop().time() > until

            until = asyncio.get_running_loop().time() + 2 * QUICK.silence_s
            await eventually(has_waited, "time passes")
            assert seen == {epoch + FAR}


async def test_one_late_batch_of_a_lower_epoch_brings_nobody_back(buses: list[Bus]) -> None:
    """While nobody is heard, an old batch that waited somewhere is no sign of life."""
    here = Node(buses[1], FIRST)
    async with running(authority_on(buses[0]), here):
        epoch = here.replica.position.epoch
    here.feeder.on_message(wire.BATCH, wire.batch_body(Batch(epoch + FAR, 1)))
    await eventually(lambda: here.feeder.silent_s > QUICK.silence_s, "silence")
    here.feeder.on_message(wire.BATCH, wire.batch_body(Batch(epoch, 1)))
    assert here.replica.newest_epoch == epoch + FAR
    here.feeder.on_message(wire.BATCH, wire.batch_body(Batch(epoch, 1)))
    assert here.replica.newest_epoch == epoch
