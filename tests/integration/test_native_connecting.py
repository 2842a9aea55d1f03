"""The beginning and the end of a native session: hello, tokens, heartbeat, and every close code with its reason."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.sanctions import BAN_UNTIL, ban_everywhere
from tests.support.server import PASSWORD, LiveServer
from tests.support.tokens import reissued


async def refused_hello(server: LiveServer, token: object, **options: object) -> tuple[str, int]:
    """The error code and the close code of a hello that is not granted."""
    client = await NativeClient.open(server.url, **options)
    with pytest.raises(Refused) as caught:
        await client.request("hello", token=token)
    assert await client.closed() == client.bye["code"]
    return caught.value.code, client.bye["code"]


async def test_hello_tells_who_one_is_what_is_allowed_and_where_one_belongs(server: LiveServer) -> None:
    name, token = server.account()
    async with await NativeClient.connect(server.url, token) as client:
        greeting = client.greeting
        assert client.socket.subprotocol == "reaktor.v1"
        assert (greeting["user"]["username"], greeting["user"]["is_staff"]) == (name, False)
        assert [channel["key"] for channel in greeting["channels"]] == ["general", "programming", "random"]
        assert {channel["role"] for channel in greeting["channels"]} == {"member"}
        assert greeting["limits"]["frame_bytes"] == 65_536
        assert greeting["resume"] == {}


async def test_the_token_may_come_as_a_second_subprotocol_and_is_not_echoed(server: LiveServer) -> None:
    name, token = server.account()
    offered = ["reaktor.v1", f"reaktor.bearer.{token}"]
    async with await NativeClient.open(server.url, subprotocols=offered) as client:
        greeting = await client.request("hello")
        assert greeting["user"]["username"] == name
        assert client.socket.subprotocol == "reaktor.v1"


@pytest.mark.parametrize("token", [None, "", "nonsense", "a.b.c", "é" * 10, "x" * 5_000])
async def test_a_hello_without_a_good_token_is_told_4500(server: LiveServer, token: object) -> None:
    assert await refused_hello(server, token) == ("not_authenticated", 4500)


async def test_an_expired_token_is_told_4005_that_a_new_one_is_wanted(server: LiveServer) -> None:
    """A device with a wrong clock came with a token that had ended, and was told to log in anew."""
    _, token = server.account()
    assert await refused_hello(server, reissued(server, token, expires_in_s=-10)) == ("not_authenticated", 4005)


async def test_a_token_of_another_key_or_kind_is_told_4500(server: LiveServer) -> None:
    _, token = server.account()
    forged = token[:-6] + ("AAAAAA" if token[-6:] != "AAAAAA" else "BBBBBB")
    for bad in (forged, reissued(server, token, token_type="refresh")):
        assert await refused_hello(server, bad) == ("not_authenticated", 4500)


async def test_without_the_subprotocol_of_this_version_it_is_4505(server: LiveServer) -> None:
    for offered in ([], ["reaktor.v2"], ["chat"]):
        client = await NativeClient.open(server.url, subprotocols=offered)
        assert await client.closed() == 4505
        assert client.bye["reason"] == "offer the subprotocol reaktor.v1"


async def test_no_hello_in_time_is_4501_however_much_else_is_said(hasty_server: LiveServer) -> None:
    quiet = await NativeClient.open(hasty_server.url)
    chatty = await NativeClient.open(hasty_server.url)
    started = time.monotonic()
    for _ in range(3):
        with pytest.raises(Refused) as caught:
            await chatty.request("message.send", "general", text="hi", nonce="1")
        assert caught.value.code == "not_authenticated"
    assert (await quiet.closed(), await chatty.closed()) == (4501, 4501)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "null", "https://chat.example.evil.example", "https://chat.example:81",
        "http://chat.example", "https://evil.example/https://chat.example",
    ],
)  # fmt: skip
async def test_a_page_of_another_origin_is_told_4507(hasty_server: LiveServer, origin: str) -> None:
    client = await NativeClient.open(hasty_server.url, additional_headers={"Origin": origin})
    assert await client.closed() == 4507


async def test_an_allowed_page_the_own_host_by_default_and_no_browser_at_all_are_let_in(
    server: LiveServer, hasty_server: LiveServer
) -> None:
    for where, headers in (
        (hasty_server, {"Origin": "https://chat.example"}),
        (hasty_server, {}),
        (server, {"Origin": server.url}),
        (server, {}),
    ):
        client = await NativeClient.connect(where.url, where.account()[1], additional_headers=headers)
        await client.close()
    stranger = await NativeClient.open(server.url, additional_headers={"Origin": "https://evil.example"})
    assert await stranger.closed() == 4507


async def test_logging_out_everywhere_ends_every_live_session_within_a_second(server: LiveServer) -> None:
    _, token = server.account()
    clients = [await NativeClient.connect(server.url, token) for _ in range(3)]
    async with httpx.AsyncClient(base_url=server.url) as http:
        answer = await http.post("/api/v1/tokens/revoke-all", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204
    started = time.monotonic()
    assert [await client.closed() for client in clients] == [4503] * 3
    assert time.monotonic() - started < 5
    assert clients[0].bye["reason"] == "logged out everywhere"
    assert await refused_hello(server, token) == ("not_authenticated", 4500)


async def test_a_refresh_token_of_long_ago_ends_the_live_sessions_of_its_log_in_alone(server: LiveServer) -> None:
    """A copied refresh token went on serving its thief, for nobody ended what it had opened."""
    name, elsewhere = server.account("copied")
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        answer = await http.post("/api/v1/tokens", json={"username": name, "password": PASSWORD})
        pair = answer.json()
        client = await NativeClient.connect(server.url, pair["access"])
        other = await NativeClient.connect(server.url, elsewhere)
        await http.post("/api/v1/tokens/refresh", json={"refresh": pair["refresh"]})
        old = reissued(server, pair["refresh"], jti="0" * 32)
        assert (await http.post("/api/v1/tokens/refresh", json={"refresh": old})).status_code == 401
    assert await client.closed() == 4503
    async with other:
        await other.request("status", status="online")


async def test_a_changed_password_ends_the_sessions_of_that_user_alone(connect: Connect, server: LiveServer) -> None:
    other = await connect()
    _, token = server.account("passwordchanger")
    client = await NativeClient.connect(server.url, token)
    async with httpx.AsyncClient(base_url=server.url, timeout=20) as http:
        body = {"old": PASSWORD, "new": "entirely another 7"}
        answer = await http.post("/api/v1/me/password", json=body, headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 204
    assert await client.closed() == 4503
    await other.request("status", status="online")


async def test_a_banned_account_is_told_4502(server: LiveServer) -> None:
    name, token = server.account()
    script = f"from accounts.models import User; User.objects.filter(username='{name}').update(is_active=False)"
    await asyncio.to_thread(server.manage, "shell", "-c", script)
    assert await refused_hello(server, token) == ("banned", 4502)


async def test_a_ban_is_told_in_fields_at_its_moment_and_at_each_hello(server: LiveServer) -> None:
    """Whoever was banned got the moderator's words, and no end that a client could show by its reader's clock."""
    name, token = server.account()
    client = await NativeClient.connect(server.url, token)
    await asyncio.to_thread(ban_everywhere, server, name, reason="spam")
    assert await client.closed() == 4502
    said = {frame["event"]: frame["data"] for frame in client.all_events}
    assert said["sanction"] == {"kind": "ban", "channel": None, "reason": "spam", "until": BAN_UNTIL}
    assert said["bye"] == {"code": 4502, "reason": "spam", "until": BAN_UNTIL}
    client = await NativeClient.open(server.url)
    with pytest.raises(Refused) as refused:
        await client.request("hello", data={"token": token})
    assert {key: refused.value.error[key] for key in ("reason", "until", "is_everywhere")} == {
        "reason": "spam", "until": BAN_UNTIL, "is_everywhere": True,
    }  # fmt: skip
    await client.closed()
    assert client.bye == {"code": 4502, "reason": "spam", "until": BAN_UNTIL}


async def test_more_sessions_than_allowed_are_told_4506_and_the_old_ones_stay(hasty_server: LiveServer) -> None:
    _, token = hasty_server.account()
    clients = [await NativeClient.connect(hasty_server.url, token) for _ in range(2)]
    assert await refused_hello(hasty_server, token) == ("too_many_sessions", 4506)
    await clients[0].close()
    clients[0] = await NativeClient.connect(hasty_server.url, token)
    for client in clients:
        await client.request("status", status="online")
        await client.close()


async def test_a_token_near_its_end_is_warned_of_and_a_newer_one_goes_on(hasty_server: LiveServer) -> None:
    _, token = hasty_server.account()
    client = await NativeClient.connect(hasty_server.url, reissued(hasty_server, token, expires_in_s=2.5))
    warned = await client.event("auth.expiring")
    assert warned["data"]["expires_at"] == client.greeting["expires_at"]
    answer = await client.request("auth.refresh", token=token)
    assert answer["expires_at"] > client.greeting["expires_at"]
    async with client:
        await asyncio.sleep(3)
        await client.request("status", status="online")


async def test_a_session_outlives_its_token_only_by_the_grace(hasty_server: LiveServer) -> None:
    _, token = hasty_server.account()
    client = await NativeClient.connect(hasty_server.url, reissued(hasty_server, token, expires_in_s=1.5))
    assert await client.closed() == 4005
    assert client.bye["reason"] == "token expired"


async def test_another_users_token_or_a_dead_one_refreshes_nothing(connect: Connect, server: LiveServer) -> None:
    client = await connect()
    _, mine = server.account()
    for token in (mine, reissued(server, mine, expires_in_s=-5), "junk"):
        with pytest.raises(Refused) as caught:
            await client.request("auth.refresh", token=token)
        assert caught.value.code == "not_authenticated"
    await client.request("status", status="online")


async def test_silence_is_asked_after_and_an_answer_keeps_the_session(hasty_server: LiveServer) -> None:
    async with await NativeClient.connect(hasty_server.url, hasty_server.account()[1]) as client:
        await client.event("ping")
        await client.event("ping")
        assert client.bye is None


async def test_a_client_that_does_not_answer_a_ping_is_told_4003(hasty_server: LiveServer) -> None:
    client = await NativeClient.connect(hasty_server.url, hasty_server.account()[1])
    client.answers_pings = False
    assert await client.closed() == 4003
    assert any(frame["event"] == "ping" for frame in client.all_events)


async def test_a_second_hello_changes_nothing(connect: Connect, server: LiveServer) -> None:
    client = await connect()
    with pytest.raises(Refused) as caught:
        await client.request("hello", token=server.account()[1])
    assert caught.value.code == "conflict"
    await client.request("status", status="online")


async def test_no_other_path_takes_a_socket(server: LiveServer) -> None:
    for path in ("/ws/v2", "/", "/ws/v1x"):
        with pytest.raises(Exception, match=r"HTTP 403"):
            await NativeClient.open(server.url, path=path)
