"""The chat cluster behind a real nginx with the configuration that we ship: both transports, who is who, restarts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from reaktor.engineio.sid import worker_of
from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.native import NativeClient
from tests.support.nginx import Nginx
from tests.support.ports import wait_for

pytestmark = pytest.mark.cluster


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
