"""Real Socket.IO clients that came by an app password, on one worker, are thrown out when another revokes it."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.support.chat_cluster import ChatCluster
from tests.support.factors import code_of
from tests.support.js_client import js_driver
from tests.support.native import NativeClient, Refused
from tests.support.seed import Seed
from tests.support.server import PASSWORD

pytestmark = [pytest.mark.cluster, pytest.mark.interop]

ENDED_S = 10.0
"""It takes a fraction of a second. What finds it when the message was lost comes within a minute: too late for this."""


def post(chat: ChatCluster, path: str, body: dict[str, str], token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.post(f"{chat.url}{path}", json=body, headers=headers, timeout=30)


def with_second_factor(chat: ChatCluster, name: str) -> str:
    """A new account that has one; its access token."""
    made = post(chat, "/api/v1/accounts", {"username": name, "password": PASSWORD}).raise_for_status()
    token = str(made.json()["access"])
    begun = post(chat, "/api/v1/me/second-factor", {"password": PASSWORD}, token).raise_for_status()
    code = {"code": code_of(begun.json()["secret"])}
    post(chat, "/api/v1/me/second-factor/confirm", code, token).raise_for_status()
    return token


@pytest.mark.parametrize("library", ["sio17", "sio25"])
async def test_an_old_client_logs_in_with_an_app_password_and_is_thrown_out_when_another_worker_revokes_it(
    chat: ChatCluster, library: str
) -> None:
    name = f"factor{library}"
    access = await asyncio.to_thread(with_second_factor, chat, name)
    refused = await asyncio.to_thread(post, chat, "/auth/login", {"name": name, "password": PASSWORD})
    assert refused.status_code == 403
    given = {"name": "Old phone", "password": PASSWORD}
    made = (await asyncio.to_thread(post, chat, "/api/v1/me/app-passwords", given, access)).json()
    login = {"name": name, "password": made["password"]}
    token = (await asyncio.to_thread(post, chat, "/auth/login", login)).raise_for_status().json()["token"]
    async with js_driver() as driver:
        # From 127.0.0.1, which is worker 1's; what is asked from source(2) is asked of worker 2.
        client = Seed(chat, name, token).open(driver, library, ["websocket"])
        await client.expect_event("logged_in")
        own = await NativeClient.connect(chat.url, access, local_addr=(chat.source(1), 0))
        answer = await asyncio.to_thread(
            chat.request, "DELETE", f"/api/v1/me/app-passwords/{made['id']}", access, chat.source(2)
        )
        assert answer.status_code == 204
        (error,) = await client.expect_event("error", ENDED_S)
        assert error["code"] == "not_authenticated"
        await client.expect("disconnect", ENDED_S)
        with pytest.raises(Refused) as caught:
            await NativeClient.connect(chat.url, token, local_addr=(chat.source(2), 0))
        assert caught.value.code == "not_authenticated"
        # The log-in that revoked it stays.
        await own.request("channel.list")
        await own.close()
        client.do("close")
    assert (await asyncio.to_thread(post, chat, "/auth/login", login)).status_code == 401
    await asyncio.to_thread(chat.wait_agreed, 0)
