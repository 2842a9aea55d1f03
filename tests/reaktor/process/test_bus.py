"""The bus over the in-memory layer: who hears what, what is junk, and what happens when nobody takes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from reaktor.process import bus as bus_module
from reaktor.process.bus import MAX_RETRY_S, OVERFLOW, RESUBSCRIBE_S, Bus, BusError, Saying, pack, unpack
from tests.support.faulty_layer import FaultyLayer
from tests.support.virtual_time import run_in_virtual_time
from tests.support.waiting import until


@pytest.fixture
def layer() -> InMemoryChannelLayer:
    return InMemoryChannelLayer(capacity=100_000)


@asynccontextmanager
async def hearing(bus: Bus, mailbox: str) -> AsyncIterator[list[tuple[str, dict[str, Any]]]]:
    heard: list[tuple[str, dict[str, Any]]] = []

    async def listen() -> None:
        async for kind, body in bus.listen(mailbox):
            heard.append((kind, body))

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    try:
        yield heard
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_a_mailbox_has_one_reader_and_a_group_many(layer: InMemoryChannelLayer) -> None:
    one, two = Bus(layer), Bus(layer)
    async with hearing(one, "one") as first, hearing(two, "two") as second:
        await one.subscribe("all", "one")
        await two.subscribe("all", "two")
        await one.send("two", "letter", {"n": 1}, blob=b"\x00\xff")
        await one.broadcast("all", "news", {"n": 2})
        await one.broadcast("all", "gossip", {"n": 3}, to_self=False)
        await until(lambda: len(first) + len(second) == 4)
        assert first == [("news", {"n": 2})]
        assert second == [("letter", {"n": 1, "blob": b"\x00\xff"}), ("news", {"n": 2}), ("gossip", {"n": 3})]
        await one.unsubscribe("all", "one")
        await two.broadcast("all", "later", {})
        await until(lambda: len(second) == 4)
        assert len(first) == 1


async def test_after_each_large_message_others_have_their_turn(layer: InMemoryChannelLayer) -> None:
    """Many of them stood ready, and whoever read them stopped the loop until the last."""
    bus, order = Bus(layer), list[str]()
    loop = asyncio.get_running_loop()

    async def listen() -> None:
        async for kind, _ in bus.listen("box"):
            # All have come by then.
            await until(lambda: len(order) > 0 or not layer.channels.get("box") or layer.channels["box"].empty())
            order.append(kind)
            loop.call_soon(order.append, "another")

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0)
    for _ in range(3):
        await bus.send("box", "large", {}, blob=b"much")
    await until(lambda: len(order) == 6)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert order == ["large", "another"] * 3


async def test_many_things_said_at_once_come_to_the_others_in_order(layer: InMemoryChannelLayer) -> None:
    """Over a layer, too, that takes only one at a time."""
    one, two = Bus(layer, scope="s."), Bus(layer, scope="s.")
    async with hearing(one, "one") as first, hearing(two, "two") as second:
        for bus, mailbox in ((one, "one"), (two, "two")):
            await bus.subscribe("all", mailbox)
        await two.subscribe("some", "two")
        await one.broadcast_all([Saying(group, "news", {"n": n}) for n, group in enumerate(["all", "some", "all"])])
        await two.broadcast("all", "last", {})
        await until(lambda: len(first) + len(second) == 5)
        assert first == [("last", {})]
        assert second == [*[("news", {"n": n}) for n in range(3)], ("last", {})]


async def test_junk_and_other_versions_are_passed_over(layer: InMemoryChannelLayer) -> None:
    bus = Bus(layer)
    async with hearing(bus, "one") as heard:
        for junk in ({}, {"v": 2, **pack("x", {})} | {"v": 2}, {"v": 1, "kind": "x", "body": b"["}, {"v": 1}):
            await layer.send("one", {"type": "any", **junk})
        await layer.send("one", pack("list", []))  # type: ignore[arg-type]
        await bus.send("one", "good", {})
        await until(lambda: heard)
        assert heard == [("good", {})]


def test_what_is_packed_is_unpacked() -> None:
    assert unpack(pack("kind", {"a": [1, None, "é"]})) == ("kind", {"a": [1, None, "é"]})


class Deaf(InMemoryChannelLayer):
    """Takes nothing, ever."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await asyncio.Event().wait()

    async def group_add(self, group: str, channel: str) -> None:
        raise OSError("gone")


async def test_what_the_layer_does_not_take_in_time_is_an_error_and_no_hang() -> None:
    bus = Bus(Deaf(), timeout_s=0.05)
    with pytest.raises(BusError, match="TimeoutError"):
        await bus.broadcast("all", "news", {})
    with pytest.raises(BusError, match="TimeoutError"):
        await bus.broadcast_all([Saying("all", "news", {})])
    with pytest.raises(BusError, match="gone"):
        await bus.subscribe("all", "one")


async def test_an_inbox_that_overflows_is_emptied_and_its_reader_told_to_resync(
    layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_module, "INBOX_SIZE", 10)
    bus = Bus(layer)
    stream = bus.listen("one")
    first = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await bus.send("one", "first", {})
    assert await first == ("first", {})
    for number in range(25):
        await bus.send("one", "more", {"n": number})
    await until(lambda: bus.dropped > 0)
    kinds = []
    while True:
        kind, body = await anext(stream)
        kinds.append(kind)
        if body.get("n") == 24:
            break
    assert OVERFLOW in kinds
    assert len(kinds) <= 10
    await stream.aclose()


async def test_a_layer_that_fails_to_read_is_read_again_after_the_reader_is_told_to_resync(
    layer: InMemoryChannelLayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [OSError("gone")]
    receive = layer.receive

    async def flaky(channel: str) -> dict[str, Any]:
        if failures:
            raise failures.pop()
        return await receive(channel)

    monkeypatch.setattr(layer, "receive", flaky)
    bus = Bus(layer)
    async with hearing(bus, "one") as heard:
        await until(lambda: len(heard) == 1)
        await bus.send("one", "after", {})
        await until(lambda: len(heard) == 2)
        assert heard == [(OVERFLOW, {}), ("after", {})]


async def test_it_says_whether_it_took_what_it_was_last_given() -> None:
    """Only what the writer published used to count: after Redis came back, a quiet worker stayed not ready for ever."""
    layer = FaultyLayer(1)
    bus = Bus(layer)
    assert bus.is_up
    layer.is_cut = True
    with pytest.raises(BusError):
        await bus.send("somebody", "letter", {})
    assert not bus.is_up
    layer.mend()
    await bus.broadcast("all", "beat", {})
    assert bus.is_up


async def test_two_of_other_scopes_on_one_layer_do_not_hear_each_other(layer: InMemoryChannelLayer) -> None:
    """Mailboxes and groups alike: the workers of two clusters have the same numbers."""
    one, other = Bus(layer, scope="one."), Bus(layer, scope="other.")
    async with hearing(one, "worker.1.1") as first, hearing(other, "worker.1.1") as second:
        for bus in (one, other):
            await bus.subscribe("orders", "worker.1.1")
        await one.send("worker.1.1", "sent", {})
        await one.broadcast("orders", "said", {})
        await other.broadcast("orders", "last", {})
        await until(
            lambda: [kind for kind, _ in first] == ["sent", "said"] and [kind for kind, _ in second] == ["last"]
        )
        await one.unsubscribe("orders", "worker.1.1")
        await one.broadcast("orders", "unheard", {})
        await one.send("worker.1.1", "end", {})
        await until(lambda: [kind for kind, _ in first] == ["sent", "said", "end"])


class Counting(FaultyLayer):
    """Notes when it was asked for a subscription, in seconds of the loop."""

    def __init__(self) -> None:
        super().__init__(1)
        self.asked: list[float] = []

    async def group_add(self, group: str, channel: str) -> None:
        self.asked.append(asyncio.get_running_loop().time())
        await super().group_add(group, channel)

    @property
    def pauses_s(self) -> list[float]:
        return [round(later - earlier, 6) for earlier, later in pairwise(self.asked)]


@asynccontextmanager
async def keeping_subscribed(bus: Bus, subscribed: asyncio.Event) -> AsyncIterator[None]:
    task = asyncio.create_task(bus.keep_subscribed("all", "one", first_s=0.1, subscribed=subscribed))
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_a_subscription_that_is_kept_is_said_again_each_minute_and_has_what_the_bus_lost_back() -> None:
    async def life() -> None:
        layer, subscribed = Counting(), asyncio.Event()
        bus = Bus(layer)
        async with hearing(bus, "one") as heard, keeping_subscribed(bus, subscribed):
            async with asyncio.timeout(1.0):
                await subscribed.wait()
            await layer.group_discard("all", "one")
            await bus.broadcast("all", "unheard", {})
            await until(lambda: len(layer.asked) == 2, RESUBSCRIBE_S + 1.0)
            await bus.broadcast("all", "heard", {})
            await until(lambda: heard)
            assert heard == [("heard", {})]
            assert layer.pauses_s == [RESUBSCRIBE_S]

    run_in_virtual_time(life())


def test_a_subscription_that_is_refused_is_said_again_soon_then_each_second_until_it_is_taken() -> None:
    """After it was taken once, too: a bus that is away a minute later is not away for a minute more."""

    async def life() -> None:
        layer, subscribed = Counting(), asyncio.Event()
        layer.is_cut = True
        async with keeping_subscribed(Bus(layer), subscribed):
            await until(lambda: len(layer.asked) == 6, 10.0)
            assert layer.pauses_s == [0.2, 0.4, 0.8, MAX_RETRY_S, MAX_RETRY_S]
            assert not subscribed.is_set()
            layer.mend()
            async with asyncio.timeout(MAX_RETRY_S + 0.5):
                await subscribed.wait()
            layer.is_cut = True
            await until(lambda: len(layer.asked) == 10, RESUBSCRIBE_S + 10.0)
            assert layer.pauses_s[6:] == [RESUBSCRIBE_S, MAX_RETRY_S, MAX_RETRY_S]

    run_in_virtual_time(life())
