"""One user on two workers is one user: joins, leaves, quits, status, limits; and REST here acts on sessions there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from reaktor.cluster.policy import slot_for
from tests.support.chat_cluster import ChatCluster
from tests.support.js_client import js_driver
from tests.support.native import NativeClient, Refused
from tests.support.verdict import new_channels

pytestmark = pytest.mark.cluster

REVOKED_S = 5.0
"""A second is promised, on a machine that does nothing else."""


async def native(chat: ChatCluster, slot: int, token: str) -> NativeClient:
    return await NativeClient.connect(chat.url, token, local_addr=(chat.source(slot), 0))


@pytest.fixture
async def scene(chat: ChatCluster) -> AsyncIterator[tuple[str, NativeClient, NativeClient, NativeClient, str]]:
    """(channel, a watcher in it, the user's session on worker 1, the one on worker 2, the user's name)."""
    (channel,) = await new_channels(chat, 1)
    _, token = chat.account()
    name, mine = chat.account()
    watcher, first, second = await native(chat, 1, token), await native(chat, 1, mine), await native(chat, 2, mine)
    await watcher.join(channel)
    yield channel, watcher, first, second, name
    await asyncio.gather(watcher.close(), first.close(), second.close())


async def told(watcher: NativeClient, channel: str, mark: str) -> list[tuple[str, str]]:
    """What the watcher was told of anybody's presence up to a mark that it sets itself: (event, reason or status)."""
    await watcher.post(channel, mark)
    events = [
        (event["event"], event["data"].get("reason") or event["data"]["status"])
        for event in watcher.events
        if event["event"].startswith(("member.", "presence."))
    ]
    watcher.events.clear()
    return events


async def test_a_user_joins_with_the_first_session_and_leaves_with_the_last(scene):
    channel, watcher, first, second, name = scene
    await told(watcher, channel, "start")
    await first.join(channel)
    await second.join(channel)
    await first.request("channel.leave", channel)
    await watcher.event("member.joined", channel, username=name)
    assert await told(watcher, channel, "one is left") == []
    await second.request("channel.leave", channel)
    await watcher.event("member.left", channel, username=name, reason="left")
    assert (await watcher.join(channel))["member_count"] == 1


async def test_a_user_quits_with_the_last_session_on_whatever_worker(scene):
    channel, watcher, first, second, name = scene
    await first.join(channel)
    await second.join(channel)
    await watcher.event("member.joined", channel, username=name)
    await first.close()
    shown = await second.join(channel)
    assert name in [member["username"] for member in shown["members"]]
    assert await told(watcher, channel, "one is gone") == []
    await second.abort()
    await watcher.event("member.left", channel, username=name, reason="quit")


async def test_a_user_is_away_when_every_session_is(scene):
    channel, watcher, first, second, name = scene
    await first.join(channel)
    await second.join(channel)
    await watcher.event("member.joined", channel, username=name)
    await first.request("status", status="away")
    assert await told(watcher, channel, "one is away") == []
    await second.request("status", status="away")
    await watcher.event("presence.changed", channel, username=name, status="away")
    await first.request("status", status="online")
    await watcher.event("presence.changed", channel, username=name, status="online")


async def test_the_session_limit_counts_the_sessions_of_all_workers(chat: ChatCluster):
    _, mine = chat.account()
    one, two = await native(chat, 1, mine), await native(chat, 2, mine)
    for slot in (1, 2):
        with pytest.raises(Refused) as refused:
            await native(chat, slot, mine)
        assert refused.value.code == "too_many_sessions"
    await one.close()
    three = await native(chat, 2, mine)
    await asyncio.gather(two.close(), three.close())


async def test_joining_over_rest_on_one_worker_moves_the_socketio_session_on_another(chat: ChatCluster, scene):
    channel, watcher, *_ = scene
    name, token = chat.account()
    here = slot_for("127.0.0.1", (1, 2))
    async with js_driver() as driver:
        client = driver.open("sio17", chat.url, query=f"token={token}")
        await client.expect_event("logged_in")
        answer = await asyncio.to_thread(
            chat.request, "POST", f"/channels/{channel}/join", token, chat.source(3 - here)
        )
        assert answer.status_code == 200
        assert name in [member["username"] for member in answer.json()["onlineUsers"]]
        assert (await client.expect_event("user : joined"))[0] == {"username": name, "channel": channel}
        await watcher.event("member.joined", channel, username=name)
        said = await watcher.post(channel, "welcome")
        (heard,) = await client.expect_event("message:post")
        assert (heard["message"], heard["seq"]) == ("welcome", said["seq"])
        assert (await client.call("message:post", {"channel": channel, "message": "hi"}))[0]["seq"] == said["seq"] + 1
        await watcher.message("hi")
        client.do("close")
        await watcher.event("member.left", channel, username=name, reason="quit")


async def test_a_log_out_everywhere_closes_the_sessions_on_every_worker_within_a_second(chat: ChatCluster):
    _, mine = chat.account()
    one, two = await native(chat, 1, mine), await native(chat, 2, mine)
    answer = await asyncio.to_thread(chat.request, "POST", "/api/v1/tokens/revoke-all", mine, chat.source(1))
    answered = time.monotonic()
    assert answer.status_code == 204
    assert [await one.closed(), await two.closed()] == [4503, 4503]
    assert time.monotonic() - answered < REVOKED_S
    with pytest.raises(Refused) as refused:
        await native(chat, 2, mine)
    assert refused.value.code == "not_authenticated"
