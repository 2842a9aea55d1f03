"""Two hosts, and nothing that keeps a client with one of them: whatever arrives at the wrong one is relayed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import psycopg
import pytest
from prometheus_client.parser import text_string_to_metric_families
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from reaktor.engineio.sid import Worker, worker_of
from reaktor.process.relay_pass import GO_ON, MAX_SKEW_S, PASS_BYTES, Refusal, relay_key, seal
from tests.support.certificates import certificates
from tests.support.chat_cluster import ChatCluster
from tests.support.chat_hosts import StartHost, chat_database, chat_hosts, signal_all
from tests.support.conformance_server import sid_of
from tests.support.databases import postgresql_url
from tests.support.js_client import LIBRARIES, js_driver
from tests.support.native import NativeClient
from tests.support.nginx import round_robin
from tests.support.ports import free_port, wait_for
from tests.support.seed import Seed
from tests.support.server import LiveServer

URL = postgresql_url()
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.skipif(URL is None, reason="hosts share a PostgreSQL")]

NAME = f"reaktor_relay_{os.getpid()}"
UNKNOWN = '{"code":1,"message":"Session ID unknown"}'
POLLING = "/socket.io/?EIO=4&transport=polling"
SILENT_S = 5.0
TRY_S = 2.0


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with chat_database(tmp_path_factory.mktemp("prepared") / "data", str(URL), NAME) as server:
        yield server


@dataclass
class Pair:
    """Two hosts that know each other, and where they listen for each other."""

    a: ChatCluster
    b: ChatCluster
    doors: dict[str, int]

    def metric(self, host: ChatCluster, name: str, **labels: str) -> float:
        text = httpx.get(f"{host.url}/metrics", timeout=10).text
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(
            each.value
            for each in samples
            if each.name == f"reaktor_{name}_total" and labels.items() <= each.labels.items()
        )


def start_pair(begin: StartHost, **environment: str) -> Pair:
    doors = {name: free_port() for name in ("a", "b")}
    hosts = [begin(name, ADVERTISE=f"127.0.0.1:{doors[name]}", **environment) for name in doors]
    for host in hosts:
        host.wait_serving(60)
    pair = Pair(hosts[0], hosts[1], doors)
    for one, other in ((pair.a, pair.b), (pair.b, pair.a)):
        wait_relayed(one, other)
    return pair


def wait_relayed(one: ChatCluster, other: ChatCluster, seconds: float = 15.0) -> None:
    """Until the second host relays to the first one."""

    def is_relayed() -> bool:
        session = Session(open_at=one)
        return session.post(other, "40").text == "ok"

    wait_for(is_relayed, seconds, "relaying")


@dataclass
class Session:
    """A polling session of one host, without a client's own ideas."""

    open_at: ChatCluster

    def __post_init__(self) -> None:
        text = httpx.get(self.open_at.url + POLLING, timeout=10).text
        self.sid = sid_of(text)
        self.query = f"{POLLING}&sid={self.sid}"

    @property
    def worker(self) -> Worker:
        found = worker_of(self.sid)
        assert found is not None
        return found

    def post(self, host: ChatCluster, body: str) -> httpx.Response:
        return httpx.post(host.url + self.query, content=body, timeout=30)

    def get(self, host: ChatCluster) -> httpx.Response:
        return httpx.get(host.url + self.query, timeout=30)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, prepared: LiveServer) -> Iterator[Pair]:
    with chat_hosts(tmp_path_factory.mktemp("hosts"), prepared) as begin:
        yield start_pair(begin, WORKERS="2")


# What clients see


async def counted_more(pair: Pair, host: ChatCluster, before: float, name: str = "host_relays_served") -> None:
    """Workers say what they have counted each second."""
    await asyncio.to_thread(wait_for, lambda: pair.metric(host, name) > before, 10, f"{name} to be more than {before}")


@pytest.mark.interop
@pytest.mark.parametrize("transports", [["polling"], ["polling", "websocket"]], ids=["polling", "upgrade"])
async def test_clients_of_every_generation_live_with_a_balancer_that_sends_each_request_elsewhere(
    pair: Pair, tmp_path: Path, transports: list[str]
) -> None:
    before = {host.url: pair.metric(host, "host_relays_served") for host in (pair.a, pair.b)}
    with round_robin(tmp_path / "nginx", [pair.a.port, pair.b.port]) as url:
        async with js_driver() as driver, await NativeClient.connect(pair.a.url, pair.a.account()[1]) as speaker:
            await speaker.join("general")
            users = [Seed(Balanced(url), *pair.a.account()) for _ in LIBRARIES]
            clients = [user.open(driver, library, transports) for user, library in zip(users, LIBRARIES, strict=True)]
            for client in clients:
                await client.expect("connect")
                await client.expect_event("logged_in")
            for user in users:
                await user.join("general")
            for number in range(5):
                await speaker.post("general", f"{transports} {number}")
                for client in clients:
                    (message,) = await client.expect_event("message:post")
                    assert message["message"] == f"{transports} {number}"
            for client in clients:
                (answer,) = await client.call("message:post", {"channel": "general", "message": "from a client"})
                assert answer["seq"] > 0
            for client in clients:
                assert client.count("connect") == 1
                assert client.count("disconnect") == 0
                if transports[-1] == "websocket":
                    assert (await client.state())["transport"] == "websocket"
                client.do("close")
    for host in (pair.a, pair.b):
        await counted_more(pair, host, before[host.url])
        await counted_more(pair, host, 0, "host_relays_sent")


@dataclass
class Balanced:
    """Where the seed contract is served, behind the balancer."""

    url: str


def test_polling_alternates(pair: Pair) -> None:
    for own, other in ((pair.a, pair.b), (pair.b, pair.a)):
        session = Session(own)
        assert session.post(other, "40").text == "ok"
        assert session.get(own).text.startswith("4")
        assert session.post(other, "4" * 70_000).status_code == 413
        assert session.get(other).text == UNKNOWN


async def test_a_waiting_poll_is_answered_at_the_other_host(pair: Pair) -> None:
    session = await asyncio.to_thread(Session, pair.a)
    waiting = asyncio.create_task(asyncio.to_thread(session.get, pair.b))
    served = pair.metric(pair.a, "host_relays_served")
    await asyncio.to_thread(session.post, pair.b, "40")
    assert (await waiting).text.startswith("4")
    await counted_more(pair, pair.a, served)


async def test_a_polling_session_is_upgraded_at_the_other_host(pair: Pair) -> None:
    session = await asyncio.to_thread(Session, pair.a)
    url = pair.b.ws + session.query.replace("polling", "websocket")
    async with connect(url, ping_interval=None) as opened, asyncio.timeout(20):
        await opened.send("2probe")
        assert await opened.recv() == "3probe"
        await opened.send("5")
        await opened.send("40" + json.dumps({"token": "none"}))
        assert str(await opened.recv()).startswith("4")
        await opened.close(1000)
    await asyncio.to_thread(wait_for, lambda: session.get(pair.b).text == UNKNOWN, 5, "the end of the session")


def test_sessions_of_lives_that_are_over_and_of_hosts_that_never_were_are_unknown(pair: Pair) -> None:
    session = Session(pair.a)
    place = session.worker
    for gone in (
        Worker(place.host, place.life + 1, place.slot, place.incarnation),
        Worker(place.host, place.life, place.slot, place.incarnation + 1),
        Worker(99, 1, place.slot, place.incarnation),
    ):
        names = f"{gone.host}.{gone.life}.{gone.slot}.{gone.incarnation}"
        started = time.monotonic()
        answer = httpx.get(f"{pair.b.url}{POLLING}&sid={names}.{session.sid.rpartition('.')[2]}", timeout=10)
        assert (answer.status_code, answer.text) == (400, UNKNOWN)
        assert time.monotonic() - started < TRY_S
    # None of them is a reason to leave the living alone.
    assert session.post(pair.b, "40").text == "ok"


# The port of ADVERTISE


@pytest.fixture(scope="module")
def key(prepared: LiveServer, pair: Pair) -> bytes:
    return key_of(prepared)


def key_of(server: LiveServer | ChatCluster) -> bytes:
    """What the hosts sign with."""
    asked = "from django.conf import settings; from chat.selectors import cluster_id; "
    said = server.manage("shell", "-c", asked + "print(settings.SECRET_KEY, cluster_id())")
    secret, cluster = said.split()[-2:]
    return relay_key(secret, cluster)


class Caller:
    """Whoever connects to the port of ADVERTISE of host a."""

    def __init__(self, pair: Pair, key: bytes) -> None:
        self.pair, self.key = pair, key
        self.session = Session(pair.a)

    def request(self, body: bytes = b"40") -> bytes:
        head = f"POST {self.session.query} HTTP/1.1\r\nhost: reaktor\r\nx-reaktor-relayed: 1\r\nconnection: close\r\n"
        return head.encode() + b"content-length: %d\r\n\r\n" % len(body) + body

    def sealed(self, request: bytes, *, key: bytes | None = None, skew: float = 0.0) -> bytes:
        place = self.session.worker
        worker = (place.host, place.life, place.slot, place.incarnation)
        return seal(key or self.key, worker, request, is_open=False, now=time.time() + skew)

    def say(self, said: bytes) -> bytes:
        """All that comes back until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.pair.doors["a"]), timeout=10) as opened:
            opened.sendall(said)
            found = b""
            try:
                while data := opened.recv(65_536):
                    found += data
            except ConnectionResetError:
                pass  # it was closed before it had read all
            return found

    def refused(self, reason: str) -> float:
        return self.pair.metric(self.pair.a, "host_relays_refused", reason=reason)


@pytest.fixture
def caller(pair: Pair, key: bytes) -> Caller:
    return Caller(pair, key)


def test_who_has_a_good_pass_is_served_once(caller: Caller) -> None:
    request = caller.request()
    said = caller.sealed(request) + request
    answer = caller.say(said)
    assert answer.startswith(GO_ON + b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"ok")
    before = caller.refused("replayed")
    assert caller.say(said) == Refusal.REPLAYED.byte
    assert caller.refused("replayed") == before + 1


def test_forged_and_stale_passes_are_refused_before_the_request_is_read(caller: Caller) -> None:
    request = caller.request()
    for given, refusal in (
        (caller.sealed(request, key=hashlib.sha256(b"guess").digest()), Refusal.FORGED),
        (caller.sealed(request)[:-1] + b"\x00", Refusal.FORGED),
        (caller.sealed(request, skew=-MAX_SKEW_S - 5), Refusal.STALE),
        (caller.sealed(request, skew=MAX_SKEW_S + 5), Refusal.STALE),
    ):
        before = caller.refused(refusal.word)
        assert caller.say(given) == refusal.byte
        assert caller.refused(refusal.word) == before + 1
    assert len(caller.sealed(request)) == PASS_BYTES


def test_another_request_than_the_one_that_was_sealed_is_not_served(caller: Caller) -> None:
    request = caller.request(b"40")
    for changed in (
        caller.request(b"41"),
        request.replace(b"POST", b"GET "),
        request.replace(b"reaktor", b"another"),
    ):
        assert caller.say(caller.sealed(request) + changed) == GO_ON
    # Nothing of that came to the session.
    assert caller.session.post(caller.pair.a, "40").text == "ok"


def test_nothing_can_be_put_behind_a_request(caller: Caller) -> None:
    more = b"GET /metrics HTTP/1.1\r\nhost: reaktor\r\n\r\n"
    request = caller.request()
    answer = caller.say(caller.sealed(request) + request + more)
    assert b"reaktor_build" not in answer
    assert answer.count(b"HTTP/1.1") <= 1


def test_the_port_serves_nothing_else(caller: Caller) -> None:
    before = caller.refused("stranger")
    strangers = (
        b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /ws/v1 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"RKR1",
    )
    started = time.monotonic()
    for stranger in strangers:
        assert caller.say(stranger) == b""
    assert time.monotonic() - started < 2 * TRY_S
    assert caller.refused("stranger") == before + len(strangers)


# A host that does not answer


@pytest.fixture
def begin_host(tmp_path: Path) -> Iterator[StartHost]:
    """Hosts on a database of the test's own: those of the others live on."""
    with (
        chat_database(tmp_path / "prepared", str(URL), f"{NAME}_own") as prepared,
        chat_hosts(tmp_path, prepared) as begin,
    ):
        yield begin


async def test_sessions_of_a_host_that_is_killed_are_unknown_at_once(begin_host: StartHost) -> None:
    pair = await asyncio.to_thread(start_pair, begin_host)
    session, other = Session(pair.b), Session(pair.b)
    waiting = asyncio.create_task(asyncio.to_thread(session.get, pair.a))
    await asyncio.sleep(0.3)
    signal_all(pair.b, signal.SIGKILL)
    at = time.monotonic()
    assert (await waiting).text == UNKNOWN
    assert (await asyncio.to_thread(other.post, pair.a, "40")).text == UNKNOWN
    assert time.monotonic() - at < TRY_S
    # The client comes back with a new session, here.
    assert Session(pair.a).post(pair.a, "40").text == "ok"


async def test_a_host_that_stands_still_is_tried_for_two_seconds_and_then_answered_for(begin_host: StartHost) -> None:
    pair = await asyncio.to_thread(start_pair, begin_host)
    sessions = [Session(pair.b) for _ in range(4)]
    opened = await connect(pair.a.ws + sessions[3].query.replace("polling", "websocket"), ping_interval=None)
    await opened.send("2probe")
    assert await opened.recv() == "3probe"
    waiting = asyncio.create_task(asyncio.to_thread(sessions[0].get, pair.a))
    await asyncio.sleep(0.3)
    signal_all(pair.b, signal.SIGSTOP)
    stopped = time.monotonic()
    answer = await asyncio.to_thread(sessions[1].post, pair.a, "40")
    assert answer.text == UNKNOWN
    assert TRY_S - 0.1 < time.monotonic() - stopped < TRY_S + 1
    at = time.monotonic()
    assert (await asyncio.to_thread(sessions[1].post, pair.a, "40")).text == UNKNOWN
    assert time.monotonic() - at < 0.5
    # Who waited is told when the host is taken for silent, a socket is closed.
    assert (await waiting).text == UNKNOWN
    async with asyncio.timeout(5):
        await opened.wait_closed()
    assert time.monotonic() - stopped < SILENT_S + 4
    at = time.monotonic()
    for _ in range(3):
        assert (await asyncio.to_thread(sessions[2].post, pair.a, "40")).text == UNKNOWN
    assert time.monotonic() - at < 1
    signal_all(pair.b, signal.SIGCONT)
    await asyncio.to_thread(wait_relayed, pair.b, pair.a)
    # It was told that they have begun others: else it would hold their places until a heartbeat is missing.
    for session in sessions[1:3]:
        await asyncio.to_thread(wait_for, partial(is_unknown, session, pair.b), 5, "the end of the session")


async def test_a_host_that_is_cut_off_the_database_goes_on_being_relayed_to(begin_host: StartHost) -> None:
    """Its row stood still, so the others cut all that they relayed to it, though it served."""
    pair = await asyncio.to_thread(start_pair, begin_host)
    session = Session(pair.b)
    opened = await connect(pair.a.ws + Session(pair.b).query.replace("polling", "websocket"), ping_interval=None)
    await opened.send("2probe")
    assert await opened.recv() == "3probe"
    await opened.send("5")
    with psycopg.connect(pair.b.environment["DATABASE_URL"].replace("postgres://", "postgresql://", 1)) as other:
        other.execute("SELECT 1 FROM cluster_host WHERE name = 'b' FOR UPDATE")
        began = time.monotonic()
        while time.monotonic() - began < SILENT_S + 4:
            # A pong that nobody asked for.
            assert (await asyncio.to_thread(session.post, pair.a, "3")).text == "ok"
            await asyncio.sleep(0.5)
    await opened.send("40")
    assert (await opened.recv()).startswith("44")


def is_unknown(session: Session, at: ChatCluster) -> bool:
    return session.post(at, "3").text == UNKNOWN


# TLS


async def test_by_tls_all_that_is_relayed_is_encrypted(begin_host: StartHost, tmp_path: Path) -> None:
    authority, certificate, key = certificates(tmp_path)
    files = {"RELAY_CERT_FILE": str(certificate), "RELAY_KEY_FILE": str(key), "RELAY_CA_FILE": str(authority)}
    pair = await asyncio.to_thread(start_pair, begin_host, **files)
    served = pair.metric(pair.a, "host_relays_served")
    session = Session(pair.a)
    assert session.post(pair.b, "40").text == "ok"
    assert "Token is missing" in session.get(pair.b).text
    async with connect(pair.b.ws + session.query.replace("polling", "websocket"), ping_interval=None) as opened:
        await opened.send("2probe")
        assert await opened.recv() == "3probe"
        await opened.send("5")
        # More than is read or written at once.
        await opened.send("40" + json.dumps({"token": "x" * 60_000}))
        assert str(await opened.recv()).startswith("44")
    await counted_more(pair, pair.a, served)
    # A good pass is let in, and what comes behind it in clear is not.
    caller = Caller(pair, key_of(pair.a))
    request = caller.request()
    broken = pair.metric(pair.a, "host_relays_broken")
    assert b"HTTP/1.1" not in caller.say(caller.sealed(request) + request)
    await asyncio.to_thread(wait_for, lambda: pair.metric(pair.a, "host_relays_broken") == broken + 1, 5, "its end")
    # Who has no TLS, or another address than in the certificate, is not let in beside them.
    for environment, reason in (
        ({"ADVERTISE": f"127.0.0.1:{free_port()}"}, "has TLS for what hosts relay, and this one has not."),
        (
            {**files, "ADVERTISE": f"127.0.0.2:{free_port()}"},
            "whose address is 127.0.0.2, by RELAY_CA_FILE (IP address",
        ),
    ):
        refused = begin_host("c", **environment)
        assert await asyncio.to_thread(refused.wait_exit, 30) == 1
        assert reason in refused.said()


async def test_without_advertise_nothing_is_relayed_and_the_log_says_so(begin_host: StartHost) -> None:
    a, b = begin_host("a"), begin_host("b")
    for host in (a, b):
        await asyncio.to_thread(host.wait_serving, 60)
    await asyncio.to_thread(wait_for, lambda: "lives beside b and has no ADVERTISE" in a.said(), 10, "a warning")
    session = Session(a)
    with pytest.raises(InvalidStatus):
        await connect(b.ws + session.query.replace("polling", "websocket"))
    assert session.post(a, "40").text == "ok"
    assert session.post(b, "3").text == UNKNOWN
    # After that answer a client begins another session.
    await asyncio.to_thread(wait_for, partial(is_unknown, session, a), 5, "the end of the session")
