"""The end of the whole server: a terminal's Ctrl-C, and a supervisor that is killed. And the start after it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chat_cluster import ChatCluster, start_chat_cluster
from tests.support.server import LiveServer
from tests.support.verdict import crowd

pytestmark = pytest.mark.cluster

Start = Callable[..., ChatCluster]
DRAIN_S = 3.0
EXIT_S = DRAIN_S + 5.0
NOTHING_LEFT_S = 5.0


@pytest.fixture
def start(prepared_server: LiveServer, tmp_path: Path) -> Iterator[Start]:
    """start(port?) → a serving cluster on data that outlive it."""
    started: list[ChatCluster] = []

    def start(port: int | None = None) -> ChatCluster:
        environment = {"WORKERS": "2", "DRAIN": f"{DRAIN_S}s", **({"PORT": str(port)} if port else {})}
        if started:
            started.append(ChatCluster(tmp_path / "data", **environment))
            started[-1].pool = started[0].pool
        else:
            started.append(start_chat_cluster(prepared_server, tmp_path / "data", **environment))
        return started[-1].wait_serving(60)

    yield start
    for cluster in started:
        cluster.destroy()


async def test_ctrl_c_tells_everybody_when_to_come_back_and_leaves_nothing(start: Start):
    chat = start()
    async with crowd(chat, per_slot=10) as people:
        at = time.monotonic()
        os.killpg(chat.process.pid, signal.SIGINT)  # what a terminal does: the whole foreground group gets it
        assert await asyncio.to_thread(chat.wait_exit, EXIT_S) == 0
        chat.wait_nothing_left(1)
        byes = [person.byes[0] for person in people.people]
        assert {bye["code"] for bye in byes} == {4001}
        retries = [bye["retry_after"] for bye in byes]
        assert all(0 < retry_s <= 3 for retry_s in retries)
        assert max(retries) - min(retries) > 0.5
        assert max(bye["at"] for bye in byes) - at < DRAIN_S
        assert "Traceback" not in chat.said()


async def test_a_killed_supervisor_leaves_nothing_and_the_next_start_has_everything(start: Start):
    chat = start()
    async with crowd(chat, per_slot=4) as people:
        async with people.talking():
            await asyncio.sleep(0.3)
            at = time.monotonic()
            chat.process.kill()
            chat.process.wait()
            await asyncio.to_thread(chat.wait_nothing_left, NOTHING_LEFT_S)
            assert [person.byes[0]["code"] for person in people.people] == [4001] * 8
            assert max(person.byes[0]["at"] for person in people.people) - at < NOTHING_LEFT_S
            people.cluster = again = await asyncio.to_thread(start, chat.port)
            await asyncio.gather(*(person.until(lambda p=person: p.connects == 2, 30) for person in people.people))
        await people.verdict()
    assert again.stop() == 0
