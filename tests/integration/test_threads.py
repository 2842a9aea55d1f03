"""Threads over a real server: one order with all else, and the same word on a root wherever it is read."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer


def told(client: NativeClient, name: str) -> list[dict[str, Any]]:
    return [frame for frame in client.all_events if frame.get("event") == name]


async def test_a_reply_is_one_event_that_says_what_its_thread_is(connect: Connect, channel: str) -> None:
    ann, bob = await connect(), await connect()
    await ann.join(channel)
    await bob.join(channel)
    root = await ann.post(channel, "tea?")
    reply = await bob.post(channel, "green", thread=root["id"])
    shown = await bob.post(channel, "for all", thread=root["id"], also_in_channel=True)
    seen = await ann.message("for all")
    assert (seen["thread"], seen["also_in_channel"], seen["thread_info"]) == (root["id"], True, shown["thread_info"])
    assert [(each["number"], each["seq"], each["flow"]) for each in (root, reply, shown)] == [
        (1, 1, 1), (2, 2, 1), (3, 3, 2),
    ]  # fmt: skip
    await bob.request("message.delete", channel, id=reply["id"])
    gone = (await ann.event("message.deleted", channel))["data"]
    assert (gone["changed_seq"], gone["thread_info"]["seq"], gone["thread_info"]["replies"]) == (4, 4, 1)
    assert [frame["seq"] for frame in ann.all_events if "seq" in frame] == [2, 3, 4], "nothing is told of the root"

    async def page(**wanted: Any) -> list[int]:
        return [each["number"] for each in (await ann.request("message.list", channel, **wanted))["messages"]]

    assert await page() == [1, 2, 3]
    assert await page(flow=True) == [1, 3]
    assert await page(thread=root["id"]) == [2, 3]
    assert await page(thread=root["id"], before=3) == [2]


async def test_whatever_brings_a_root_says_what_its_thread_is_then(
    connect: Connect, channel: str, server: LiveServer
) -> None:
    _, token = server.account()
    ann = await connect(token)
    await ann.join(channel)
    root = await ann.post(channel, "tea?")
    await ann.post(channel, "green", thread=root["id"])
    last = await ann.post(channel, "black", thread=root["id"])
    expected = last["thread_info"]
    assert expected["replies"] == 2
    pages = {
        "list": (await ann.request("message.list", channel))["messages"],
        "flow": (await ann.request("message.list", channel, flow=True))["messages"],
        "join": (await (await connect()).join(channel))["messages"],
        "sync": (await ann.request("sync", channels={channel: 0}))["channels"][channel]["messages"],
        "resume": (await connect(token, resume={channel: 0})).greeting["resume"][channel]["messages"],
    }
    assert {name: messages[0]["thread_info"] for name, messages in pages.items()} == dict.fromkeys(pages, expected)
    assert {messages[0]["changed_seq"] for messages in pages.values()} == {1}
    behind = (await ann.request("sync", channels={channel: 1}))["channels"][channel]["messages"]
    assert [each["number"] for each in behind] == [2, 3], "the root did not change"
    assert behind[-1]["thread_info"] == expected


async def test_typing_and_reading_in_a_thread_say_in_which(connect: Connect, channel: str, server: LiveServer) -> None:
    _, token = server.account()
    ann, first, second = await connect(), await connect(token), await connect(token)
    for client in (ann, first, second):
        await client.join(channel)
    await first.request("channel.follow", channel)
    name = first.greeting["user"]["username"]
    root = await ann.post(channel, "tea?")
    reply = await ann.post(channel, f"@{name} green?", thread=root["id"])
    assert (await second.event("mention", channel))["data"]["thread"] == root["id"]
    await first.request("typing", channel, thread=root["id"])
    assert (await ann.event("typing", channel))["data"] == {"username": name, "on": True, "thread": root["id"]}
    mark = await first.request("thread.read", channel, thread=root["id"], number=reply["number"])
    assert mark["thread"] == {"id": root["id"], "read_number": 2, "unread": 0}
    assert (mark["mentions"], mark["unread"], mark["read_number"]) == (0, 1, 0)
    read = (await second.event("read.updated", channel))["data"]
    assert (read["thread"], read["mentions"]) == (mark["thread"], 0)
    assert told(first, "read.updated") == []


async def test_who_follows_a_thread_from_elsewhere_is_told_once_of_each_reply(
    connect: Connect, channel: str, server: LiveServer
) -> None:
    _, token = server.account()
    inside, outside, bob = await connect(token), await connect(token), await connect()
    for client in (inside, bob):
        await client.join(channel)
    root = await inside.post(channel, "tea?")
    replies = [await bob.post(channel, text, thread=root["id"]) for text in ("green", "black")]
    for reply in replies:
        event = await outside.event("thread.activity", channel)
        assert event["data"] == {
            "thread": root["id"], "thread_info": reply["thread_info"], "author": bob.greeting["user"]["username"],
        }  # fmt: skip
        assert "seq" not in event, "it moves no cursor"
    await inside.message("black")
    assert told(inside, "thread.activity") == []
    assert not (await outside.request("thread.unfollow", channel, thread=root["id"]))["is_followed"]
    await bob.post(channel, "white", thread=root["id"])
    await inside.message("white")
    await inside.post(channel, "done", thread=root["id"])
    await bob.message("done")
    await outside.request("status", status="online")
    assert len(told(outside, "thread.activity")) == 2


async def test_hostile_roots_are_refused_alike_and_change_nothing(connect: Connect, channel: str) -> None:
    ann, eve = await connect(), await connect()
    closed = (await ann.request("channel.create", name="closed", kind="private"))["key"]
    for key in (channel, closed):
        await ann.join(key)
    await eve.join(channel)
    root, secret = await ann.post(channel, "tea?"), await ann.post(closed, "psst")
    reply = await ann.post(channel, "green", thread=root["id"])
    odd = [
        secret["id"], reply["id"], "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a69", "", "junk", "\u202e", "\x00", "x" * 5_000,
        f"{root['id']} ", "general", root["id"].replace("-", "_"), 5, [root["id"]], {"id": root["id"]},
    ]  # fmt: skip
    wrong = []
    for thread in odd:
        # One each: who sends ten frames without form is put out.
        client = await connect()
        await client.join(channel)
        for op, fields in (
            ("message.send", {"text": "x", "nonce": "n"}),
            ("thread.follow", {}),
            ("thread.unfollow", {}),
            ("thread.read", {"number": 9}),
        ):
            with pytest.raises(Refused) as refused:
                await client.request(op, channel, thread=thread, **fields)
            expected = {"not_found"} if thread in odd[:1] + odd[2:3] else {"invalid", "not_found"}
            if refused.value.code not in expected:
                wrong.append((op, thread, refused.value.code))
    assert wrong == []
    assert (await eve.request("message.list", channel, thread=secret["id"]))["messages"] == []
    with pytest.raises(Refused, match="invalid"):
        await eve.post(channel, "x", also_in_channel=True)
    with pytest.raises(Refused, match="invalid"):
        await eve.request("message.list", channel, thread=root["id"], flow=True)
    assert [each["number"] for each in (await eve.request("message.list", channel))["messages"]] == [1, 2]
