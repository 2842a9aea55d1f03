"""Two hosts behind the balancers that we ship: anybody is served by either, and comes back through it when one dies.

All that are installed stand in front of the same two hosts; HAProxy and Caddy are left out where they are not there.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import httpx
import pytest
from websockets.exceptions import WebSocketException
from websockets.protocol import State

from reaktor.config.model import MIB, Files
from tests.support.balancers import BALANCERS, balancer, find
from tests.support.certificates import trust
from tests.support.chat_cluster import ChatCluster
from tests.support.chat_hosts import chat_database, chat_hosts, signal_all
from tests.support.databases import postgresql_url
from tests.support.native import NativeClient, Refused

URL = postgresql_url()
pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.skipif(URL is None, reason="hosts share a PostgreSQL")]

MAX_FILE_BYTES = Files().max_bytes
SOURCES = 4
"""Clients of each balancer, from addresses of their own."""
BACK_S = 20.0


@dataclass(frozen=True)
class Behind:
    """One balancer in front of both hosts."""

    name: str
    url: str
    ssl: ssl.SSLContext

    async def connect(self, token: str, source: str) -> NativeClient:
        # What it says of itself is not believed.
        claims = {"X-Forwarded-For": "203.0.113.9", "Forwarded": "for=203.0.113.9"}
        options = {"local_addr": (source, 0), "additional_headers": claims, "open_timeout": 10}
        return await NativeClient.connect(self.url, token, ssl=self.ssl, **options)

    def ask(self, path: str, **options: object) -> httpx.Response:
        with httpx.Client(verify=self.ssl, base_url=self.url, timeout=15) as http:
            return http.request("GET", path, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ChatCluster, ChatCluster]]:
    folder = tmp_path_factory.mktemp("balanced")
    with (
        chat_database(folder / "prepared", str(URL), f"reaktor_balanced_{os.getpid()}") as prepared,
        chat_hosts(folder, prepared) as begin,
    ):
        # The first one decides who is where.
        a, b = (begin(name, TRUSTED_PROXIES="127.0.0.1").wait_serving(60) for name in ("a", "b"))
        yield a, b


@pytest.fixture(scope="module")
def balancers(
    pair: tuple[ChatCluster, ChatCluster], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Behind]]:
    with ExitStack() as running:
        found = []
        for name in filter(find, BALANCERS):
            folder = tmp_path_factory.mktemp(name)
            url = running.enter_context(balancer(name, folder, (pair[0].port, pair[1].port)))
            found.append(Behind(name, url, trust(folder)))
        yield found


def test_what_is_for_no_client_is_answered_by_the_balancer(
    pair: tuple[ChatCluster, ChatCluster], balancers: list[Behind]
) -> None:
    for each in balancers:
        assert each.ask("/healthz").json() == {"status": "ok"}
        assert each.ask("/metrics").status_code == 404, each.name
        answer = each.ask("/api/v1/me", headers={"X-Request-ID": "mine"})
        assert answer.status_code == 401
        assert answer.headers["x-request-id"] != "mine"
        large = httpx.post(f"{each.url}/api/v1/accounts", content=b"x" * 5_000_000, verify=each.ssl, timeout=15)
        assert (large.status_code, large.json()["error"]["code"]) == (413, "too_large"), each.name


def test_a_file_of_the_largest_size_goes_through_and_a_larger_one_does_not(
    pair: tuple[ChatCluster, ChatCluster], balancers: list[Behind]
) -> None:
    headers = {"Authorization": f"Bearer {pair[0].account()[1]}"}
    for each in balancers:
        with httpx.Client(verify=each.ssl, base_url=each.url, timeout=60, headers=headers) as http:
            content = os.urandom(MAX_FILE_BYTES)
            form = http.post("/api/v1/files", files={"file": ("large.bin", content)}, data={"more": "x" * 10_000})
            assert form.status_code == 201, (each.name, form.text)
            read = http.get(f"/api/v1/files/{form.json()['id']}/large.bin")
            assert read.content == content, each.name
            larger = http.post("/api/v1/files", content=bytes(MAX_FILE_BYTES + 4 * MIB))
            assert (larger.status_code, larger.json()["error"]["code"]) == (413, "too_large"), each.name


async def test_clients_come_back_through_the_balancer_when_a_host_dies(
    pair: tuple[ChatCluster, ChatCluster], balancers: list[Behind]
) -> None:
    a, b = pair
    places = [(each, f"127.0.0.{number + 2}") for each in balancers for number in range(SOURCES)]
    accounts = [a.account() for _ in places]
    clients = [await each.connect(token, source) for (each, source), (_, token) in zip(places, accounts, strict=True)]
    for client in clients:
        await client.join("general")
    await clients[0].post("general", "is everybody there?")
    for client in clients[1:]:
        await client.message("is everybody there?")

    at = time.monotonic()
    signal_all(a, signal.SIGKILL)

    async def go_on(number: int) -> float:
        """Until the client is in the channel on the host that lives; after how many seconds."""
        (each, source), (_, token) = places[number], accounts[number]
        while True:
            assert time.monotonic() - at < BACK_S, each.name
            try:
                if clients[number].socket.state is State.CLOSED:
                    clients[number] = await each.connect(token, source)
                await clients[number].join("general")
                return time.monotonic() - at
            except (Refused, OSError, TimeoutError, WebSocketException):
                await asyncio.sleep(0.1)

    took = await asyncio.gather(*(go_on(number) for number in range(len(clients))))
    for each in balancers:
        print(each.name, [f"{seconds:.1f} s" for seconds, place in zip(took, places, strict=True) if place[0] is each])
    await clients[0].post("general", "and now?")
    for client in clients[1:]:
        await client.message("and now?")
        await client.close()
    await clients[0].close()

    # With no host at all clients are told to try again.
    assert b.stop() == 0
    for each in balancers:
        answer = await asyncio.to_thread(each.ask, "/api/v1/me")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable"), each.name
        assert answer.headers["retry-after"] == "2"
