"""The bus over a real Redis whose line fails in ways that nobody is told of."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from reaktor.process import redis_layer
from reaktor.process.bus import Bus, BusError
from tests.reaktor.process.test_bus import hearing
from tests.support.redis import RedisServer, close_layers, running_redis
from tests.support.silent_proxy import silent_proxy
from tests.support.waiting import until


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


async def subscribed(bus: Bus, group: str) -> None:
    """The mailbox is read from a moment later on."""
    while True:
        try:
            await bus.subscribe(group, "mailbox")
            break
        except BusError:
            await asyncio.sleep(0.01)


async def test_a_group_that_was_left_half_way_is_heard_again_when_it_is_joined_again(redis: RedisServer) -> None:
    """A feed was closed while Redis was slow: opened again it was deaf, and subscribing again every minute too."""
    layer, other = redis.layer(), redis.layer()
    bus, speaker = Bus(layer, timeout_s=0.3), Bus(other)
    async with hearing(bus, "mailbox") as heard:
        await subscribed(bus, "tea")
        pubsub = layer._get_layer()._shards[0]._pubsub
        unsubscribe = pubsub.unsubscribe

        async def say_and_hang(*names: str) -> None:
            await unsubscribe(*names)
            await asyncio.Event().wait()

        pubsub.unsubscribe = say_and_hang
        with pytest.raises(BusError):
            await bus.unsubscribe("tea", "mailbox")
        pubsub.unsubscribe = unsubscribe
        await bus.subscribe("tea", "mailbox")
        await speaker.broadcast("tea", "news", {})
        await until(lambda: heard == [("news", {})])
    await close_layers(layer, other)


async def test_a_line_that_fell_silent_is_replaced_in_seconds_and_what_comes_then_is_heard(
    redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A route died without a word: the worker stayed deaf on a connection that the kernel thought was alive."""
    monkeypatch.setattr(redis_layer, "QUIET_S", 0.5)
    monkeypatch.setattr(redis_layer, "ANSWER_S", 0.3)
    async with silent_proxy(lambda: asyncio.open_unix_connection(str(redis.path))) as proxy:
        layer, other = redis.layer(f"redis://127.0.0.1:{proxy.port}"), redis.layer()
        bus, speaker = Bus(layer, timeout_s=0.5), Bus(other)
        async with hearing(bus, "mailbox") as heard:
            await subscribed(bus, "tea")
            await bus.broadcast("tea", "before", {})
            await until(lambda: len(heard) == 1)
            proxy.silence()
            with pytest.raises(BusError):
                await bus.broadcast("tea", "lost", {})
            async with asyncio.timeout(5.0):
                while len(heard) == 1:
                    await speaker.broadcast("tea", "after", {})
                    await asyncio.sleep(0.05)
            await bus.broadcast("tea", "own", {})
            await until(lambda: ("own", {}) in heard)
        await close_layers(layer, other)


async def test_a_quiet_line_that_answers_is_kept(redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_layer, "QUIET_S", 0.1)
    monkeypatch.setattr(redis_layer, "ANSWER_S", 0.3)
    async with silent_proxy(lambda: asyncio.open_unix_connection(str(redis.path))) as proxy:
        layer, other = redis.layer(f"redis://127.0.0.1:{proxy.port}"), redis.layer()
        bus = Bus(layer)
        async with hearing(bus, "mailbox") as heard:
            await subscribed(bus, "tea")
            lines = proxy.lines
            shard = layer._get_layer()._shards[0]
            asked = [False, False]
            for at in range(2):
                await until(lambda: shard._is_asked)
                asked[at] = True
                await until(lambda: not shard._is_asked)
            await Bus(other).broadcast("tea", "news", {})
            await until(lambda: heard)
            assert (proxy.lines, asked) == (lines, [True, True])
        await close_layers(layer, other)
