"""The cluster on a Unix without what Linux alone has: it serves, mends itself, and leaves nothing behind."""

import asyncio
import contextlib
import os
import signal
import sys

import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.cluster import SOURCES
from tests.support.ports import wait_for

pytestmark = pytest.mark.cluster

PLAIN_UNIX = (sys.executable, "-m", "tests.support.plain_unix")


async def test_it_serves_and_replaces_a_worker_that_dies(own):
    cluster = own(command=PLAIN_UNIX, WORKERS="2").wait_serving()
    before = cluster.workers()
    assert {cluster.who(source)["pid"] for source in SOURCES} == {worker["pid"] for worker in before.values()}
    assert all(worker["rss_bytes"] > 10**6 for worker in before.values())
    async with connect(f"{cluster.ws}/echo") as client:
        await client.send("hello")
        assert await client.recv() == "hello"
    os.kill(before[1]["pid"], signal.SIGKILL)
    cluster.wait_workers(2, newer_than={1: before[1]})
    assert {cluster.who(source)["worker"] for source in SOURCES} == {"1.2", "2.1"}
    assert cluster.stop() == 0
    cluster.wait_nothing_left(1)
    assert list(cluster.run_dir.path.iterdir()) == []


@pytest.mark.parametrize("dies", ["Redis", "its leash alone"])
def test_it_starts_another_redis_and_leaves_nothing_of_the_one_before(own, dies):
    cluster = own(command=PLAIN_UNIX, WORKERS="1").wait_serving()
    before = cluster.status()["redis"]["embedded"]
    leash = psutil.Process(before["pid"])
    (held,) = leash.children()
    (held if dies == "Redis" else leash).kill()
    wait_for(lambda: cluster.status()["redis"]["embedded"]["pid"] not in (None, before["pid"]), 10, "another Redis")
    wait_for(lambda: held not in cluster.left() and leash not in cluster.left(), 5, "the end of the one before")


@pytest.mark.parametrize("hangs", [False, True], ids=["healthy", "one worker hangs"])
async def test_when_the_supervisor_is_killed_nothing_is_left(own, hangs):
    cluster = own(command=PLAIN_UNIX, WORKERS="2", HANG_TIMEOUT="60s").wait_serving()
    async with connect(f"{cluster.ws}/echo") as client:
        if hangs:
            await client.send("!hang")
        cluster.process.kill()
        cluster.process.wait()
        if not hangs:
            async with asyncio.timeout(3):
                assert await client.recv() == "bye"
                with contextlib.suppress(ConnectionClosed):
                    await client.recv()
            assert client.close_code == 4001
        await asyncio.to_thread(cluster.wait_nothing_left, 10)
