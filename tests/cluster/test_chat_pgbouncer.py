"""A whole server through a PgBouncer in transaction mode, the lease included; commands go past it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.support.chat_cluster import ChatCluster, chat_cluster
from tests.support.databases import own_database, postgresql_url
from tests.support.pgbouncer import pgbouncer
from tests.support.server import LiveServer
from tests.support.verdict import crowd

URL = postgresql_url()
pytestmark = [
    pytest.mark.cluster,
    pytest.mark.long,
    pytest.mark.skipif(URL is None, reason="no PostgreSQL lets us in"),
]

CONNECTIONS = 4
"""Fewer than the server has threads that ask, so that they get each other's."""


@pytest.fixture(params=["all of it", "its workers"])
def chat(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ChatCluster]:
    with own_database(str(URL), f"reaktor_bouncer_{os.getpid()}") as direct:
        server = LiveServer(tmp_path / "data", DATABASE_URL=direct)
        server.data_dir.mkdir()
        server.prepare(accounts=12)
        with pgbouncer(direct, connections=CONNECTIONS) as pooled:
            urls = {"DATABASE_URL": pooled}
            if request.param == "its workers":
                urls["DATABASE_DIRECT_URL"] = direct
            with chat_cluster(server, tmp_path / "chat", WORKERS="2", **urls) as found:
                yield found


async def test_chat_works_through_a_pooler_that_gives_each_transaction_another_session(chat: ChatCluster) -> None:
    database = chat.environment.get("DATABASE_DIRECT_URL") or chat.environment["DATABASE_URL"]
    async with crowd(chat, per_slot=3) as people:
        renewals = renewed(database)
        async with people.talking():
            await asyncio.sleep(1)
            for slot in (1, 2):
                await people.add(chat.source(slot))
            at = time.monotonic()
            while renewed(database) < renewals + 3:
                assert time.monotonic() < at + 10
                await asyncio.sleep(0.2)
        await people.verdict()
        assert {person.connects for person in people.people} == {1}
        assert people.acked > 50


def renewed(database: str) -> int:
    """How often the lease was."""
    with psycopg.connect(database.replace("postgres://", "postgresql://", 1)) as connection:
        row = connection.execute("SELECT renewals FROM cluster_lease WHERE duty = 'authority'").fetchone()
    return 0 if row is None else int(row[0])
