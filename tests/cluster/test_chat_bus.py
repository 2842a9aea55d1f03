"""Redis dies, is away for a while, or loses messages: posts go on, everything acknowledged arrives, replicas agree."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.js_client import js_driver
from tests.support.native import Refused
from tests.support.ports import wait_for
from tests.support.redis import RedisServer, running_redis
from tests.support.seed import Seed
from tests.support.verdict import Crowd, crowd, new_channels

pytestmark = pytest.mark.cluster

AWAY_S = 5.0
HEALTHY_S = 3.0
REFUSED_S = 5.5
CONVERGED_S = 5.0


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def chat_on_redis(make_chat: MakeChat, redis_server: RedisServer) -> Iterator[ChatCluster]:
    """A cluster over a Redis that it did not start."""
    with make_chat(REDIS_URL=redis_server.url) as found:
        yield found


def is_ready(chat: ChatCluster, sources: list[str]) -> bool:
    return all(chat.is_ready(source)["code"] == 200 for source in sources)


async def test_a_killed_embedded_redis_is_back_before_anybody_loses_anything(chat: ChatCluster):
    async with crowd(chat, per_slot=4) as people:
        sources = [people.on[slot][0].source for slot in (1, 2)]
        async with people.talking():
            await asyncio.sleep(0.3)
            os.kill(chat.status()["redis"]["embedded"]["pid"], signal.SIGKILL)
            at = time.monotonic()
            await asyncio.sleep(0.3)
            await asyncio.to_thread(wait_for, lambda: is_ready(chat, sources), 10, "readiness")
            healthy_s = time.monotonic() - at
            await asyncio.sleep(0.3)
        await people.verdict()
        assert {person.connects for person in people.people} == {1}
        assert healthy_s < HEALTHY_S + 0.5


async def test_redis_is_away_for_five_seconds(chat_on_redis: ChatCluster, redis_server: RedisServer):
    chat = chat_on_redis
    async with crowd(chat, per_slot=4) as people, js_driver() as driver:
        key, (other,) = people.channels[0], await new_channels(chat, 1)
        sources = [people.on[slot][0].source for slot in (1, 2)]
        speaker, neighbour = people.on[1][:2]
        async with people.talking():
            await asyncio.sleep(0.3)
            redis_server.kill()
            at = time.monotonic()
            joining = asyncio.create_task(people.on[2][0].request("channel.join", other))
            latecomer = Seed(chat, *chat.account()).open(driver, "sio48", ["websocket"])
            said = await speaker.post(key, "is anybody here?", 1.0)
            place = neighbour.places[key]
            # What the other worker committed in between is read from the store within the 2 s of comparing heads.
            assert await neighbour.until(lambda: said in place.seen, 3.0)
            with pytest.raises(Refused) as refused:
                await joining
            assert refused.value.code == "unavailable"
            assert time.monotonic() - at < REFUSED_S
            readiness = [await asyncio.to_thread(chat.is_ready, source) for source in sources]
            assert [found["code"] for found in readiness] == [503, 503]
            await asyncio.sleep(at + AWAY_S - time.monotonic())
            acked = people.acked
        # Nobody says anything now: health must come back without traffic, too.
        await asyncio.to_thread(redis_server.start)
        back = time.monotonic()
        await asyncio.to_thread(wait_for, lambda: is_ready(chat, sources), 10, "readiness")
        healthy_s = time.monotonic() - back
        # It could not be let in, and must not have been told anything that keeps it away.
        await latecomer.expect_event("logged_in", 20)
        latecomer.do("close")
        await latecomer.expect("disconnect")
        await people.verdict()
        assert healthy_s < HEALTHY_S
        assert acked > 100
        assert {person.connects for person in people.people} == {1}


def test_a_second_server_of_the_same_database_is_refused_in_a_sentence(
    chat_on_redis: ChatCluster, redis_server: RedisServer, tmp_path: Path
) -> None:
    """Whatever database number it names: messages have none. So said before it has hurt the first."""
    before = chat_on_redis.workers()
    second = ChatCluster(tmp_path, REDIS_URL=f"{redis_server.url}?db=1", DATABASE_URL=database_of(chat_on_redis))
    try:
        assert second.wait_exit(20) == 1
        assert (
            "Another server of this cluster is heard on this Redis. One at a time serves a database." in second.said()
        )
    finally:
        second.destroy()
    assert {slot: worker["pid"] for slot, worker in chat_on_redis.workers().items()} == {
        slot: worker["pid"] for slot, worker in before.items()
    }
    chat_on_redis.wait_agreed(0)


def database_of(chat: ChatCluster) -> str:
    return f"sqlite:///{chat.directory / 'reaktor.sqlite3'}"


@pytest.fixture(scope="module")
def lossy_chat(make_chat: MakeChat) -> Iterator[ChatCluster]:
    # Whoever vanishes three times counts four times until the bus has taken that the others are gone.
    with make_chat(DJANGO_SETTINGS_MODULE="tests.support.lossy_settings", MAX_SESSIONS_PER_USER="4") as found:
        yield found


async def test_with_every_fifth_message_on_the_bus_lost_replicas_converge_and_differences_are_told_once(
    lossy_chat: ChatCluster,
):
    """Commands, changes, snapshots, chat messages, all of them; while people talk, vanish, go and come."""
    chat = lossy_chat
    async with crowd(chat, per_slot=4) as people:
        async with people.talking():
            lose(chat, 0.2)
            for _ in range(3):
                await asyncio.sleep(0.5)
                people.on[1][0].vanish()
                people.on[2][0].vanish()
                await come_and_go(people)
            lose(chat, 0)
        healed = time.monotonic()
        await asyncio.to_thread(chat.wait_agreed, 8, 10)
        converged_s = time.monotonic() - healed
        await people.verdict(may_reset=True)
        assert converged_s < CONVERGED_S
        found = chat.status()
        assert sum(worker["runtime"]["repairs"] for worker in found["workers"]) > 0


def lose(chat: ChatCluster, chance: float) -> None:
    (chat.directory / "loss").write_text(str(chance))


async def come_and_go(people: Crowd) -> None:
    """Somebody is there for a moment, on the second worker; over a bad bus, entering may take a few tries."""
    guest = await people.add(people.cluster.source(2))
    await guest.leave()
    people.people.remove(guest)
