"""The cluster's machinery with real processes: stickiness, deaths, hangs, reloads, scaling, and nothing left behind."""

import asyncio
import contextlib
import os
import re
import signal
import socket
import struct
import subprocess
import time

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.support.cluster import MACHINERY, SOURCES, as_json, clusterctl, elapsed, running_cluster
from tests.support.ports import wait_for
from tests.support.waiting import until

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two workers on both families; each test leaves two workers behind."""
    with running_cluster(
        tmp_path_factory.mktemp("cluster"), WORKERS="2", BIND="::", HANG_TIMEOUT="2.5s", TERM_TIMEOUT="1s"
    ) as found:
        yield found


def source_of(cluster, slot):
    """An address that belongs to a slot."""
    return next(source for source in SOURCES if cluster.who(source)["worker"].startswith(f"{slot}."))


# Stickiness


def test_each_address_stays_with_its_worker_and_both_workers_have_some(cluster):
    first = {source: cluster.who(source)["worker"] for source in SOURCES}
    again = {source: cluster.who(source)["worker"] for source in SOURCES}
    assert first == again
    assert {name.split(".")[0] for name in first.values()} == {"1", "2"}


def test_an_ipv6_client_is_served_and_knows_its_address(cluster):
    assert cluster.who("::1", host="::1")["client"][0] == "::1"
    assert cluster.who("127.0.0.1")["client"][0] == "127.0.0.1"


async def test_a_socket_speaks_with_the_worker_itself(cluster):
    supervisor = psutil.Process(cluster.process.pid)
    async with connect(f"{cluster.ws}/echo") as client:
        await client.send("x" * 60_000)
        assert await client.recv() == "x" * 60_000

        def carries() -> bool:
            found = [c for c in supervisor.net_connections() if c.status == psutil.CONN_ESTABLISHED and c.laddr]
            return any(c.laddr.port == cluster.port for c in found)

        # Its own copy is closed when the worker says that it has taken over, which may be after the echo.
        await until(lambda: not carries())


# Deaths


async def test_a_killed_worker_is_replaced_and_connections_of_the_meantime_are_served(cluster):
    before = cluster.workers()
    source = source_of(cluster, 1)
    os.kill(before[1]["pid"], signal.SIGKILL)
    started = time.monotonic()
    transport = httpx.AsyncHTTPTransport(local_address=source)
    async with httpx.AsyncClient(transport=transport, timeout=10) as client:
        answers = await asyncio.gather(*(client.get(f"{cluster.url}/who") for _ in range(20)))
    names = {answer.json()["worker"] for answer in answers}
    assert names == {f"1.{before[1]['incarnation'] + 1}"}
    assert elapsed(started) < 25
    assert [1, before[1]["incarnation"]] in cluster.status()["authority"]["exited"]
    assert cluster.wait_workers(2)[2]["pid"] == before[2]["pid"]


def test_a_hung_worker_is_replaced_and_the_connections_given_to_it_are_not_lost(cluster):
    before = cluster.workers()
    source = source_of(cluster, 1)
    os.kill(before[1]["pid"], signal.SIGSTOP)
    started = time.monotonic()
    assert cluster.who(source)["worker"] == f"1.{before[1]['incarnation'] + 1}"
    assert elapsed(started) < 60
    assert "hangs: no beat for 2.5 s" in cluster.said()
    assert cluster.wait_workers(2)[2]["pid"] == before[2]["pid"]


def test_a_supervisor_that_was_paused_does_not_take_its_workers_for_hung(cluster):
    before = cluster.workers()
    os.kill(cluster.process.pid, signal.SIGSTOP)
    time.sleep(3.5)  # the pause itself: longer than a worker may be silent
    os.kill(cluster.process.pid, signal.SIGCONT)
    wait_for(lambda: all(found["beat_age_s"] < 1 for found in cluster.workers().values()), what="new beats")
    after = cluster.workers()
    assert {slot: found["pid"] for slot, found in after.items()} == {
        slot: found["pid"] for slot, found in before.items()
    }


def test_the_embedded_redis_is_restarted_when_it_dies(cluster):
    before = cluster.status()["redis"]["embedded"]
    os.kill(before["pid"], signal.SIGKILL)
    after = wait_for(
        lambda: cluster.status()["redis"]["embedded"]["pid"] not in (None, before["pid"]), 5, "a new Redis"
    )
    assert after
    assert set(cluster.workers()) == {1, 2}


# Orders


async def test_a_reload_under_load_refuses_nobody_and_tells_the_sessions(cluster):
    before = cluster.workers()
    refused, served, stop = [], [], asyncio.Event()

    async def ask_for_ever(source):
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(local_address=source), timeout=10) as client:
            while not stop.is_set():
                try:
                    answer = await client.get(f"{cluster.url}/who", headers={"connection": "close"})
                    served.append(answer.status_code)
                except httpx.HTTPError as error:
                    refused.append(repr(error))

    async with connect(f"{cluster.ws}/echo") as client:
        load = [asyncio.create_task(ask_for_ever(source)) for source in SOURCES]
        await asyncio.sleep(0.3)
        os.kill(cluster.process.pid, signal.SIGHUP)
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(15):
                assert await client.recv() == "bye"
                await client.recv()
        assert client.close_code == 4001
        await asyncio.to_thread(cluster.wait_workers, 2, before)
        stop.set()
        await asyncio.gather(*load)
    assert refused == []
    assert set(served) == {200}
    assert len(served) > 50


def test_scaling_to_three_and_back_moves_only_what_it_must(cluster):
    before = {source: cluster.who(source)["worker"] for source in SOURCES}
    assert clusterctl(cluster, "scale", "3")[:2] == (0, "3 workers serve.\n")
    during = {source: cluster.who(source)["worker"] for source in SOURCES}
    assert all(during[source] in (before[source], "3.1") for source in SOURCES)
    os.kill(cluster.process.pid, signal.SIGTTOU)
    cluster.wait_workers(2)
    assert {source: cluster.who(source)["worker"] for source in SOURCES} == before
    os.kill(cluster.process.pid, signal.SIGTTIN)
    cluster.wait_workers(3)
    os.kill(cluster.process.pid, signal.SIGTTOU)
    cluster.wait_workers(2)


def test_the_command_shows_and_steers_and_its_exit_codes_say_what_happened(cluster):
    code, shown, _ = clusterctl(cluster, "status")
    assert code == 0
    assert len(re.findall(r"equal  +\S+  ready", shown)) == 2
    assert "authority: epoch 1, revision 7" in shown
    code, shown, _ = clusterctl(cluster, "drain", "2", "--json")
    assert (code, as_json(shown)) == (0, {"reloaded": [2]})
    assert clusterctl(cluster, "drain", "7")[0] == 1
    assert clusterctl(cluster, "scale", "many")[0] == 2
    cluster.wait_workers(2)


def test_without_a_server_the_command_says_so_with_its_own_exit_code(tmp_path, cluster):
    class Nowhere:
        environment = {**cluster.environment, "DATA_DIR": str(tmp_path)}

    code, _, said = clusterctl(Nowhere, "status")
    assert code == 3
    assert "No live server was found" in said


def test_a_second_supervisor_on_the_port_is_refused_in_a_sentence(cluster):
    second = subprocess.run(MACHINERY, env=cluster.environment, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert f"already running on port {cluster.port} (process {cluster.process.pid})" in second.stderr


# Abuse


def test_two_thousand_resets_and_silences_cost_the_cluster_nothing(cluster):
    supervisor = psutil.Process(cluster.process.pid)
    before = supervisor.num_fds()
    silent = [socket.create_connection(("127.0.0.1", cluster.port)) for _ in range(200)]
    for _ in range(2000):
        client = socket.create_connection(("127.0.0.1", cluster.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    started = time.monotonic()
    assert cluster.who()["worker"]
    assert elapsed(started) < 5
    wait_for(lambda: supervisor.num_fds() <= before + 2, 5, "the supervisor's descriptors")
    for client in silent:
        client.close()


def test_a_supervisor_without_descriptors_recovers_when_there_are_some_again(own):
    cluster = own(WORKERS="1", prefix=("prlimit", "--nofile=64:64")).wait_serving()
    worker = cluster.workers()[1]
    os.kill(worker["pid"], signal.SIGSTOP)  # so that the supervisor keeps its copies
    clients = [socket.socket() for _ in range(150)]
    for client in clients:
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            client.connect(("127.0.0.1", cluster.port))
    wait_for(lambda: "can't accept (Too many open files)" in cluster.said(), 10, "the log to say so")
    for client in clients:
        client.close()
    os.kill(worker["pid"], signal.SIGCONT)
    assert wait_for(lambda: _served(cluster), 15, "service")
    assert cluster.process.poll() is None


def _served(cluster):
    with contextlib.suppress(httpx.HTTPError):
        return cluster.who()["worker"].startswith("1.")
    return False
