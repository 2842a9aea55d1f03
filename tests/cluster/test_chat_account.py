"""A user's own account over all workers: sessions listed and ended anywhere, limits that count everywhere."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import redis

from tests.support.chat_cluster import ChatCluster
from tests.support.native import NativeClient, Refused
from tests.support.server import PASSWORD

pytestmark = pytest.mark.cluster


def log_in_twice(chat: ChatCluster) -> tuple[str, str]:
    """Access tokens of two log-ins of a new user."""
    given = {"username": "twohomes", "password": PASSWORD}
    found = [httpx.post(f"{chat.url}/api/v1/{path}", json=given, timeout=30) for path in ("accounts", "tokens")]
    here, there = [str(answer.raise_for_status().json()["access"]) for answer in found]
    return here, there


async def test_a_session_on_another_worker_is_ended_with_its_log_in_and_the_others_stay(chat: ChatCluster) -> None:
    here, there = await asyncio.to_thread(log_in_twice, chat)
    one = await NativeClient.connect(chat.url, here, local_addr=(chat.source(1), 0))
    source = chat.source(2)
    two = await NativeClient.connect(chat.url, there, local_addr=(source, 0))
    answer = await asyncio.to_thread(chat.request, "GET", "/api/v1/me/sessions", here, chat.source(1))
    found = {each["is_current"]: each for each in answer.json()["results"]}
    assert found[False]["address"] == source
    path = f"/api/v1/me/sessions/{found[False]['id']}"
    assert (await asyncio.to_thread(chat.request, "DELETE", path, here, chat.source(1))).status_code == 204
    assert await two.closed() == 4503
    with pytest.raises(Refused) as refused:
        await NativeClient.connect(chat.url, there, local_addr=(chat.source(2), 0))
    assert refused.value.code == "not_authenticated"
    assert (await asyncio.to_thread(chat.request, "DELETE", path, here, chat.source(2))).status_code == 404
    await one.request("channel.list")
    await one.close()


async def test_workers_count_in_the_redis_of_their_server(chat: ChatCluster) -> None:
    _, token = chat.account()
    one = await NativeClient.connect(chat.url, token, local_addr=(chat.source(1), 0))
    two = await NativeClient.connect(chat.url, token, local_addr=(chat.source(2), 0))
    for client in (one, two, one):
        await client.request("channel.create", name="counted", kind="unlisted")
    user_id = one.greeting["user"]["id"]
    with redis.Redis.from_url(f"unix://{chat.run_dir.redis_socket}") as client:
        (counted,) = client.keys(f"reaktor:*:limit:create_channel:{user_id}")
        assert client.llen(counted) == 3
    await asyncio.gather(one.close(), two.close())
