"""Workers tell each other what an address holds; who falls silent is forgotten, and junk changes nothing."""

from __future__ import annotations

import asyncio
import contextlib

from channels.layers import InMemoryChannelLayer

from reaktor.cluster.address_counts import AddressCounts
from reaktor.cluster.count_exchange import FORGET_S, KIND, CountExchange
from reaktor.process.bus import Bus
from tests.support.waiting import until


async def listen(bus: Bus, mailbox: str, exchange: CountExchange) -> None:
    async for kind, body in bus.listen(mailbox):
        exchange.on_message(kind, body)


async def test_a_bound_holds_over_two_workers_as_soon_as_they_have_told_each_other():
    layer = InMemoryChannelLayer()
    all_counts, tasks = [AddressCounts(4), AddressCounts(4)], []
    for name, counts in zip(("worker.1.1", "worker.2.1"), all_counts, strict=True):
        bus = Bus(layer)
        exchange = CountExchange(bus, name)
        exchange.share(counts)
        tasks += [asyncio.create_task(listen(bus, name, exchange)), asyncio.create_task(exchange.run())]
    try:
        held = [all_counts[0].take("192.0.2.1") for _ in range(3)]
        await until(lambda: all_counts[1].elsewhere == {"192.0.2.1": 3}, 5.0)
        assert [all_counts[1].take("192.0.2.1").is_over for _ in range(2)] == [False, True]
        for hold in held:
            hold.release()
        await until(lambda: all_counts[1].elsewhere == {}, FORGET_S + 3)
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def test_what_is_not_of_this_protocol_changes_nothing():
    counts = AddressCounts(4)
    exchange = CountExchange(Bus(InMemoryChannelLayer()), "worker.1.1")
    exchange.share(counts)
    assert not exchange.on_message("another", {})
    for body in ({}, {"worker": 1, "counts": {}}, {"worker": "worker.2.1", "counts": [1]}):
        assert exchange.on_message(KIND, body)
    assert exchange.on_message(KIND, {"worker": "worker.1.1", "counts": {"192.0.2.1": 9}})
    assert counts.elsewhere == {}
