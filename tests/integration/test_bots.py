"""Bots on every transport of a real server: with `write` as people, with `read` alone reading; and webhooks by curl."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import Any

import httpx
import pytest
import socketio

from chat.live.operations import READING
from chat.transports.native.operations import OPERATIONS
from tests.conftest import MakeServer
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer

DATA: dict[str, dict[str, Any]] = {
    "channel.create": {"name": "Tea"},
    "message.send": {"text": "hi", "nonce": "1"},
    "message.edit": {"id": "x", "text": "hi"},
    "message.delete": {"id": "x"},
    "message.edits": {"id": "x"},
    "pin.add": {"id": "x"},
    "pin.remove": {"id": "x"},
    **{f"thread.{kind}": {"thread": "x"} for kind in ("follow", "unfollow")},
    "thread.read": {"thread": "x", "number": 1},
    "reaction.add": {"id": "x", "emoji": "x"},
    "reaction.remove": {"id": "x", "emoji": "x"},
    "read": {"number": 1},
    "report": {"id": "x", "reason": "spam"},
    "status": {"status": "away"},
    "sync": {"channels": {"general": 0}},
    "search": {"q": "tea"},
    **{f"moderation.{kind}": {"user": "nobody"} for kind in ("kick", "mute", "ban", "lift")},
    "moderation.purge": {"user": "nobody", "hours": 1},
}
ONCE = {"hello", "pong", "auth.refresh"}


@pytest.fixture(scope="module")
def unlimited(make_server: MakeServer) -> LiveServer:
    """Where no account is too new to make bots."""
    return make_server(LIMITS="off")


def bot_of(server: LiveServer, name: str, *scopes: str) -> tuple[str, dict[str, Any]]:
    """(its owner's access token, what was made)."""
    _, token = server.account()
    body = {"username": name, "scopes": scopes}
    answer = httpx.post(f"{server.url}/api/v1/me/bots", json=body, headers=bearer(token), timeout=30)
    made: dict[str, Any] = answer.raise_for_status().json()
    return token, made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def outcome(client: NativeClient, name: str) -> str | None:
    """The code that it is refused with; None: granted."""
    operation = OPERATIONS[name]
    channel = "general" if operation.needs_channel else None
    try:
        await client.request(name, channel, **DATA.get(name, {}))
    except Refused as refused:
        return refused.code
    return None


async def test_a_bot_that_reads_is_refused_every_native_operation_that_does_not(unlimited: LiveServer) -> None:
    _, made = await asyncio.to_thread(bot_of, unlimited, "nativereader", "read")
    async with await NativeClient.connect(unlimited.url, made["token"]) as reader:
        assert reader.greeting["user"]["is_bot"] is True
        await reader.join("general")
        found = {name: await outcome(reader, name) for name in OPERATIONS if name not in ONCE}
        await reader.request("auth.refresh", token=made["token"])
    assert found["message.edits"] == "not_found"
    assert {name for name, code in found.items() if code is None} == READING - ONCE - {"message.edits"}
    assert {code for name, code in found.items() if name not in READING} == {"forbidden"}


async def test_a_bot_that_writes_does_as_people_do(unlimited: LiveServer) -> None:
    _, made = await asyncio.to_thread(bot_of, unlimited, "nativewriter", "read", "write")
    async with (
        await NativeClient.connect(unlimited.url, made["token"]) as writer,
        await NativeClient.connect(unlimited.url, unlimited.account()[1]) as ada,
    ):
        for client in (writer, ada):
            await client.join("general")
        sent = await writer.post("general", "native hello")
        said = await ada.message("native hello")
        assert (said["author"], said["via"]) == ("nativewriter", {"kind": "bot", "name": None})
        await writer.request("reaction.add", "general", id=sent["id"], emoji="👍")
        await ada.post("general", "from a person")
        assert "via" not in await writer.message("from a person")


async def test_the_token_may_come_as_a_subprotocol(unlimited: LiveServer) -> None:
    import websockets

    _, made = await asyncio.to_thread(bot_of, unlimited, "subprotocol", "read")
    offered = ["reaktor.v1", f"reaktor.bearer.{made['token']}"]
    async with websockets.connect(
        unlimited.url.replace("http", "ws", 1) + "/ws/v1",
        subprotocols=offered,  # type: ignore[arg-type]  # plain strings do
    ) as socket:
        await socket.send(json.dumps({"id": 1, "op": "hello", "data": {}}))
        assert json.loads(await socket.recv())["data"]["user"]["username"] == "subprotocol"


def test_a_bot_that_may_only_read_sends_no_files_and_reads_those_of_others(unlimited: LiveServer) -> None:
    _, token = unlimited.account()
    _, made = bot_of(unlimited, "filereader", "read")
    with httpx.Client(base_url=f"{unlimited.url}/api/v1", timeout=30) as http:
        refused = http.post("/files", content=b"tea", headers=bearer(made["token"]))
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        file = http.post("/files", content=b"tea", headers=bearer(token)).json()
        body = {"text": "", "nonce": "file", "files": [file["id"]]}
        assert http.post("/channels/general/messages", json=body, headers=bearer(token)).status_code == 201
        assert http.get(f"/files/{file['id']}/x", headers=bearer(made["token"])).content == b"tea"


@pytest.mark.parametrize(("scopes", "code"), [(("read",), "forbidden"), (("read", "write"), None)])
async def test_over_socketio_a_bot_hears_and_says_what_its_token_lets_it(
    unlimited: LiveServer, scopes: tuple[str, ...], code: str | None
) -> None:
    _, made = await asyncio.to_thread(bot_of, unlimited, f"socketio{len(scopes)}", *scopes)
    client, heard = socketio.AsyncClient(reconnection=False), asyncio.Queue[Any]()
    client.on("logged_in", heard.put_nowait)
    client.on("message:post", heard.put_nowait)
    await client.connect(unlimited.url, auth={"token": made["token"]}, transports=["websocket"], wait_timeout=10)
    try:
        assert await asyncio.wait_for(heard.get(), 10) == {}
        joined = f"{unlimited.url}/channels/general/join"
        assert (await asyncio.to_thread(httpx.post, joined, headers=bearer(made["token"]))).status_code == 200
        async with await NativeClient.connect(unlimited.url, unlimited.account()[1]) as ada:
            await ada.join("general")
            await ada.post("general", f"hello {made['bot']['username']}")
            while (await asyncio.wait_for(heard.get(), 10))["message"] != f"hello {made['bot']['username']}":
                pass
            answer = await client.call("message:post", {"channel": "general", "message": "hi all"}, timeout=10)
            assert answer.get("error", {}).get("code") == code
            if code is None:
                assert (await ada.message("hi all"))["author"] == made["bot"]["username"]
        assert await client.call("user : status_changed", {"channel": "general", "status": "away"}, timeout=10) == {}
    finally:
        await client.disconnect()


async def test_a_revoked_token_ends_its_sessions_on_both_transports_and_opens_no_more(unlimited: LiveServer) -> None:
    owner, made = await asyncio.to_thread(bot_of, unlimited, "revoked", "read")
    native = await NativeClient.connect(unlimited.url, made["token"])
    client, ended = socketio.AsyncClient(reconnection=False), asyncio.Event()
    told: list[Any] = []
    client.on("error", told.append)
    client.on("disconnect", lambda reason: ended.set())
    await client.connect(unlimited.url, auth={"token": made["token"]}, transports=["websocket"], wait_timeout=10)
    path = f"{unlimited.url}/api/v1/me/bots/{made['bot']['id']}/token"
    assert (await asyncio.to_thread(httpx.delete, path, headers=bearer(owner))).status_code == 204
    assert await native.closed() == 4503
    await asyncio.wait_for(ended.wait(), 10)
    assert told[0]["code"] == "not_authenticated"
    with pytest.raises(Refused, match="not_authenticated"):
        await NativeClient.connect(unlimited.url, made["token"])
    gone = await asyncio.to_thread(httpx.get, f"{unlimited.url}/api/v1/me", headers=bearer(made["token"]))
    assert (gone.status_code, gone.json()["error"]["code"]) == (401, "not_authenticated")


# -- Webhooks -----------------------------------------------------------------------------------------------------


def curl(*arguments: str) -> tuple[int, str, str]:
    """(status, content type, body)."""
    wanted = "\n%{http_code} %{content_type}"
    done = subprocess.run(
        ["curl", "-s", "-w", wanted, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    body, _, end = done.stdout.rpartition("\n")
    status, _, kind = end.partition(" ")
    return int(status), kind, body


def hook_of(server: LiveServer) -> tuple[str, str, dict[str, Any]]:
    """(access token, key of a channel of its user's, a webhook of that channel)."""
    _, token = server.account()
    api = f"{server.url}/api/v1/channels"
    key = httpx.post(api, json={"name": "Alerts"}, headers=bearer(token), timeout=30).json()["key"]
    made = httpx.post(f"{api}/{key}/hooks", json={"name": "Alert manager"}, headers=bearer(token), timeout=30)
    return token, key, made.raise_for_status().json()


async def test_curl_posts_json_a_form_and_json_called_a_form(server: LiveServer) -> None:
    token, key, made = await asyncio.to_thread(hook_of, server)
    async with await NativeClient.connect(server.url, token) as ada:
        await ada.join(key)
        for arguments in (
            ("-H", "Content-Type: application/json", "-d", '{"text": "said 1"}'),
            ("--data-urlencode", 'payload={"text": "said 2"}'),
            ("-d", '{"text": "said 3"}'),
        ):
            assert await asyncio.to_thread(curl, *arguments, made["url"]) == (200, "text/plain; charset=utf-8", "ok")
        for number in (1, 2, 3):
            said = await ada.message(f"said {number}")
            assert (said["via"], said["number"]) == ({"kind": "hook", "name": "Alert manager"}, number)
        other = f"{server.url}/api/v1/hooks/{made['token']}"
        assert (await asyncio.to_thread(curl, "-d", '{"text": "said 4"}', other))[2] == "ok"
    path = f"{server.url}/channels/{key}/messages?start=0&end=4"
    old = (await asyncio.to_thread(httpx.get, path, headers=bearer(token))).json()["messages"]
    shown = [(json.loads(each)["user"], json.loads(each)["message"]) for each in old]
    assert shown == [(made["hook"]["username"], f"said {number}") for number in (1, 2, 3, 4)]


async def test_what_is_wrong_is_said_in_our_shape(server: LiveServer) -> None:
    token, key, made = await asyncio.to_thread(hook_of, server)
    path = f"{server.url}/api/v1/channels/{key}"

    async def code(*arguments: str, url: str = made["url"]) -> tuple[int, str]:
        status, kind, body = await asyncio.to_thread(curl, *arguments, url)
        assert kind == "application/json"
        return status, json.loads(body)["error"]["code"]

    assert await code("-d", "junk") == (400, "invalid")
    assert await code("-d", f'{{"text": "{"x" * 70_000}"}}') == (413, "too_large")
    assert await code("-X", "GET") == (405, "unknown_operation")
    assert await code("-d", '{"text": "x"}', url=f"{server.url}/hooks/rkh_nothing") == (404, "not_found")
    assert (await asyncio.to_thread(httpx.post, f"{path}/archive", headers=bearer(token))).status_code == 200
    assert await code("-d", '{"text": "x"}') == (403, "archived")
    hook = f"{path}/hooks/{made['hook']['id']}"
    assert (await asyncio.to_thread(httpx.delete, hook, headers=bearer(token))).status_code == 204
    assert await code("-d", '{"text": "x"}') == (404, "not_found")


async def test_ten_at_once_and_then_to_wait(server: LiveServer) -> None:
    _, _, made = await asyncio.to_thread(hook_of, server)
    async with httpx.AsyncClient() as http:
        answers = [await http.post(made["url"], json={"text": f"{number}"}) for number in range(11)]
    assert [answer.status_code for answer in answers[:10]] == [200] * 10
    assert answers[10].status_code == 429
    assert 0 < int(answers[10].headers["Retry-After"]) <= 10
