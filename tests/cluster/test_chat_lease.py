"""One server on PostgreSQL gives its lease back: because Redis is away, because it is asked to, because it ends."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import psycopg
import pytest

from tests.support.chat_cluster import ChatCluster, chat_cluster
from tests.support.cluster import clusterctl
from tests.support.databases import own_database, postgresql_url
from tests.support.ports import wait_for
from tests.support.redis import RedisServer, running_redis
from tests.support.server import LiveServer
from tests.support.verdict import crowd

URL = postgresql_url()
pytestmark = [pytest.mark.cluster, pytest.mark.skipif(URL is None, reason="no PostgreSQL lets us in")]


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    with own_database(str(URL), f"reaktor_lease_{os.getpid()}") as url:
        yield url


@pytest.fixture(scope="module")
def chat_on_postgresql(
    database: str, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ChatCluster]:
    server = LiveServer(tmp_path_factory.mktemp("data"), DATABASE_URL=database)
    server.prepare(accounts=30)
    directory = tmp_path_factory.mktemp("chat")
    with chat_cluster(server, directory, WORKERS="2", DATABASE_URL=database, REDIS_URL=redis_server.url) as found:
        yield found


def holder(database: str) -> str:
    """Who has the lease; empty: nobody."""
    with psycopg.connect(database.replace("postgres://", "postgresql://", 1)) as connection:
        row = connection.execute("SELECT holder FROM cluster_lease WHERE duty = 'authority'").fetchone()
    return "" if row is None else str(row[0])


@pytest.mark.long
async def test_while_redis_is_away_the_lease_is_free_and_afterwards_nobody_has_left(
    chat_on_postgresql: ChatCluster, redis_server: RedisServer, database: str
) -> None:
    chat = chat_on_postgresql
    async with crowd(chat, per_slot=3) as people:
        epoch = chat.status()["authority"]["epoch"]
        async with people.talking():
            await asyncio.sleep(0.3)
            redis_server.kill()
            await asyncio.to_thread(wait_for, lambda: holder(database) == "", 5, "the lease to be given back")
            assert chat.status()["authority"]["phase"] == "waiting"
            await asyncio.to_thread(redis_server.start)
            await asyncio.to_thread(wait_for, lambda: holder(database), 5, "the lease to be had again")
            await people.add(chat.source(1))
        await people.verdict()
        assert {person.connects for person in people.people} == {1}
        assert chat.status()["authority"]["epoch"] == epoch, "a new picture was begun"


@pytest.mark.long
async def test_a_server_that_is_alone_decides_again_after_it_was_asked_to_hand_over(
    chat_on_postgresql: ChatCluster,
) -> None:
    chat = chat_on_postgresql
    async with crowd(chat, per_slot=3) as people:
        epoch = chat.status()["authority"]["epoch"]
        async with people.talking():
            code, said, _ = await asyncio.to_thread(clusterctl, chat, "hand-over")
            assert (code, said.strip()) == (0, "Nobody else took it: this server decides again.")
            await people.add(chat.source(2))
        await people.verdict()
        assert {person.connects for person in people.people} == {1}
        assert chat.status()["authority"]["epoch"] == epoch


def test_on_sqlite_there_is_nobody_to_hand_over_to(chat: ChatCluster) -> None:
    code, _, told = clusterctl(chat, "hand-over")
    assert (code, told.strip().endswith("On SQLite one server decides, and there is none to hand over to.")) == (
        1,
        True,
    )


@pytest.mark.long
async def test_who_ends_lets_others_decide_before_its_workers_say_goodbye(
    chat_on_postgresql: ChatCluster, database: str
) -> None:
    """A server that took its time to end kept the others waiting for the lease."""
    chat = chat_on_postgresql
    worker = chat.pid(1)
    os.kill(worker, signal.SIGSTOP)
    try:
        chat.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(wait_for, lambda: holder(database) == "", 10, "the lease to be free")
        os.kill(worker, 0)  # it is still waited for
    finally:
        os.kill(worker, signal.SIGCONT)
    await asyncio.to_thread(chat.wait_exit, 20)
