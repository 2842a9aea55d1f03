"""One Redis for several: clusters of different databases do not hear each other; one database has one server."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from chat.membership import wire
from chat.membership.protocol import Batch
from reaktor.process.bus import Bus
from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.native import NativeClient
from tests.support.ports import wait_for
from tests.support.redis import RedisServer, close_layers, running_redis
from tests.support.verdict import crowd

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def one(make_chat: MakeChat, redis_server: RedisServer) -> Iterator[ChatCluster]:
    with make_chat(REDIS_URL=redis_server.url) as found:
        yield found


def manage(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def other(
    make_chat: MakeChat, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory, one: ChatCluster
) -> Iterator[ChatCluster]:
    """The same accounts, channels, worker numbers: its database is a copy, with a name of its own."""
    script = '"$0" manage.py new_cluster_id && exec "$0" manage.py runcluster'
    with make_chat(command=("sh", "-c", script, sys.executable), REDIS_URL=redis_server.url) as found:
        yield found


def cluster_ids(redis_server: RedisServer) -> list[str]:
    with redis.Redis.from_url(redis_server.url) as client:
        return [key.decode().split(":")[1] for key in client.keys("reaktor:*:authority")]


@pytest.mark.long
async def test_two_clusters_chat_over_one_redis_without_hearing_each_other(
    one: ChatCluster, other: ChatCluster, redis_server: RedisServer
) -> None:
    """The second one was refused: each cluster needed a Redis of its own."""
    assert len(set(cluster_ids(redis_server))) == 2
    async with crowd(one, per_slot=3) as here, crowd(other, per_slot=3) as there:
        async with here.talking(), there.talking():
            await asyncio.sleep(1)
        await here.verdict()
        await there.verdict()
    name, token = one.account()
    async with (
        await NativeClient.connect(one.url, token, local_addr=(one.source(1), 0)) as ann,
        await NativeClient.connect(other.url, token_of(other, name), local_addr=(other.source(2), 0)) as twin,
    ):
        assert ann.greeting["user"]["id"] == twin.greeting["user"]["id"]
        await ann.join("general")
        found = await twin.join("general")
        assert found["member_count"] == 1
        await asyncio.to_thread(manage, other.environment, "moderate", "ban", name, "--reason", "only there")
        await twin.closed()
        await ann.post("general", "still here")


def token_of(cluster: ChatCluster, name: str) -> str:
    """The tokens of one's copy are good in the other: the secrets were copied, too."""
    return next(token for each, token in cluster.pool if each == name)


def start_pair(
    one: ChatCluster, tmp_path: Path, redis_server: RedisServer, started: Callable[[ChatCluster], None]
) -> list[ChatCluster]:
    """Two servers at once on one database, with directories of their own."""
    database = f"sqlite:///{tmp_path / 'reaktor.sqlite3'}"
    environment = {**one.environment, "DATA_DIR": str(tmp_path), "DATABASE_URL": database}
    manage(environment, "migrate", "--verbosity", "0")
    both = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        both.append(ChatCluster(tmp_path / name, REDIS_URL=redis_server.url, DATABASE_URL=database, WORKERS="1"))
        started(both[-1])
    return both


@pytest.fixture
def end_with_test() -> Iterator[Callable[[ChatCluster], None]]:
    clusters: list[ChatCluster] = []
    yield clusters.append
    for cluster in clusters:
        cluster.destroy()


@pytest.mark.long
def test_of_two_servers_of_one_database_that_start_in_the_same_second_exactly_one_serves(
    one: ChatCluster, tmp_path: Path, redis_server: RedisServer, end_with_test: Callable[[ChatCluster], None]
) -> None:
    """Each listened for an authority, heard none, and served: the guard listened, it did not lock."""
    both = start_pair(one, tmp_path, redis_server, end_with_test)
    wait_for(lambda: any(each.process.poll() is not None for each in both), 60, "one to give up")
    refused, serving = sorted(both, key=lambda each: each.process.poll() is None)
    assert refused.wait_exit(1) == 1
    who = f"This cluster has a supervisor already: process {serving.process.pid} on "
    assert who in refused.said() or "Another server of this cluster is heard on this Redis." in refused.said()
    assert "One at a time serves a database." in refused.said()
    serving.wait_serving(60)
    serving.wait_agreed(0)
    # Killed, it leaves a key that nobody renews: the next one waits for its end.
    serving.process.kill()
    serving.wait_exit(5)
    at = time.monotonic()
    third = ChatCluster(
        refused.directory, **{name: refused.environment[name] for name in ("REDIS_URL", "DATABASE_URL", "WORKERS")}
    )
    end_with_test(third)
    third.wait_serving(60)
    assert time.monotonic() - at < 60


@pytest.mark.long
@pytest.mark.long
def test_a_supervisor_that_was_stopped_for_too_long_finds_another_one_and_ends(
    one: ChatCluster, tmp_path: Path, redis_server: RedisServer, end_with_test: Callable[[ChatCluster], None]
) -> None:
    both = start_pair(one, tmp_path, redis_server, end_with_test)
    wait_for(lambda: any(each.process.poll() is not None for each in both), 60, "one to give up")
    refused, first = sorted(both, key=lambda each: each.process.poll() is None)
    first.wait_serving(60)
    os.kill(first.process.pid, signal.SIGSTOP)
    second = ChatCluster(
        refused.directory, **{name: refused.environment[name] for name in ("REDIS_URL", "DATABASE_URL", "WORKERS")}
    )
    end_with_test(second)
    second.wait_serving(60)
    os.kill(first.process.pid, signal.SIGCONT)
    assert first.wait_exit(20) == 1
    assert f"This cluster has a supervisor already: process {second.process.pid} on " in first.said()
    second.wait_workers(1)
    second.wait_agreed(0)


async def test_a_false_authority_of_a_moment_costs_nobody_a_session(
    one: ChatCluster, redis_server: RedisServer
) -> None:
    """One batch with an epoch of its own clock made every worker deaf to the real authority, until a restart."""
    mine = await asyncio.to_thread(cluster_id_of, one)
    layer = RedisPubSubChannelLayer(hosts=[{"address": redis_server.url}], prefix="reaktor")
    bus = Bus(layer, scope=f"reaktor:{mine}:")
    async with crowd(one, per_slot=3) as people:
        async with people.talking():
            false = Batch(int(time.time() * 1000) + 1_000, 1)
            await bus.broadcast(wire.CHANGES_GROUP, wire.BATCH, wire.batch_body(false))
            at = time.monotonic()
            guest = await people.add(one.source(2))
            deaf_s = time.monotonic() - at
        await people.verdict()
        assert {person.connects for person in people.people} == {1}
        assert guest.connects == 1
        assert deaf_s < 10
    await close_layers(layer)


def cluster_id_of(cluster: ChatCluster) -> str:
    script = "from chat import selectors; print('id', selectors.cluster_id())"
    said = manage(cluster.environment, "shell", "-c", script)
    return next(line.split()[1] for line in said.splitlines() if line.startswith("id "))
