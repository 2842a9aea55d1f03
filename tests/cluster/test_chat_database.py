"""The database takes no writes for a while: posts are refused in words, nothing acknowledged is lost, sessions stay."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.native import Refused
from tests.support.verdict import crowd

pytestmark = pytest.mark.cluster

AWAY_S = 4.0
HEALTHY_S = 3.0


@pytest.fixture(scope="module")
def impatient_chat(make_chat: MakeChat) -> Iterator[ChatCluster]:
    """Waits for a lock for one second instead of 20."""
    with make_chat(DATABASE_URL="sqlite:///{data}/reaktor.sqlite3?timeout=1") as found:
        yield found


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Nobody else writes in the block."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


async def test_while_nobody_can_write_posts_are_refused_and_afterwards_everything_acknowledged_is_there(
    impatient_chat: ChatCluster,
):
    chat = impatient_chat
    async with crowd(chat, per_slot=4) as people:
        key, speaker = people.channels[0], people.on[1][0]
        async with people.talking():
            await asyncio.sleep(0.3)
            before = people.acked
            with locked(chat.directory / "reaktor.sqlite3"):
                await asyncio.sleep(0.2)
                stored = people.acked
                with pytest.raises(Refused) as refused:
                    await speaker.request("message.send", key, text="not now", nonce="not-now")
                assert refused.value.code == "unavailable"
                answer = await asyncio.to_thread(
                    chat.request,
                    "POST",
                    f"/api/v1/channels/{key}/messages",
                    speaker.token,
                    speaker.source,
                    json={"text": "nor now", "nonce": "nor-now"},
                )
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
                page = await speaker.request("message.list", key, limit=10)
                assert page["messages"], "reading goes on"
                await asyncio.sleep(AWAY_S - 2)
                assert people.acked == stored
            back = time.monotonic()
            await speaker.post(key, "now", HEALTHY_S)
            assert time.monotonic() - back < HEALTHY_S
        await people.verdict()
        assert people.acked > before > 0
        assert {person.connects for person in people.people} == {1}
