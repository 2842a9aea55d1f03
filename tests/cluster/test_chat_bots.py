"""Bots on two workers: what ends a token or its owner's account ends the bot's live sessions, wherever they are."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import socketio

from tests.support.chat_cluster import ChatCluster
from tests.support.native import NativeClient, Refused

pytestmark = pytest.mark.cluster
AGED = "from accounts.models import User; User.objects.filter(username={name!r}).update(created_at={at!r})"


async def bot_of(chat: ChatCluster, name: str) -> tuple[str, str, dict[str, Any]]:
    """(owner, the owner's access token, what was made), asked on the first worker."""
    owner, token = chat.account()
    long_ago = (datetime.now(UTC) - timedelta(days=30)).isoformat()
    await asyncio.to_thread(chat.manage, "shell", "-c", AGED.format(name=owner, at=long_ago))
    body = {"username": name, "scopes": ["read", "write"]}
    answer = await asyncio.to_thread(chat.request, "POST", "/api/v1/me/bots", token, chat.source(1), json=body)
    return owner, token, answer.raise_for_status().json()


async def test_a_revoked_token_ends_sessions_on_every_worker_within_a_second(chat: ChatCluster) -> None:
    _, token, made = await bot_of(chat, "revokedbot")
    native = await NativeClient.connect(chat.url, made["token"], local_addr=(chat.source(2), 0))
    other, ended = socketio.AsyncClient(reconnection=False), asyncio.Event()
    other.on("disconnect", lambda reason: ended.set())
    await other.connect(chat.url, auth={"token": made["token"]}, transports=["websocket"], wait_timeout=10)
    path = f"/api/v1/me/bots/{made['bot']['id']}/token"
    answer = await asyncio.to_thread(chat.request, "DELETE", path, token, chat.source(1))
    assert answer.status_code == 204
    revoked = time.monotonic()
    assert await native.closed() == 4503
    await asyncio.wait_for(ended.wait(), 10)
    # The promise is a second; the bus takes milliseconds, and revalidation, which would mend it, a minute.
    assert time.monotonic() - revoked < 5
    for slot in (1, 2):
        with pytest.raises(Refused, match="not_authenticated"):
            await NativeClient.connect(chat.url, made["token"], local_addr=(chat.source(slot), 0))


async def test_an_owner_who_is_switched_off_takes_the_bots_sessions_along(chat: ChatCluster) -> None:
    owner, _, made = await bot_of(chat, "ownedbot")
    native = await NativeClient.connect(chat.url, made["token"], local_addr=(chat.source(2), 0))
    await asyncio.to_thread(chat.manage, "moderate", "ban", owner, "--reason", "spam")
    assert await native.closed() == 4502
    for slot in (1, 2):
        with pytest.raises(Refused, match="banned"):
            await NativeClient.connect(chat.url, made["token"], local_addr=(chat.source(slot), 0))
    await asyncio.to_thread(chat.manage, "moderate", "lift", owner)
    back = await NativeClient.connect(chat.url, made["token"], local_addr=(chat.source(2), 0))
    await back.close()
