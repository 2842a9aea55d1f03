"""Authority and feeders over a real Redis: the same code, and a Redis that dies and comes back."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace

import pytest

from chat.domain.ids import ChannelKey
from chat.membership.rival import heard_authority
from reaktor.errors import UnavailableError
from reaktor.process.bus import Bus
from tests.support.membership import FIRST, QUICK, SECOND, Node, authority_on, eventually, running
from tests.support.redis import RedisServer

LOBBY = ChannelKey("lobby")


async def test_joins_on_one_process_are_seen_on_the_other(buses: list[Bus]) -> None:
    authority, here, there = authority_on(buses[0]), Node(buses[1], FIRST), Node(buses[2], SECOND)
    async with running(authority, here, there):
        await asyncio.gather(*(here.connect(f"s{i}", f"u{i}") for i in range(300)))
        await asyncio.gather(*(here.join(f"s{i}", "lobby") for i in range(300)))
        assert here.replica.member_count(LOBBY) == 300
        await eventually(lambda: there.replica.member_count(LOBBY) == 300, "the other process shows them")
        assert there.replica.digest() == authority.status()["digest"]


async def test_when_redis_is_killed_nobody_ends_and_all_are_in_step_soon_after_it_is_back(
    redis: RedisServer, buses: list[Bus]
) -> None:
    authority, here, there = authority_on(buses[0]), Node(buses[1], FIRST), Node(buses[2], SECOND)
    async with running(authority, here, there):
        await here.connect("s1")
        await here.join("s1", "lobby")
        redis.kill()
        waiting = asyncio.create_task(there.connect("s2", "bob"))
        await eventually(lambda: not here.feeder.is_in_step, "the silence is noticed")
        assert here.who("lobby") == ["ann"]
        redis.start()
        await eventually(lambda: here.feeder.is_in_step and there.feeder.is_in_step, "both are in step again")
        with contextlib.suppress(UnavailableError):
            await waiting
        await there.connect("s3", "bob")
        await there.join("s3", "lobby")
        await eventually(lambda: here.who("lobby") == ["ann", "bob"], "changes flow again")
        here.shown.matches(here.replica)


async def test_changes_made_while_redis_was_away_are_told_as_one_difference(
    redis: RedisServer, buses: list[Bus]
) -> None:
    authority, here, there = authority_on(buses[0]), Node(buses[1], FIRST), Node(buses[2], SECOND)
    async with running(authority, here, there):
        await there.connect("s1")
        await there.join("s1", "lobby")
        await eventually(lambda: here.who("lobby") == ["ann"], "ann is seen")
        redis.kill()
        authority.worker_exited(SECOND)
        await eventually(lambda: authority.status()["sessions"] == 0, "the dead worker is dropped")
        redis.start()
        await eventually(lambda: here.who("lobby") == [], "ann is told gone")
        assert here.shown.members == {}


async def test_a_command_is_unavailable_after_its_time_while_redis_is_away(
    redis: RedisServer, buses: list[Bus]
) -> None:
    here = Node(buses[1], FIRST, replace(QUICK, command_timeout_s=0.5))
    async with running(authority_on(buses[0]), here):
        await here.connect("s1")
        redis.kill()
        started = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError):
            await here.join("s1", "lobby")
        assert 0.4 < asyncio.get_running_loop().time() - started < 2.0


async def test_everything_may_be_started_before_redis_is(redis: RedisServer, buses: list[Bus]) -> None:
    redis.kill()
    authority, here = authority_on(buses[0]), Node(buses[1], FIRST)
    tasks = [asyncio.create_task(authority.run()), asyncio.create_task(here.run())]
    try:
        await asyncio.sleep(0.3)
        redis.start()
        async with asyncio.timeout(10):
            await here.feeder.wait_ready()
        await here.connect("s1")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_starts_hears_whether_an_authority_serves_there_already(buses: list[Bus]) -> None:
    assert await heard_authority(buses[1], QUICK.heartbeat_s) is None
    authority = authority_on(buses[0])
    async with running(authority):
        heard = await heard_authority(buses[1], 1.0)
        assert heard is not None
        assert heard.epoch == authority.status()["epoch"]
    assert await heard_authority(buses[1], QUICK.heartbeat_s) is None
