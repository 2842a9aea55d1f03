"""REST beside live sessions, over real HTTP: what is done there is seen here, at once and in order."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.conftest import MakeServer
from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer

AN_HOUR_AGO = """
from datetime import timedelta
from django.db.models import F
from chat.models import Message
Message.objects.filter(pk="{id}").update(created_at=F("created_at") - timedelta(hours=1))
"""


def http_client(server: LiveServer, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)


async def test_a_message_posted_over_rest_reaches_live_sessions_and_its_repetition_does_not(
    server: LiveServer, connect: Connect, channel: str
) -> None:
    reader = await connect()
    await reader.join(channel)
    _, token = server.account()
    path = f"/api/v1/channels/{channel}/messages"
    async with http_client(server, token) as http:
        first = await http.post(path, json={"text": "over HTTP", "nonce": "n"})
        again = await http.post(path, json={"text": "over HTTP", "nonce": "n"})
        last = await http.post(path, json={"text": "the last", "nonce": "m"})
    assert [answer.status_code for answer in (first, again, last)] == [201, 200, 201]
    seen = await reader.until(lambda frame: frame.get("data", {}).get("text") == "the last")
    assert seen["data"] == last.json()
    texts = [event["data"]["text"] for event in reader.all_events if event.get("event") == "message.new"]
    assert texts == ["over HTTP", "the last"]


async def test_posts_from_many_connections_at_once_are_numbered_without_a_gap(server: LiveServer, channel: str) -> None:
    _, token = server.account()
    path = f"/api/v1/channels/{channel}/messages"

    async def post(index: int) -> dict[str, Any]:
        async with http_client(server, token) as http:
            answer = await http.post(path, json={"text": f"m{index}", "nonce": str(index)})
            assert answer.status_code == 201, answer.text
            found: dict[str, Any] = answer.json()
            return found

    made = await asyncio.gather(*(post(index) for index in range(20)))
    assert sorted(message["number"] for message in made) == list(range(1, 21))
    async with http_client(server, token) as http:
        page = (await http.get(path, params={"limit": 100})).json()
    assert page["messages"] == sorted(made, key=lambda message: message["number"])


async def test_changes_over_rest_are_events_and_members_are_who_is_live(
    server: LiveServer, connect: Connect, channel: str
) -> None:
    name, token = server.account()
    author = await connect(token)
    await author.join(channel)
    made = await author.post(channel, "first")
    path = f"/api/v1/channels/{channel}"
    async with http_client(server, token) as http:
        members = (await http.get(f"{path}/members")).json()["results"]
        assert {"username": name, "status": "online"} in members
        assert (await http.get(path)).json()["online"] == len(members)
        await http.patch(f"{path}/messages/{made['id']}", json={"text": "second"})
        await http.put(f"{path}/messages/{made['id']}/reactions/👍")
        await http.delete(f"{path}/messages/{made['id']}")
    await author.until(lambda frame: frame.get("event") == "message.deleted")
    seen = [event for event in author.all_events if event.get("channel") == channel and "seq" in event]
    assert [event["event"] for event in seen][-3:] == ["message.updated", "reaction.changed", "message.deleted"]
    assert [event["seq"] for event in seen][-3:] == [2, 3, 4]


async def test_after_the_edit_window_no_door_lets_an_edit_through(make_server: MakeServer) -> None:
    server = make_server(EDIT_WINDOW="1h")
    _, token = server.account()
    async with (
        await NativeClient.connect(server.url, server.account()[1]) as owner,
        await NativeClient.connect(server.url, token) as author,
        http_client(server, token) as http,
    ):
        key = (await owner.request("channel.create", name="Edits", kind="unlisted"))["key"]
        await author.join(key)
        made = await author.post(key, "first")
        path = f"/api/v1/channels/{key}/messages/{made['id']}"
        assert (await http.patch(path, json={"text": "second"})).status_code == 200
        await asyncio.to_thread(server.manage, "shell", "-c", AN_HOUR_AGO.format(id=made["id"]))
        answer = await http.patch(path, json={"text": "third"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "edit_window_over")
        with pytest.raises(Refused, match="edit_window_over"):
            await author.request("message.edit", key, id=made["id"], text="third")
        edits = (await http.get(f"{path}/edits")).json()["results"]
        assert [each["text"] for each in edits] == ["first"]


async def test_a_renamed_account_is_told_to_come_back_and_comes_back_under_its_new_name(
    server: LiveServer, connect: Connect
) -> None:
    name, token = server.account()
    client = await connect(token)
    async with http_client(server, token) as http:
        assert (await http.patch("/api/v1/me", json={"username": f"{name}x"})).status_code == 200
    assert await client.closed() == 4004
    back = await NativeClient.connect(server.url, token)
    assert back.greeting["user"]["username"] == f"{name}x"
    await back.close()


async def test_a_body_without_a_length_is_read_all_the_same(server: LiveServer) -> None:
    async def pieces() -> Any:
        yield b'{"username": "nobody'
        yield b'42", "password": "wrong"}'

    async with httpx.AsyncClient(base_url=server.url, timeout=30) as http:
        answer = await http.post("/api/v1/tokens", content=pieces(), headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["message"]) == (401, "Wrong username or password")


async def test_who_has_no_account_yet_looks_at_an_invite_and_at_nothing_else_there(server: LiveServer) -> None:
    """What waits before the views asked for a token at each path that has a method with one."""
    async with httpx.AsyncClient(base_url=f"{server.url}/api/v1", timeout=30) as http:
        for method, status in (("GET", 404), ("HEAD", 404), ("TRACE", 405), ("DELETE", 401)):
            assert (await http.request(method, "/server-invites/none")).status_code == status, method
