"""Redis with a replica and a Sentinel: the master is killed, or has to make room; chat goes on, nobody is ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.redis_sites import MASTER, MasterAndReplica, ask, master_and_replica
from tests.support.verdict import crowd

pytestmark = pytest.mark.cluster

BACK_S = 5.0


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MasterAndReplica]:
    with master_and_replica(tmp_path) as found:
        yield found


@pytest.fixture
def chat_by_sentinel(make_chat: MakeChat, site: MasterAndReplica) -> Iterator[ChatCluster]:
    with make_chat(**site.environment) as found:
        yield found


@pytest.mark.parametrize(
    "is_killed", [pytest.param(True, id="killed"), pytest.param(False, id="demoted", marks=pytest.mark.long)]
)
async def test_after_the_fail_over_of_redis_chat_goes_on_within_seconds(
    chat_by_sentinel: ChatCluster, site: MasterAndReplica, is_killed: bool
) -> None:
    chat = chat_by_sentinel
    async with crowd(chat, per_slot=4) as people:
        async with people.talking():
            await asyncio.sleep(0.3)
            if is_killed:
                site.kill(site.master)
            else:
                ask(site.sentinel, "SENTINEL", "FAILOVER", MASTER)
            await asyncio.to_thread(site.wait_promoted)
            at = time.monotonic()
            async with asyncio.timeout(BACK_S):
                for slot in (1, 2):
                    # Asks the authority, over the bus.
                    await people.add(chat.source(slot))
            back_s = time.monotonic() - at
            await asyncio.sleep(0.5)
        await people.verdict()
        assert {person.connects for person in people.people} == {1}
        assert back_s < BACK_S
    await asyncio.to_thread(chat.wait_agreed, 0)
