"""The chat cluster behind a real nginx with the configuration that we ship: both transports, who is who, restarts."""

from __future__ import annotations

import contextlib
import json
import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from reaktor.engineio.sid import worker_of
from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.desync import MARK, REFUSED, WHOLE
from tests.support.native import NativeClient
from tests.support.nginx import Nginx
from tests.support.ports import wait_for
from tests.support.server import PASSWORD

pytestmark = pytest.mark.cluster

NUMBERED = MARK[:-2] + b"%02d"
"""As long as the mark, so that lengths stay what they were."""


@pytest.fixture(scope="module")
def chat(make_chat: MakeChat) -> Iterator[ChatCluster]:
    """Two workers that believe the proxy on 127.0.0.1."""
    with make_chat(TRUSTED_PROXIES="127.0.0.1", ACCESS_LOG="on") as found:
        yield found


@pytest.fixture(scope="module")
def nginx(chat: ChatCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    found = Nginx(tmp_path_factory.mktemp("nginx"), chat.port)
    found.start()
    yield found
    found.stop()


def browser(nginx: Nginx, source: str = "127.0.0.1") -> httpx.Client:
    """An HTTPS client from that address."""
    transport = httpx.HTTPTransport(verify=nginx.trust(), local_address=source)
    return httpx.Client(transport=transport, base_url=nginx.url, timeout=15)


async def native(nginx: Nginx, source: str, token: str, **options: Any) -> NativeClient:
    return await NativeClient.connect(nginx.url, token, ssl=nginx.trust(), local_addr=(source, 0), **options)


async def test_two_addresses_behind_the_proxy_land_on_two_workers_whatever_they_claim(
    chat: ChatCluster, nginx: Nginx
) -> None:
    first, second = chat.source(1), chat.source(2)
    (_, ann), (_, bob) = chat.account(), chat.account()
    async with (
        await native(nginx, first, ann, additional_headers={"X-Forwarded-For": second}) as one,
        await native(nginx, second, bob) as two,
    ):
        chat.wait_agreed(sessions=2)
        assert {slot: worker["sessions"] for slot, worker in chat.workers().items()} == {1: 1, 2: 1}
        await one.join("general")
        await two.join("general")
        await one.post("general", "through the proxy")
        await two.message("through the proxy")
    chat.wait_agreed(sessions=0)


@pytest.mark.parametrize("slot", [1, 2])
def test_polling_stays_with_the_worker_of_its_address_over_many_connections(
    slot: int, chat: ChatCluster, nginx: Nginx
) -> None:
    source = chat.source(slot)
    _, token = chat.account()
    path = f"/socket.io/?EIO=3&transport=polling&token={token}"
    with browser(nginx, source) as http:
        opened = json.loads(re.search(r"\{.*?\}", http.get(path).text)[0])
        assert worker_of(opened["sid"]).slot == slot
        for _ in range(3):
            with browser(nginx, source) as other:
                assert other.post(f"{path}&sid={opened['sid']}", content=b"1:2").text == "ok"
                assert "3" in other.get(f"{path}&sid={opened['sid']}").text
        http.post(f"{path}&sid={opened['sid']}", content=b"1:1")
    chat.wait_agreed(sessions=0)


def test_the_proxys_request_id_goes_through_all_logs_and_tokens_through_none(chat: ChatCluster, nginx: Nginx) -> None:
    _, token = chat.account()
    with browser(nginx, chat.source(1)) as http:
        answer = http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}", "X-Request-ID": "mine"})
    assert answer.status_code == 200
    request_id = answer.headers["x-request-id"]
    assert request_id != "mine"
    wait_for(lambda: f"request={request_id}" in chat.said(), 5, "the line of the server's access log")
    wait_for(lambda: request_id in nginx.access_log.read_text(), 5, "the line of the proxy's access log")
    for log in (chat.said(), nginx.access_log.read_text()):
        assert token not in log


def test_an_upload_of_ten_megabytes_is_refused_in_json_by_the_proxy_and_a_smaller_one_by_the_server(
    nginx: Nginx,
) -> None:
    with browser(nginx) as http:
        for size in (10_000_000, 500_000):
            answer = http.post("/api/v1/accounts", content=b"x" * size, headers={"Content-Type": "application/json"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert http.get("/healthz").status_code == 200


def guess(chat: ChatCluster, door: str, name: str, password: str, address: str) -> tuple[int, str]:
    """One try at a password, as the proxy passes it on."""
    with httpx.Client(base_url=chat.url, headers={"X-Forwarded-For": address}, timeout=15) as http:
        if door == "admin":
            csrf = http.get("/admin/login/").cookies["csrftoken"]
            fields = {"username": name, "password": password, "csrfmiddlewaretoken": csrf}
            answer = http.post("/admin/login/", data=fields)
        else:
            path, key = ("/auth/login", "name") if door == "seed" else ("/api/v1/tokens", "username")
            answer = http.post(path, json={key: name, "password": password})
    return answer.status_code, answer.text


def test_guesses_count_together_over_every_door_and_a_whole_ipv6_site(chat: ChatCluster) -> None:
    """Ten a minute are ten a minute, however they are spread."""
    name = "guessed"
    made = httpx.post(f"{chat.url}/api/v1/accounts", json={"username": name, "password": PASSWORD}, timeout=15)
    assert made.status_code == 201
    doors = ("rest", "seed", "admin")
    for number in range(10):
        door = doors[number % 3]
        status, said = guess(chat, door, name, "wrong horse 7", f"2001:db8:7:7:{number:x}::1")
        assert status == (200 if door == "admin" else 401)
        assert "Too many" not in said
    for door in doors:
        status, said = guess(chat, door, name, PASSWORD, "2001:db8:7:7:ffff::1")
        assert status == (200 if door == "admin" else 429), said
        assert "Too many" in said
    assert guess(chat, "rest", name, PASSWORD, "2001:db8:7:8::1")[0] == 200


def test_guesses_at_the_password_behind_a_stolen_token_count_together_over_workers(chat: ChatCluster) -> None:
    given = {"username": "stolen", "password": PASSWORD}
    made = httpx.post(f"{chat.url}/api/v1/accounts", json=given, timeout=15).raise_for_status().json()
    body = {"old": "wrong horse 7", "new": "another fine 9"}
    found = []
    for number in range(13):
        source = chat.source(1 + number % 2)
        found.append(chat.request("POST", "/api/v1/me/password", made["access"], source, json=body).status_code)
    assert found == [403] * 11 + [429] * 2


def said_to(nginx: Nginx, request: bytes) -> bytes:
    """All that this nginx answers to these bytes, over TLS, until it closes or says nothing more."""
    heard = b""
    with (
        socket.create_connection(("127.0.0.1", nginx.port), timeout=1.0) as plain,
        nginx.trust().wrap_socket(plain, server_hostname="127.0.0.1") as line,
        contextlib.suppress(OSError),
    ):
        line.sendall(request)
        while part := line.recv(65_536):
            heard += part
    return heard


def test_no_request_reaches_the_server_that_the_proxy_did_not_send(chat: ChatCluster, nginx: Nginx) -> None:
    """Whatever both of them think of where a request ends: what is hidden in one is asked for by nobody."""
    own = b"own7719"
    requests = {**REFUSED, **WHOLE}
    with ThreadPoolExecutor(16) as threads:
        mine = {
            name: request.replace(MARK, NUMBERED % number) for number, (name, request) in enumerate(requests.items())
        }
        heard = dict(zip(mine, threads.map(lambda request: said_to(nginx, request), mine.values()), strict=True))
    assert b" 404 " in said_to(nginx, b"GET /who/" + own + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    wait_for(lambda: own.decode() in chat.said() and own.decode() in nginx.access_log.read_text(), 5, "the last lines")
    server, proxy = chat.said(), nginx.access_log.read_text()
    for number, name in enumerate(requests):
        mark = re.compile(r"GET /who/" + (NUMBERED % number).decode() + r"\b")
        assert len(mark.findall(server)) <= len(mark.findall(proxy)), (name, heard[name])
        assert b" 500 " not in heard[name], (name, heard[name])
    with browser(nginx) as http:
        assert http.get("/healthz").status_code == 200


def test_plain_http_is_sent_to_https(nginx: Nginx) -> None:
    answer = httpx.get(f"{nginx.insecure_url}/api/v1/docs")
    assert (answer.status_code, answer.headers["location"]) == (301, "https://127.0.0.1/api/v1/docs")


async def test_clients_come_back_to_what_they_missed_when_either_side_restarts(
    chat: ChatCluster, nginx: Nginx, tmp_path: Path
) -> None:
    source = chat.source(2)
    (_, ann), (_, bob) = chat.account(), chat.account()
    one = await native(nginx, source, ann)
    direct = await NativeClient.connect(chat.url, bob)
    for client in (one, direct):
        await client.join("random")
    nginx.stop()
    await one.closed()
    await direct.post("random", "while the proxy was away")
    nginx.start()
    one = await native(nginx, source, ann, resume=one.cursors)
    assert [found["text"] for found in one.greeting["resume"]["random"]["messages"]] == ["while the proxy was away"]
    cursors = one.cursors

    assert chat.stop() == 0
    assert [await one.closed(), await direct.closed()] == [4001, 4001]
    with browser(nginx) as http:
        answer = http.get("/api/v1/me")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
        assert answer.headers["retry-after"] == "2"
    again = ChatCluster(chat.directory, TRUSTED_PROXIES="127.0.0.1", WORKERS="2", PORT=str(chat.port))
    try:
        again.wait_serving(60)
        one = await native(nginx, source, ann, resume=cursors)
        assert one.greeting["resume"]["random"]["messages"] == []
        await one.close()
    finally:
        again.destroy()
