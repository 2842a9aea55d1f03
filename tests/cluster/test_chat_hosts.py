"""Two hosts, one chat: two supervisors with directories of their own on one PostgreSQL and one Redis.

One of them is stopped, killed or ended as a whole: everybody on the other one goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chat_cluster import ChatCluster
from tests.support.chat_hosts import StartHost, chat_database, chat_hosts, signal_all
from tests.support.cluster import clusterctl
from tests.support.databases import own_database, postgresql_url
from tests.support.native import NativeClient, Refused
from tests.support.ports import wait_for
from tests.support.server import LiveServer

URL = postgresql_url()
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.skipif(URL is None, reason="hosts share a PostgreSQL")]

NAME = f"reaktor_hosts_{os.getpid()}"
LOST_S = 6.0
"""A silent host is lost after 5 s; its last word was up to half a second old."""
TAKEN_OVER_S = 30.0
"""Five times what is promised: a slow machine may take so long. `python -m benchmarks.hand_over` measures it."""


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[LiveServer]:
    with chat_database(tmp_path / "prepared", str(URL), NAME) as server:
        yield server


@pytest.fixture
def begin_host(tmp_path: Path, prepared: LiveServer) -> Iterator[StartHost]:
    with chat_hosts(tmp_path, prepared) as begin:
        yield begin


@pytest.fixture
def start_host(begin_host: StartHost) -> StartHost:
    """The same, awaited."""
    return lambda name, **environment: begin_host(name, **environment).wait_serving(60)


def hosts_of(host: ChatCluster) -> dict[str, tuple[bool, bool]]:
    """By name, as this host's status has it: whether it lives, whether it decides."""
    return {each["name"]: (each["is_alive"], each["decides"]) for each in host.status()["hosts"]}


async def joined(host: ChatCluster, account: tuple[str, str], source: str = "127.0.0.1") -> NativeClient:
    client = await NativeClient.connect(host.url, account[1], local_addr=(source, 0))
    await client.join("general")
    return client


async def test_people_on_two_hosts_chat_and_a_worker_that_dies_on_the_standby_is_replaced(
    start_host: StartHost,
) -> None:
    a, b = start_host("a"), start_host("b")
    accounts = [a.account() for _ in range(3)]
    wait_for(lambda: hosts_of(b) == {"a": (True, True), "b": (True, False)}, 10, "both hosts in the table")
    async with await joined(a, accounts[0]) as ann, await joined(b, accounts[1]) as bob:
        await ann.post("general", "from a")
        await bob.message("from a")
        await bob.post("general", "from b")
        await ann.message("from b")
        # Who decides sees no process of the other host end: it is told.
        old = b.pid(1)
        os.kill(old, signal.SIGKILL)
        left = await ann.event("member.left", "general")
        assert left["data"]["username"] == accounts[1][0]
        b.wait_replaced(1, old)
        async with await joined(b, accounts[2]) as cid:
            await cid.post("general", "again from b")
            await ann.message("again from b")
    assert a.stop() == 0
    wait_for(lambda: hosts_of(b) == {"a": (False, False), "b": (True, True)}, 10, "b to decide")


async def test_a_host_that_is_killed_is_lost_and_the_other_one_decides(start_host: StartHost) -> None:
    a, b = start_host("a"), start_host("b")
    accounts = [a.account() for _ in range(3)]
    async with await joined(b, accounts[1]) as bob, await NativeClient.connect(b.url, accounts[2][1]) as cid:
        ann = await joined(a, accounts[0])
        at = time.monotonic()
        signal_all(a, signal.SIGKILL)
        await ann.abort()
        while True:
            with contextlib.suppress(Refused):
                await cid.join("general")
                break
            assert time.monotonic() - at < TAKEN_OVER_S
        await bob.post("general", "still here")
        await bob.event("member.left", "general", username=accounts[0][0])
    # The host that was killed is let in again, at once: its directory is its own.
    again = ChatCluster(a.directory, **{name: a.environment[name] for name in SHARED})
    try:
        again.wait_serving(60)
        wait_for(lambda: hosts_of(again)["a"] == (True, False), 10, "a to live again")
    finally:
        again.destroy()


async def test_no_balancer_takes_a_host_out_while_another_one_comes_to_decide(start_host: StartHost) -> None:
    a, b = start_host("a"), start_host("b")
    wait_for(lambda: hosts_of(b) == {"a": (True, True), "b": (True, False)}, 10, "both hosts in the table")
    epoch = b.workers()[1]["epoch"]
    signal_all(a, signal.SIGKILL)
    answers = []

    def has_changed_holder() -> bool:
        answers.append(b.is_ready("127.0.0.1")["code"])
        worker = b.workers()[1]
        return bool(hosts_of(b)["b"][1] and worker["epoch"] > epoch and worker["equals_authority"])

    wait_for(has_changed_holder, 15, "b to decide")
    assert set(answers) == {200}


def test_all_hosts_replace_their_workers_one_after_the_other_or_none_does(start_host: StartHost) -> None:
    a, b = start_host("a"), start_host("b", WORKERS="2")
    wait_for(lambda: hosts_of(b) == {"a": (True, True), "b": (True, False)}, 10, "both hosts in the table")
    before = {host: host.workers() for host in (a, b)}
    code, said, error = clusterctl(b, "reload", "--all")
    assert (code, said, error) == (0, "b: replaced 2 workers.\na: replaced 1 worker.\n", "")
    # Both serve, with other workers than before.
    for host, old in before.items():
        now = {worker["slot"]: worker["pid"] for worker in host.status()["workers"] if worker["state"] == "ready"}
        assert now.keys() == old.keys()
        assert not set(now.values()) & {worker["pid"] for worker in old.values()}
        host.wait_workers(len(old))
    after = a.workers()
    signal_all(b, signal.SIGSTOP)
    code, said, error = clusterctl(a, "reload", "--all")
    signal_all(b, signal.SIGCONT)
    assert (code, said) == (1, "")
    assert "Host b: It does not answer: nothing was heard of it for 5 s. Nothing was replaced anywhere." in error
    assert {worker["pid"] for worker in a.workers().values()} == {worker["pid"] for worker in after.values()}


SHARED = ("REDIS_URL", "DATABASE_URL", "FILES_DIR", "FILES_SHARED", "WORKERS", "HOST_NAME")


async def test_a_host_that_stands_still_is_seen_leaving_and_is_restored_when_it_goes_on(start_host: StartHost) -> None:
    a, b = start_host("a"), start_host("b")
    accounts = [a.account() for _ in range(2)]
    async with await joined(a, accounts[0]) as ann, await joined(b, accounts[1]) as bob:
        at = time.monotonic()
        signal_all(b, signal.SIGSTOP)
        await ann.event("member.left", "general", username=accounts[1][0])
        assert 4.0 < time.monotonic() - at < LOST_S + 1
        await asyncio.sleep(max(7 - (time.monotonic() - at), 0))
        signal_all(b, signal.SIGCONT)
        await ann.event("member.joined", "general", username=accounts[1][0])
        # It was never closed, and has what was said meanwhile and after.
        await ann.post("general", "are you back?")
        await bob.message("are you back?")
        await bob.post("general", "I never left")
        await ann.message("I never left")


async def test_the_host_that_decides_may_stand_still_too(start_host: StartHost) -> None:
    a, b = start_host("a"), start_host("b")
    accounts = [a.account() for _ in range(2)]
    async with await joined(a, accounts[0]) as ann, await joined(b, accounts[1]) as bob:
        signal_all(a, signal.SIGSTOP)
        at = time.monotonic()
        wait_for(lambda: hosts_of(b)["b"] == (True, True), 10, "b to decide")
        await asyncio.sleep(max(7 - (time.monotonic() - at), 0))
        signal_all(a, signal.SIGCONT)
        wait_for(lambda: "lost to another holder" in a.said(), 10, "a to see that")
        await ann.post("general", "are you there?")
        await bob.message("are you there?")
        b.wait_agreed(2)
        assert a.process.poll() is None


ABOUT_MEMBERS = {"member.joined", "member.left", "presence.changed"}


def hand_over(host: ChatCluster) -> None:
    code, said, told = clusterctl(host, "hand-over")
    assert code == 0, said + told


CHANGES_OF_HOLDER: dict[str, Callable[[ChatCluster], object]] = {
    "the host is killed": lambda host: signal_all(host, signal.SIGKILL),
    "its supervisor is killed": lambda host: os.kill(host.process.pid, signal.SIGKILL),
    "the host stands still": lambda host: signal_all(host, signal.SIGSTOP),
    "its supervisor stands still": lambda host: os.kill(host.process.pid, signal.SIGSTOP),
    "it hands over": hand_over,
    "it is stopped": lambda host: host.stop(),
}
ANN_STAYS = {"its supervisor stands still", "it hands over"}


@pytest.mark.parametrize("how", CHANGES_OF_HOLDER)
async def test_nobody_on_a_living_host_is_seen_going_or_coming_when_another_host_decides(
    start_host: StartHost, how: str
) -> None:
    """Ann is on the host that decided; Bob and Eve on the other one, on a worker each. Bob is away."""
    a, b = start_host("a"), start_host("b", WORKERS="2")
    wait_for(lambda: b.status()["authority"].get("is_in_step"), 10, "the standby to be in step")
    (ann_account, bob_account, eve_account) = [a.account() for _ in range(3)]
    ann = await joined(a, ann_account)
    async with await joined(b, bob_account, b.source(1)) as bob, await joined(b, eve_account, b.source(2)) as eve:
        second = (await bob.request("channel.create", name="second"))["key"]
        await bob.request("status", status="away")
        for each in (ann, bob, eve):
            await each.event("presence.changed", "general", username=bob_account[0], status="away")
        watchers = [bob, eve, *([ann] if how in ANN_STAYS else [])]
        for each in watchers:
            each.all_events.clear()
        at = time.monotonic()
        await asyncio.to_thread(CHANGES_OF_HOLDER[how], a)
        while True:
            with contextlib.suppress(Refused):
                await eve.join(second)
                break
            assert time.monotonic() - at < TAKEN_OVER_S
        wait_for(lambda: b.status()["authority"].get("is_roll_called"), 10, "all to have had time for a Hello")
        assert "begins where the one before ended" in b.said()
        if how.endswith("still"):
            await asyncio.sleep(max(10 - (time.monotonic() - at), 0))
            signal_all(a, signal.SIGCONT)
            wait_for(lambda: "lost to another holder" in a.said(), 10, "a to see that")
            wait_for(lambda: a.status()["authority"].get("is_in_step"), 10, "a to stand by in its turn")
        await bob.post("general", "after all that")
        await eve.message("after all that")
        await eve.post("general", "and that")
        for each in watchers:
            if each is not eve:
                await each.message("and that")
            about = [frame for frame in each.all_events if frame["event"] in ABOUT_MEMBERS]
            seen = [frame for frame in about if frame.get("channel") == "general"]
            assert {frame["data"]["username"] for frame in seen} <= (set() if how in ANN_STAYS else {ann_account[0]})
    with contextlib.suppress(OSError):
        await ann.abort()


def test_a_start_is_refused_where_it_would_do_harm(start_host: StartHost, begin_host: StartHost) -> None:
    start_host("a")
    for environment, reason in (
        ({"name": "a", "directory": "b"}, "A host called a works on this database already."),
        ({"name": "b", "JWT_SECRET": "x" * 40}, "JWT_SECRET is another one than on host a."),
        ({"name": "c", "REDIS_URL": ""}, "they would not hear each other"),
    ):
        refused = begin_host(**environment)
        assert refused.wait_exit(30) == 1
        assert reason in refused.said()


def test_a_copy_of_the_database_is_not_taken_for_it(
    start_host: StartHost, begin_host: StartHost, prepared: LiveServer
) -> None:
    with own_database(str(URL), f"{NAME}_copy", copy_of=NAME) as url:
        start_host("a")
        refused = begin_host("b", DATABASE_URL=url)
        assert refused.wait_exit(30) == 1
        assert "that works on another database" in refused.said()
        assert "manage.py new_cluster_id" in refused.said()
