"""The bus over a real Redis whose line fails in ways that nobody is told of."""

from __future__ import annotations

import asyncio
import contextlib
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
import redis.asyncio.connection
from channels_redis.serializers import msgpack
from redis import Redis

from reaktor.process import redis_layer
from reaktor.process.bus import Bus, BusError, Saying
from tests.reaktor.process.test_bus import hearing
from tests.support.redis import RedisServer, close_layers, running_redis
from tests.support.silent_proxy import silent_proxy
from tests.support.waiting import until


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def sayings(*groups: str) -> list[Saying]:
    return [Saying(group, "news", {"n": number}) for number, group in enumerate(groups)]


async def subscribed(bus: Bus, group: str, mailbox: str = "mailbox") -> None:
    """The mailbox is read from a moment later on."""
    while True:
        try:
            await bus.subscribe(group, mailbox)
            break
        except BusError:
            await asyncio.sleep(0.01)


async def test_a_group_that_was_left_half_way_is_heard_again_when_it_is_joined_again(redis_server: RedisServer) -> None:
    """A feed was closed while Redis was slow: opened again it was deaf, and subscribing again every minute too."""
    layer, other = redis_server.layer(), redis_server.layer()
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


async def test_what_is_heard_takes_no_more_memory_than_it_has(redis_server: RedisServer) -> None:
    """256 KiB were mapped and unmapped for each read, and later 16 KiB left holes in the heap: 1.7 MB in 10 minutes."""
    layer, other = redis_server.layer(), redis_server.layer()
    bus, speaker = Bus(layer), Bus(other)
    async with hearing(bus, "mailbox") as heard:
        await subscribed(bus, "tea")
        await speaker.broadcast("tea", "first", {})
        await until(lambda: len(heard) == 1)
        tracemalloc.start()
        try:
            await speaker.broadcast("tea", "news", {})
            await until(lambda: len(heard) == 2)
            assert tracemalloc.get_traced_memory()[1] < 12 * 1024
        finally:
            tracemalloc.stop()
    await close_layers(layer, other)


async def test_a_line_that_fell_silent_is_replaced_in_seconds_and_what_comes_then_is_heard(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A route died without a word: the worker stayed deaf on a connection that the kernel thought was alive."""
    monkeypatch.setattr(redis_layer, "QUIET_S", 0.5)
    monkeypatch.setattr(redis_layer, "ANSWER_S", 0.3)
    async with silent_proxy(lambda: asyncio.open_unix_connection(str(redis_server.path))) as proxy:
        layer, other = redis_server.layer(f"redis://127.0.0.1:{proxy.port}"), redis_server.layer()
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


@pytest.mark.parametrize("is_hearing", [True, False], ids=["the line to hear", "the line to speak"])
async def test_one_line_of_two_that_fell_silent_costs_seconds(redis_server: RedisServer, is_hearing: bool) -> None:
    """A process that only speaks, or only hears, does not know it by itself: it listens for its own beat."""
    async with silent_proxy(lambda: asyncio.open_unix_connection(str(redis_server.path))) as proxy:
        layer, other = redis_server.layer(f"redis://127.0.0.1:{proxy.port}"), redis_server.layer()
        bus, speaker = Bus(layer), Bus(other)
        async with hearing(bus, "mailbox") as heard, hearing(speaker, "other") as told:
            await subscribed(bus, "tea")
            await subscribed(speaker, "tea", "other")
            await bus.broadcast("tea", "before", {})
            await until(lambda: heard)
            assert proxy.lines == 2
            proxy.silence(1 if is_hearing else 2)
            async with asyncio.timeout(5.0):
                while ("after", {"from": "other"}) not in heard or ("after", {"from": "one"}) not in told:
                    for each, name in ((bus, "one"), (speaker, "other")):
                        with contextlib.suppress(BusError):
                            await each.broadcast("tea", "after", {"from": name})
                    await asyncio.sleep(0.05)
        await close_layers(layer, other)


async def test_a_line_that_is_made_anew_to_nowhere_is_given_up_and_made_once_more(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever took the connection never answered: the worker waited for it for ever, and no feed could be opened."""
    for name, seconds in (("QUIET_S", 0.1), ("ANSWER_S", 0.1), ("CONNECT_S", 0.1), ("RETRY_S", 0.01)):
        monkeypatch.setattr(redis_layer, name, seconds)
    async with silent_proxy(lambda: asyncio.open_unix_connection(str(redis_server.path))) as proxy:
        layer, other = redis_server.layer(f"redis://127.0.0.1:{proxy.port}"), redis_server.layer()
        bus, speaker = Bus(layer, timeout_s=2.0), Bus(other)
        async with hearing(bus, "mailbox") as heard:
            await subscribed(bus, "tea")
            lines = proxy.lines
            proxy.is_dead = True
            proxy.silence()
            await until(lambda: proxy.lines >= lines + 2)
            proxy.is_dead = False
            await bus.subscribe("coffee", "mailbox")
            for group in ("tea", "coffee"):
                await speaker.broadcast(group, group, {})
            await until(lambda: heard == [("tea", {}), ("coffee", {})])
        await close_layers(layer, other)


async def test_lines_that_carry_nothing_but_beats_are_kept(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_layer, "QUIET_S", 0.1)
    async with silent_proxy(lambda: asyncio.open_unix_connection(str(redis_server.path))) as proxy:
        layer, other = redis_server.layer(f"redis://127.0.0.1:{proxy.port}"), redis_server.layer()
        bus = Bus(layer)
        async with hearing(bus, "mailbox") as heard:
            await subscribed(bus, "tea")
            shard = layer._get_layer()._shards[0]
            say, said = shard._say, []

            async def count(*args: Any, **kwargs: Any) -> None:
                said.append(True)
                await say(*args, **kwargs)

            shard._say = count
            await until(lambda: len(said) == 2)
            lines = proxy.lines
            # It says one again only when the one before was heard.
            await until(lambda: len(said) == 4)
            await Bus(other).broadcast("tea", "news", {})
            await until(lambda: heard)
            assert proxy.lines == lines
        await close_layers(layer, other)


async def test_what_is_said_at_once_leaves_in_one_write_and_comes_in_order(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each message used to wait for Redis's answer to the one before: 50 posts were 50 round trips."""
    writes: list[bytes] = []
    send = redis.asyncio.connection.AbstractConnection.send_packed_command

    async def record(self: Any, command: Any, *args: Any, **kwargs: Any) -> None:
        written = command if isinstance(command, bytes) else b"".join(command)
        if b"PUBLISH" in written:
            writes.append(written)
        await send(self, command, *args, **kwargs)

    monkeypatch.setattr(redis.asyncio.connection.AbstractConnection, "send_packed_command", record)
    layer, other = redis_server.layer(), redis_server.layer()
    bus, speaker = Bus(layer), Bus(other)
    async with hearing(bus, "mailbox") as heard, hearing(speaker, "own") as echo:
        for group in ("tea", "coffee"):
            await subscribed(bus, group)
        await subscribed(speaker, "tea", "own")
        await speaker.broadcast_all(sayings(*["tea", "coffee", "nobody's", "tea", "coffee"] * 100))
        await until(lambda: len(heard) == 400)
        assert [body["n"] for _, body in heard] == [n for n in range(500) if n % 5 != 2]
        assert len(writes) == 1
        await bus.broadcast("tea", "last", {})
        await until(lambda: echo)
        assert echo == [("last", {})]
    await close_layers(layer, other)


async def test_every_line_reads_into_its_one_room_also_after_it_was_lost(
    redis_server: RedisServer,
) -> None:
    """For each read 256 KiB were mapped and unmapped, and once more for each message that was packed."""
    layer = redis_server.layer()
    bus = Bus(layer)
    async with hearing(bus, "mailbox") as heard:
        await subscribed(bus, "tea")
        shard = layer._get_layer()._shards[0]
        for number in (1, 2):
            await bus.broadcast("tea", "news", {"text": "x" * 100_000})
            await until(lambda count=number: len(heard) == count)
            lines = (shard._speaker, shard._pubsub.connection)
            assert {type(line._writer.transport.get_protocol()) for line in lines} == {redis_layer._Room}
            for line in lines:
                line._writer.transport.abort()
            await until(lambda lost=lines: not any(line.is_connected for line in lost) or shard._speaker is None)
            await subscribed(bus, "tea")
    await close_layers(layer)


def test_messages_are_packed_as_the_library_packs_them(redis_server: RedisServer) -> None:
    layer, message = redis_server.layer(), {"type": "any", "body": b"\x00", "text": "\u00e9", "n": [1, None, True]}
    for _ in range(2):
        assert layer.serialize(message) == msgpack.packb(message)
        assert layer.deserialize(layer.serialize(message)) == message
        with pytest.raises(TypeError):
            layer.serialize({"type": object()})


async def test_one_refused_among_many_is_an_error_and_the_next_answers_are_those_of_the_next(
    redis_server: RedisServer,
) -> None:
    """What Redis answers is told apart by its place: an answer left unread would be taken for the next one's."""
    with Redis.from_url(redis_server.url) as client:
        client.execute_command(
            "ACL", "SETUSER", "limited", "on", ">secret", "resetchannels", "&reaktor__group__tea", "+@all"
        )
    layer, other = redis_server.layer(), redis_server.layer(f"unix://limited:secret@{redis_server.path}")
    bus, speaker = Bus(layer), Bus(other)
    async with hearing(bus, "mailbox") as heard:
        await subscribed(bus, "tea")
        for _ in range(2):
            with pytest.raises(BusError, match="NoPermission"):
                await speaker.broadcast_all(sayings("tea", "coffee", "tea"))
            await speaker.broadcast_all(sayings("tea", "tea"))
        await until(lambda: len(heard) == 8)
        assert [body["n"] for _, body in heard] == [0, 2, 0, 1] * 2
    await close_layers(layer, other)


async def test_over_two_servers_each_is_told_its_part_even_when_the_other_is_gone(redis_server: RedisServer) -> None:
    with running_redis() as second:
        hosts = [{"address": server.url, "socket_timeout": None} for server in (redis_server, second)]
        layer, other = (redis_layer.RedisLayer(hosts=hosts, prefix="reaktor") for _ in range(2))
        bus, speaker = Bus(layer), Bus(other)
        async with hearing(bus, "mailbox") as heard:
            groups = [f"{number}{number}.{number}" for number in range(8)]
            shards = [layer._get_layer()._get_shard(f"reaktor__group__{group}") for group in groups]
            assert len(set(shards)) == 2
            for group in groups:
                await subscribed(bus, group)
            await speaker.broadcast_all(sayings(*groups))
            await until(lambda: len(heard) == 8)
            heard.clear()
            second.kill()
            with pytest.raises(BusError):
                await speaker.broadcast_all(sayings(*groups))
            gone = layer._get_layer()._shards[1]
            expected = [number for number, shard in enumerate(shards) if shard is not gone]
            await until(lambda: [body["n"] for _, body in heard] == expected)
        await close_layers(layer, other)


async def test_after_redis_was_away_the_first_thing_said_is_taken(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line that speaks is kept open. Nobody reads it in between, so by itself it would not notice."""
    monkeypatch.setattr(redis_layer, "RETRY_S", 0.05)
    layer = redis_server.layer()
    bus = Bus(layer)
    async with hearing(bus, "mailbox") as heard:
        await subscribed(bus, "tea")
        await bus.broadcast("tea", "before", {})
        await until(lambda: heard)
        redis_server.kill()
        await asyncio.to_thread(redis_server.start)
        with contextlib.closing(Redis.from_url(redis_server.url)) as onlooker:
            await until(lambda: onlooker.pubsub_numsub("reaktor__group__tea") == [(b"reaktor__group__tea", 1)])
        await bus.broadcast("tea", "after", {})
        await until(lambda: heard[-1] == ("after", {}))
    await close_layers(layer)
