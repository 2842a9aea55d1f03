"""Everything that talks to Redis, over TLS as a user with few rights, and by Sentinel through the loss of a master."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reaktor.cluster.authority_key import AuthorityKey
from reaktor.cluster.failures import RedisUnavailableError
from reaktor.cluster.redis import wait_for_redis
from reaktor.config.model import Rate
from reaktor.config.redis_at import RedisAt
from reaktor.limits.sharedlimits import SharedCounts
from reaktor.process.announce import RedisWire
from reaktor.process.bus import Bus, BusError
from reaktor.process.layer import redis_layer
from reaktor.process.redis_layer import RedisLayer
from tests.reaktor.process.test_bus import hearing
from tests.reaktor.process.test_redis_layer import subscribed
from tests.support.redis import close_layers
from tests.support.redis_sites import MasterAndReplica, ask, master_and_replica, tls_redis
from tests.support.waiting import until

BACK_S = 5.0
SCOPE = "reaktor:0123456789abcdef:"


@pytest.fixture
def over_tls(tmp_path: Path) -> Iterator[RedisAt]:
    with tls_redis(tmp_path) as at:
        yield at


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MasterAndReplica]:
    with master_and_replica(tmp_path) as found:
        yield found


def layer_at(at: RedisAt) -> RedisLayer:
    return RedisLayer(**redis_layer(at)["CONFIG"])


async def test_all_that_talks_to_redis_does_over_tls_as_a_user_with_few_rights(
    over_tls: RedisAt, settings: Any
) -> None:
    settings.REAKTOR = replace(settings.REAKTOR, cluster_id="0123456789abcdef")
    await wait_for_redis(over_tls, 10)
    key = AuthorityKey(over_tls, f"{SCOPE}authority", lifetime_s=2, renew_s=1)
    await key.take()
    counts = SharedCounts(over_tls, SCOPE, timeout_s=2)
    assert await asyncio.to_thread(counts.hits, ["ann"] * 2, Rate(1, 60)) == [0, pytest.approx(60, abs=2)]
    layer = layer_at(over_tls)
    bus = Bus(layer, scope=SCOPE)
    async with hearing(bus, "box") as heard:
        await subscribed(bus, "tea", "box")
        await bus.send("box", "mail", {})
        assert await asyncio.to_thread(RedisWire(over_tls, 2.0).publish, "tea", "news", {})
        await until(lambda: heard == [("mail", {}), ("news", {})])
        shard = layer._get_layer()._shards[0]
        writer, said_at = shard._pubsub.connection._writer, shard._beat_at
        # The second beat without anything else to say: the first one was heard.
        await until(lambda: shard._beat_at > said_at + 3.0)
        assert shard._pubsub.connection._writer is writer
    await key.give_back()
    await close_layers(layer)


async def test_a_redis_whose_certificate_nobody_vouches_for_is_refused_with_the_reason(over_tls: RedisAt) -> None:
    with pytest.raises(RedisUnavailableError, match="certificate verify failed"):
        await wait_for_redis(replace(over_tls, ca_file=""), 0.5)


async def test_after_the_loss_of_a_master_all_that_talks_to_redis_finds_the_next_one(site: MasterAndReplica) -> None:
    key = AuthorityKey(site.at, f"{SCOPE}authority", lifetime_s=3, renew_s=0.2)
    await key.take()
    keeping = asyncio.create_task(key.keep())
    counts = SharedCounts(site.at, SCOPE)
    assert await asyncio.to_thread(counts.knows, "ann") is False
    layers = layer_at(site.at), layer_at(site.at)
    bus, other = (Bus(layer) for layer in layers)
    async with hearing(bus, "box") as heard:
        await subscribed(bus, "tea", "box")
        site.kill(site.master)
        await asyncio.to_thread(site.wait_promoted)
        at = time.monotonic()
        await said_and_heard(other, heard)
        await until(lambda: ask(site.replica, "EXISTS", f"{SCOPE}authority"), BACK_S)
        await until(lambda: counts.knows("ann") is False, BACK_S)
        assert time.monotonic() - at < BACK_S
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await key.give_back()
    await close_layers(*layers)


async def test_a_master_that_was_demoted_is_left_though_it_takes_what_is_said(site: MasterAndReplica) -> None:
    """It answers a PUBLISH as before, and tells it to those alone that stayed with it."""
    layers = layer_at(site.at), layer_at(site.at)
    bus, other = (Bus(layer) for layer in layers)
    async with hearing(bus, "box") as heard, hearing(other, "other box"):
        for each, box in ((bus, "box"), (other, "other box")):
            await subscribed(each, "tea", box)
            await each.broadcast("tea", "before", {})
        shards = [layer._get_layer()._shards[0] for layer in layers]
        # By hand and not by the Sentinel, which would cut the connections.
        site.kill(site.sentinel)
        ask(site.replica, "REPLICAOF", "NO", "ONE")
        ask(site.master, "REPLICAOF", "127.0.0.1", str(site.replica))
        site.start_sentinel(site.sentinel, site.replica)
        at = time.monotonic()
        for shard in shards:
            await until(lambda shard=shard: ports(shard) == {site.replica}, BACK_S)
        heard.clear()
        await said_and_heard(other, heard)
        assert time.monotonic() - at < BACK_S
    await close_layers(*layers)


def ports(shard: Any) -> set[int]:
    """Where both lines of a layer lead to."""
    lines = (shard._speaker, shard._pubsub.connection)
    return {line.port for line in lines if line is not None and line.is_connected}


async def said_and_heard(bus: Bus, heard: list[Any]) -> None:
    while ("after", {}) not in heard:
        with contextlib.suppress(BusError):
            await bus.broadcast("tea", "after", {})
        await asyncio.sleep(0.1)
