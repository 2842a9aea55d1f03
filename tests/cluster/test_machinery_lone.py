"""One process that is a whole server: it starts, takes signals and ends as a cluster does, as far as it can."""

import asyncio
import os
import signal
import sys
import time

import httpx
import pytest
from websockets.asyncio.client import connect

from reaktor.cluster.failures import ClusterError
from tests.support.cluster import elapsed
from tests.support.ports import is_listening, wait_for

pytestmark = pytest.mark.cluster

LONE = (sys.executable, "-m", "tests.support.run_lone")


async def test_a_stop_tells_the_sessions_finishes_the_requests_and_leaves_nothing(own):
    lone = own(command=LONE).wait_serving()
    async with connect(f"{lone.ws}/echo") as client, httpx.AsyncClient() as http:
        slow = asyncio.create_task(http.get(f"{lone.url}/slow?0.8"))
        await asyncio.sleep(0.2)
        started = time.monotonic()
        lone.process.terminate()
        assert await client.recv() == "bye"
        assert (await slow).status_code == 200
        assert await asyncio.to_thread(lone.wait_exit, 15) == 0
        assert elapsed(started) < 15
    assert not is_listening(lone.port)
    assert list(lone.run_dir.path.iterdir()) == []


async def test_a_second_signal_ends_it_at_once(own):
    lone = own(command=LONE, DRAIN="30s").wait_serving()
    async with connect(f"{lone.ws}/echo") as client:
        await client.send("!sleep 60")
        lone.process.terminate()
        assert await client.recv() == "bye"
        lone.process.terminate()
        started = time.monotonic()
        assert await asyncio.to_thread(lone.wait_exit, 15) == 0
        assert elapsed(started) < 15
    assert "stopping at once" in lone.said()


def test_what_one_process_cannot_do_is_said_and_harms_nothing(own):
    lone = own(command=LONE).wait_serving()
    for order in ({"do": "reload"}, {"do": "scale", "count": 2}, {"do": "drain", "slot": 1}):
        with pytest.raises(ClusterError, match=r"one process, as it has no Redis.*not reloaded or scaled\."):
            lone.order(**order)
    for number in (signal.SIGHUP, signal.SIGTTIN):
        before = lone.said().count("not reloaded or scaled")
        os.kill(lone.process.pid, number)
        wait_for(lambda: lone.said().count("not reloaded or scaled") > before, what="the reason")  # noqa: B023
    status = lone.status()
    assert (status["role"], status["state"], status["pid"]) == ("one process", "serving", lone.process.pid)
    assert status["workers"][0]["rss_bytes"] > 10**6
    assert lone.who()["pid"] == lone.process.pid


def test_what_fails_beside_the_server_is_said_and_ends_nothing(own):
    lone = own(command=LONE).wait_serving()
    wait_for(lambda: "beside failed: RuntimeError('nobody needs this')" in lone.said(), what="the reason")
    assert lone.who()["worker"] == "0.0"


def test_a_runtime_that_cannot_boot_ends_the_process_and_says_why(own):
    lone = own(command=LONE, TEST_BOOT="fail 0")
    assert lone.wait_exit(20) == 1
    assert "this worker was told not to boot" in lone.said()
    assert not is_listening(lone.port)


def test_a_second_one_on_the_port_is_refused(own, tmp_path):
    first = own(command=LONE).wait_serving()
    second = own(command=LONE, PORT=str(first.port))
    assert second.wait_exit(20) == 1
    assert f"already running on port {first.port} (process {first.process.pid})" in second.said()
    third = own(command=LONE, PORT=str(first.port), DATA_DIR=str(tmp_path / "elsewhere"))
    assert third.wait_exit(20) == 1
    assert f"port {first.port}: the port is already in use." in third.said()


def test_it_listens_on_both_families(own):
    lone = own(command=LONE, BIND="::").wait_serving()
    assert lone.who()["client"][0] == "127.0.0.1"
    assert lone.who(source="::1", host="::1")["client"][0] == "::1"
