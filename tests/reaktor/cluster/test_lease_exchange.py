"""Workers tell each other what an address holds; who falls silent is forgotten, and junk changes nothing."""

from __future__ import annotations

import asyncio
import contextlib

from channels.layers import InMemoryChannelLayer

from reaktor.cluster.lease_exchange import FORGET_S, KIND, LeaseExchange
from reaktor.cluster.leases import LeaseBook
from reaktor.process.bus import Bus
from tests.support.waiting import until


async def listen(bus: Bus, mailbox: str, exchange: LeaseExchange) -> None:
    async for kind, body in bus.listen(mailbox):
        exchange.on_message(kind, body)


async def test_a_bound_holds_over_two_workers_as_soon_as_they_have_told_each_other():
    layer = InMemoryChannelLayer()
    books, tasks = [LeaseBook(4), LeaseBook(4)], []
    for name, book in zip(("worker.1.1", "worker.2.1"), books, strict=True):
        bus = Bus(layer)
        exchange = LeaseExchange(bus, name)
        exchange.share(book)
        tasks += [asyncio.create_task(listen(bus, name, exchange)), asyncio.create_task(exchange.run())]
    try:
        held = [books[0].take("192.0.2.1") for _ in range(3)]
        await until(lambda: books[1].elsewhere == {"192.0.2.1": 3}, 5.0)
        assert [books[1].take("192.0.2.1").is_over for _ in range(2)] == [False, True]
        for lease in held:
            lease.release()
        await until(lambda: books[1].elsewhere == {}, FORGET_S + 3)
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def test_what_is_not_of_this_protocol_changes_nothing():
    book = LeaseBook(4)
    exchange = LeaseExchange(Bus(InMemoryChannelLayer()), "worker.1.1")
    exchange.share(book)
    assert not exchange.on_message("another", {})
    for body in ({}, {"worker": 1, "counts": {}}, {"worker": "worker.2.1", "counts": [1]}):
        assert exchange.on_message(KIND, body)
    assert exchange.on_message(KIND, {"worker": "worker.1.1", "counts": {"192.0.2.1": 9}})
    assert book.elsewhere == {}
