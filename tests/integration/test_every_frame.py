"""Every operation, answer and event that the AsyncAPI document promises is seen once, and is as it promises."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from chat.domain.events import EventType
from chat.transports.native.operations import OPERATIONS
from chat.transports.native.schemas import EVENTS
from tests.support import frames
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer
from tests.support.tokens import reissued

STORE_BEHIND_ITS_BACK = """
from accounts.models import User
from chat.posting.batches import Post, store_batch
from chat.selectors import user_ref
author = user_ref(User.objects.get(username="{author}"))
for start in range(0, {count}, 500):
    store_batch([Post(author, "{channel}", "unheard", None) for _ in range(min(500, {count} - start))])
"""


async def store_unheard(server: LiveServer, channel: str, author: str, count: int) -> None:
    """Messages of a process that dies between its commit and its publishing."""
    script = STORE_BEHIND_ITS_BACK.format(author=author, channel=channel, count=count)
    await asyncio.to_thread(server.manage, "shell", "-c", script)


def show(server: LiveServer, token: str, name: str) -> None:
    """Another display name."""
    headers = {"Authorization": f"Bearer {token}"}
    answer = httpx.patch(f"{server.url}/api/v1/me", json={"display_name": name}, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text


async def moderated(ann: NativeClient, bob: NativeClient, key: str) -> None:
    """Everything an owner may do to a member; bob ends outside the channel."""
    name = bob.greeting["user"]["username"]
    said = await ann.post(key, "spam")
    await bob.request("report", key, id=said["id"], reason="spam")
    until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    await ann.request("moderation.mute", key, user=name, until=until, reason="loud")
    told = await bob.event("sanction", key)
    assert (told["data"]["kind"], told["data"]["reason"]) == ("mute", "loud")
    with pytest.raises(Refused, match="muted"):
        await bob.post(key, "spam")
    assert await ann.request("moderation.lift", key, user=name) == {"lifted": 1}
    assert (await bob.event("sanction", key))["data"]["kind"] == "lift"
    await bob.post(key, "sorry")
    await bob.request("channel.leave", key)
    await bob.join(key)
    assert await ann.request("moderation.purge", key, user=name, hours=1) == {"deleted": 2, "left": 0}
    await ann.request("moderation.kick", key, user=name)
    assert (await bob.event("sanction", key))["data"]["kind"] == "kick"
    await ann.request("moderation.ban", key, user=name, reason="spam")
    with pytest.raises(Refused, match="banned"):
        await bob.join(key)


async def followed(ann: NativeClient, second: NativeClient, bob: NativeClient, key: str) -> None:
    """A channel of ann's is followed by bob for a while; `second` is another session of hers, in no channel."""
    assert (await second.event("channel.activity", key))["data"]["head"]["number"] == 1
    await second.request("channel.follow", key, level="nothing")
    assert (await ann.event("level.changed", key))["data"] == {"level": "nothing"}
    await bob.request("channel.follow", key)
    await bob.event("channel.added", key)
    await ann.post(key, "@here, look")
    assert (await bob.event("mention", key))["data"]["number"] == 2
    await bob.request("channel.unfollow", key)
    await bob.event("channel.removed", key)
    await bob.join(key)


async def threaded(second: NativeClient, bob: NativeClient, key: str, root: str) -> None:
    """Bob answers in the thread of ann's message; `second` is another session of hers, in no channel."""
    reply = await bob.post(key, "in a thread", thread=root)
    told = (await second.event("thread.activity", key))["data"]
    assert told["thread_info"] == reply["thread_info"]
    assert (await second.request("thread.read", key, thread=root, number=reply["number"]))["thread"]["unread"] == 0
    assert not (await second.request("thread.unfollow", key, thread=root))["is_followed"]
    assert (await second.request("thread.follow", key, thread=root))["is_followed"]


async def test_each_documented_frame_is_seen_and_fits_its_schema(hasty_server: LiveServer) -> None:
    frames.SEEN.clear()
    server = hasty_server
    name, token = server.account()
    ann = await NativeClient.connect(server.url, reissued(server, token, expires_in_s=3))
    await ann.event("auth.expiring")
    await ann.request("auth.refresh", token=token)
    second = await NativeClient.connect(server.url, token)
    bob = await NativeClient.connect(server.url, server.account()[1])

    made = await ann.request("channel.create", name="Everything", topic="all of it")
    key = made["key"]
    await bob.event("channel.created", key)
    await bob.request("channel.list", search="everything")
    await ann.join(key)
    await bob.join(key)
    await ann.event("member.joined", key)
    sent = await ann.post(key, f"hi @{bob.greeting['user']['username']}")
    await bob.event("message.new", key)
    await bob.event("mention", key)
    await followed(ann, second, bob, key)
    await ann.request("search", q="hi", **{"in": key, "from": name})
    await ann.request("message.edit", key, id=sent["id"], text="hello")
    await bob.event("message.updated", key)
    assert [each["text"] for each in (await ann.request("message.edits", key, id=sent["id"]))["results"]] == [
        f"hi @{bob.greeting['user']['username']}"
    ]
    await ann.request("pin.add", key, id=sent["id"])
    told = await bob.event("pin.changed", key)
    assert (told["data"]["number"], told["data"]["is_pinned"], "seq" in told) == (1, True, False)
    assert [each["message"]["text"] for each in (await bob.request("pin.list", key))["results"]] == ["hello"]
    await ann.request("pin.remove", key, id=sent["id"])
    await bob.request("reaction.add", key, id=sent["id"], emoji="👍")
    await ann.event("reaction.changed", key)
    await bob.request("reaction.remove", key, id=sent["id"], emoji="👍")
    await threaded(second, bob, key, sent["id"])
    await asyncio.to_thread(show, server, token, "Ann of Everything")
    assert (await bob.event("user.updated"))["data"]["user"]["display_name"] == "Ann of Everything"
    await bob.request("typing", key)
    await ann.event("typing", key)
    await bob.request("status", status="away")
    await ann.event("presence.changed", key)
    await ann.request("message.list", key)
    assert len((await ann.request("channel.members", key))["results"]) == 2
    await ann.request("read", key, number=1, back=True)
    await second.event("read.updated", key)
    await ann.request("sync", channels={key: 0})
    await ann.request("message.delete", key, id=sent["id"])
    await bob.event("message.deleted", key)
    await ann.request("channel.update", key, name="Nearly everything")
    await bob.event("channel.updated", key)
    with pytest.raises(Refused):
        await bob.request("channel.archive", key)
    await moderated(ann, bob, key)
    await ann.event("member.left", key)
    await store_unheard(server, key, name, 1_001)
    await ann.event("sync.required", key)
    await ann.request("channel.archive", key)
    await second.event("channel.archived", key)
    await ann.event("ping")
    for _ in range(10):
        await ann.send_raw("junk")
    assert await ann.closed() == 4504
    await second.close()
    await bob.close()

    answers = {f"{operation.name} answer" for operation in OPERATIONS.values() if operation.reply is not None}
    events = {kind.value for kind in {*EVENTS, EventType.PING}}
    documented = answers | events | {"refusal"}
    assert documented == frames.SEEN, frames.SEEN ^ documented


async def test_messages_of_a_process_that_died_before_publishing_arrive_within_seconds(
    hasty_server: LiveServer,
) -> None:
    async with await NativeClient.connect(hasty_server.url, hasty_server.account()[1]) as reader:
        key = (await reader.request("channel.create", name="Unheard", kind="unlisted"))["key"]
        await reader.join(key)
        await store_unheard(hasty_server, key, reader.greeting["user"]["username"], 3)
        started = time.monotonic()
        assert [(await reader.event("message.new", key))["seq"] for _ in range(3)] == [1, 2, 3]
        assert time.monotonic() - started < 5
        assert (await reader.join(key))["seq"] == 3
