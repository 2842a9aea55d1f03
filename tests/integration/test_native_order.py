"""What a client is told is complete and in order: joins, resumes, answers, repeats, under a steady stream of posts."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer


class Chatter:
    """A client that posts as fast as it can; `numbers` grows with what was acknowledged."""

    def __init__(self, client: NativeClient, channel: str, in_flight: int) -> None:
        self.numbers: list[int] = []
        self._client, self._channel = client, channel
        self._serial = itertools.count()
        self.tasks = [asyncio.create_task(self._post()) for _ in range(in_flight)]

    async def _post(self) -> None:
        while True:
            self.numbers.append((await self._client.post(self._channel, f"text {next(self._serial)}"))["number"])

    async def more(self, count: int) -> None:
        """Until so many more are acknowledged."""
        enough = len(self.numbers) + count
        async with asyncio.timeout(10):
            while len(self.numbers) < enough:
                for task in self.tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.005)


@asynccontextmanager
async def chatter(client: NativeClient, channel: str, *, in_flight: int = 10) -> AsyncIterator[Chatter]:
    """Inside, the client posts; every post was answered when this ends."""
    talk = Chatter(client, channel, in_flight)
    try:
        yield talk
    finally:
        for task in talk.tasks:
            task.cancel()
        await asyncio.gather(*talk.tasks, return_exceptions=True)
        await client.request("status", status="online")


def told(client: NativeClient, channel: str, after: int) -> list[int]:
    """The numbers of the messages that came as events with a seq above `after`, in the order they came."""
    return [
        frame["data"]["number"]
        for frame in client.all_events
        if frame["event"] == "message.new" and frame["channel"] == channel and frame["seq"] > after
    ]


def is_new_or_sent(frame: dict[str, Any]) -> bool:
    """A message of somebody else's, or the answer to one's own."""
    return frame.get("event") == "message.new" or set(frame.get("data") or {}) == {
        "id",
        "number",
        "flow",
        "seq",
        "created_at",
    }


async def history(client: NativeClient, channel: str, after: int = 0) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        page = await client.request("message.list", channel, after=found[-1]["number"] if found else after, limit=100)
        found += page["messages"]
        if not page["has_more"]:
            return found


@pytest.fixture
async def busy(hasty_server: LiveServer) -> AsyncIterator[tuple[NativeClient, str]]:
    """A client that may post without a limit, in a channel of its own."""
    async with await NativeClient.connect(hasty_server.url, hasty_server.account()[1]) as client:
        made = await client.request("channel.create", name="busy", kind="unlisted")
        await client.join(made["key"])
        yield client, made["key"]


async def test_a_join_has_no_gap_and_no_repeat_while_others_post_as_fast_as_they_can(
    busy: tuple[NativeClient, str], hasty_server: LiveServer
) -> None:
    writer, channel = busy
    async with chatter(writer, channel) as talk:
        for _ in range(12):
            async with await NativeClient.connect(hasty_server.url, hasty_server.account()[1]) as joiner:
                answer = await joiner.join(channel)
                await talk.more(30)
                await joiner.until(lambda frame: frame.get("seq", 0) > answer["seq"] + 20)  # noqa: B023
                shown = [message["number"] for message in answer["messages"]]
                assert shown == list(range(max(answer["channel"]["number"] - 24, 1), answer["channel"]["number"] + 1))
                came = told(joiner, channel, answer["seq"])
                first = answer["channel"]["number"] + 1
                assert came == list(range(first, first + len(came)))
                assert not told(joiner, channel, 0)[: -len(came)], "nothing before the answer"


async def test_after_a_cut_a_resume_brings_everything_missed_once_and_in_order(
    busy: tuple[NativeClient, str], hasty_server: LiveServer
) -> None:
    writer, channel = busy
    _, token = hasty_server.account()
    reader = await NativeClient.connect(hasty_server.url, token)
    start = (await reader.join(channel))["seq"]
    seen: list[int] = []
    async with chatter(writer, channel, in_flight=3) as talk:
        for _ in range(6):
            await reader.until(lambda frame: frame.get("seq", 0) > 0)
            await reader.abort()
            seen += told(reader, channel, start)
            cursor = reader.cursors[channel]
            await talk.more(15)
            reader = await NativeClient.connect(hasty_server.url, token, resume={channel: cursor})
            missed = reader.greeting["resume"][channel]
            seen += [message["number"] for message in missed["messages"]]
            start = missed["seq"]
    last = await writer.post(channel, "the last one")
    await reader.message("the last one")
    seen += told(reader, channel, start)
    await reader.close()
    assert seen == list(range(1, last["number"] + 1))


async def test_the_author_is_answered_in_the_place_of_its_message_and_hears_the_others(
    busy: tuple[NativeClient, str], hasty_server: LiveServer
) -> None:
    writer, channel = busy
    async with await NativeClient.connect(hasty_server.url, hasty_server.account()[1]) as other:
        await other.join(channel)
        async with chatter(writer, channel), chatter(other, channel):
            await other.until(lambda frame: frame.get("seq", 0) > 200)
        total = (await history(other, channel))[-1]["number"]
        for client in (writer, other):
            order = [frame["data"]["number"] for frame in client.log if is_new_or_sent(frame)]
            assert order[:total] == list(range(1, total + 1))


async def test_a_repeated_nonce_is_answered_alike_and_never_before_what_comes_below_it(
    busy: tuple[NativeClient, str], hasty_server: LiveServer
) -> None:
    writer, channel = busy
    async with await NativeClient.connect(hasty_server.url, hasty_server.account()[1]) as other:
        await other.join(channel)
        async with chatter(writer, channel):
            for serial in range(20):
                fields = {"text": "twice", "nonce": f"n{serial}"}
                both = [await other.send("message.send", channel, **fields) for _ in range(2)]
                first, second = await asyncio.gather(*both)
                assert second == {**first, "duplicate": True}
                later = await other.request("message.send", channel, **fields)
                assert later == second
        cursor = 0
        for frame in other.log:
            data = frame.get("data") or {}
            if "seq" in frame:
                assert frame["seq"] > cursor
                cursor = frame["seq"]
            elif data.get("duplicate"):
                assert data["seq"] <= cursor, "a cursor taken from this answer would skip events"
            elif is_new_or_sent(frame):
                assert data["seq"] == cursor + 1
                cursor = data["seq"]
        assert [message["text"] for message in await history(other, channel)].count("twice") == 20


async def test_a_cursor_far_behind_is_answered_by_reset_and_a_near_one_by_changes(
    busy: tuple[NativeClient, str], hasty_server: LiveServer
) -> None:
    writer, channel = busy
    await asyncio.gather(*(writer.post(channel, f"text {serial}") for serial in range(205)))
    async with await NativeClient.connect(hasty_server.url, hasty_server.account()[1], resume={channel: 0}) as client:
        assert client.greeting["resume"][channel] == {"reset": True, "seq": 205}
        near = (await client.request("sync", channels={channel: 5}))["channels"][channel]
        assert [message["seq"] for message in near["messages"]] == list(range(6, 206))
        far = (await client.request("sync", channels={channel: 4}))["channels"][channel]
        assert far == {"reset": True, "seq": 205}
        above = (await client.request("sync", channels={channel: 999}))["channels"][channel]
        assert above == {"reset": True, "seq": 205}
        joined = await client.join(channel, after=4)
        assert joined["reset"]
        assert [message["number"] for message in joined["messages"]] == list(range(181, 206))
        joined = await client.join(channel, after=200)
        assert not joined["reset"]
        assert [message["number"] for message in joined["messages"]] == list(range(201, 206))
        await writer.post(channel, "and on")
        await client.message("and on")


async def test_changes_of_too_many_bytes_are_a_reset_never_a_part(
    busy: tuple[NativeClient, str], hasty_server: LiveServer
) -> None:
    writer, channel = busy
    for _ in range(10):
        await writer.post(channel, "🦊" * 4_000)
    answer = await writer.request("sync", channels={channel: 0})
    assert answer["channels"][channel] == {"reset": True, "seq": 10}
    answer = await writer.request("sync", channels={channel: 4})
    assert len(answer["channels"][channel]["messages"]) == 6
    page = await writer.request("message.list", channel, limit=100)
    numbers = [message["number"] for message in page["messages"]]
    assert page["has_more"]
    assert numbers == list(range(numbers[0], 11))
    assert 6 <= len(numbers) <= 8, "as many as fit into 128 KiB"


async def test_a_client_that_missed_edits_and_deletions_learns_the_present_state(
    connect: Connect, channel: str, server: LiveServer
) -> None:
    author = await connect()
    _, token = server.account()
    reader = await connect(token)
    await author.join(channel)
    await reader.join(channel)
    kept, edited, deleted = [(await author.post(channel, text))["id"] for text in ("kept", "typo", "regretted")]
    await reader.message("regretted")
    cursor = reader.cursors[channel]
    await reader.abort()
    await author.request("message.edit", channel, id=edited, text="fixed")
    await author.request("message.delete", channel, id=deleted)
    await author.request("reaction.add", channel, id=kept, emoji="👍")
    await author.post(channel, "new")
    again = await connect(token, resume={channel: cursor})
    missed = again.greeting["resume"][channel]["messages"]
    assert [(message["text"], message["changed_seq"]) for message in missed] == [
        ("fixed", 4),
        (None, 5),
        ("kept", 6),
        ("new", 7),
    ]
    assert list(missed[2]["reactions"]) == ["👍"]


async def test_a_resume_of_channels_that_are_gone_or_not_ones_own_leaves_them_out(connect: Connect) -> None:
    client = await connect(resume={"general": 0, "no-such-channel": 5, "not a key": 1, "prv-secret": 3})
    assert set(client.greeting["resume"]) == {"general"}


async def test_who_was_kicked_or_banned_a_moment_ago_resumes_everything_else(
    connect: Connect, channel: str, server: LiveServer
) -> None:
    """The store knows no kicks: the membership refused that channel, and the whole hello failed with 4504."""
    owner = await connect()
    kicking, banning = [
        (await owner.request("channel.create", name=name, kind="unlisted"))["key"] for name in ("kicking", "banning")
    ]
    name, token = server.account()
    cursors = {channel: 0, kicking: 0, banning: 0}
    client = await connect(token, resume=cursors)
    assert set(client.greeting["resume"]) == set(cursors)
    await owner.request("moderation.kick", kicking, user=name)
    await owner.request("moderation.ban", banning, user=name)
    await client.event("sanction", banning)
    await client.abort()
    again = await connect(token, resume=cursors)
    assert set(again.greeting["resume"]) == {channel}
    await again.post(channel, "still here")
    for key in (kicking, banning):
        with pytest.raises(Refused) as caught:
            await again.post(key, "and here?")
        assert caught.value.code == "not_a_member"
