"""Following over a real server: who is told what, over the native API, REST and Socket.IO, wherever they are."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

import httpx
import pytest

from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer


def name_of(client: NativeClient) -> str:
    return str(client.greeting["user"]["username"])


class Rest:
    """One user's requests to /api/v1."""

    def __init__(self, server: LiveServer, token: str) -> None:
        self._http = httpx.Client(
            base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )

    def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = self._http.request(method, path, json=body) if body else self._http.request(method, path)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None


async def test_a_direct_message_comes_to_every_session_of_somebody_who_is_in_no_channel(
    connect: Connect, server: LiveServer
) -> None:
    bob, token = server.account()
    first, second = await connect(token), await connect(token)
    ann = await connect()
    ann_rest = Rest(server, ann.token)
    key = (await asyncio.to_thread(ann_rest.ask, "POST", "/direct", username=bob))["key"]
    for session in (first, second):
        added = await session.event("channel.added", key)
        assert (added["data"]["name"], added["data"]["level"], added["data"]["kind"]) == (name_of(ann), "all", "direct")
    await ann.join(key)
    posted = await ann.post(key, "psst " * 100)
    for session in (first, second):
        told = (await session.event("channel.activity", key))["data"]
        assert told["head"] == {"number": 1, "seq": posted["seq"], "flow": 1}
        assert (told["last"]["author"], told["last"]["text"]) == (name_of(ann), ("psst " * 100)[:200])
    await asyncio.to_thread(ann_rest.ask, "DELETE", f"/channels/{key}/messages/{posted['id']}")
    assert (await first.event("channel.activity", key))["data"]["last"]["text"] is None
    # Whoever is in the channel gets the messages themselves, and is told nothing beside them.
    await second.join(key)
    await ann.post(key, "again")
    await second.message("again")
    assert (await first.event("channel.activity", key))["data"]["last"]["text"] == "again"
    assert not [
        frame for frame in second.all_events if frame.get("event") == "channel.activity" and _number(frame) == 2
    ]


def _heads(client: NativeClient) -> list[int]:
    return [_number(frame) for frame in client.all_events if frame.get("event") == "channel.activity"]


def _number(frame: dict[str, Any]) -> int:
    return int(frame["data"]["head"]["number"])


async def test_levels_say_how_much_one_is_told(connect: Connect, server: LiveServer, channel: str) -> None:
    author = await connect()
    await author.join(channel)
    people = {level: await connect() for level in (None, "all", "mentions", "nothing")}
    for level, client in people.items():
        followed = await client.request("channel.follow", channel, **({"level": level} if level else {}))
        assert (followed["role"], followed["level"]) == ("member", level or "mentions")
    await author.post(channel, "first")
    assert (await people["all"].event("channel.activity", channel))["data"]["last"]["text"] == "first"
    for level in (None, "mentions"):
        assert (await people[level].event("channel.activity", channel))["data"]["last"] is None
    # Another device, another level: over REST, and every session hears of it.
    rest = Rest(server, people["nothing"].token)
    assert (await asyncio.to_thread(rest.ask, "PATCH", f"/channels/{channel}/membership", level="all"))[
        "level"
    ] == "all"
    assert (await people["nothing"].event("level.changed", channel))["data"] == {"level": "all"}
    await author.post(channel, f"second, @{name_of(people['mentions'])}")
    # How far the channel has come is told as the level rises, since nothing was told of it before.
    for number in (1, 2):
        told = await people["nothing"].event("channel.activity", channel)
        assert (told["data"]["last"]["number"], told["data"]["head"]["flow"]) == (number, number)
    assert (await people["mentions"].event("mention", channel))["data"]["number"] == 2
    with pytest.raises(Refused, match="invalid"):
        await author.request("channel.follow", channel, level="loud")


async def test_who_unfollows_is_told_no_more_and_belongs_to_it_no_longer(connect: Connect, channel: str) -> None:
    author, reader = await connect(), await connect()
    other = await connect(reader.token)
    await author.join(channel)
    await reader.request("channel.follow", channel)
    await other.event("channel.added", channel)
    await reader.join(channel)
    await reader.request("channel.unfollow", channel)
    await other.event("channel.removed", channel)
    await author.event("member.left", channel)
    mark = (await author.post(channel, "gone?"))["number"]
    # A channel that both follow shows that what was to come has come.
    made = await author.request("channel.create", name="marker", kind="unlisted")
    await reader.request("channel.follow", made["key"])
    await author.join(made["key"])
    await author.post(made["key"], "here")
    await other.event("channel.activity", made["key"])
    told = [frame for frame in other.all_events + reader.all_events if frame.get("event") == "channel.activity"]
    assert [frame["channel"] for frame in told].count(channel) == 0, mark


async def test_the_banned_are_told_nothing_until_the_ban_is_lifted(connect: Connect, server: LiveServer) -> None:
    owner, reader = await connect(), await connect()
    key = (await owner.request("channel.create", name=f"ban {secrets.token_hex(3)}"))["key"]
    await owner.join(key)
    await reader.request("channel.follow", key, level="all")
    await owner.post(key, "one")
    await reader.event("channel.activity", key)
    await owner.request("moderation.ban", key, user=name_of(reader))
    await reader.event("channel.removed", key)
    await owner.post(key, "two")
    # A channel that both follow shows that what was to come has come.
    marker = (await owner.request("channel.create", name="marker", kind="unlisted"))["key"]
    await reader.request("channel.follow", marker)
    await owner.join(marker)
    await owner.post(marker, "here")
    await reader.event("channel.activity", marker)
    told = [frame["channel"] for frame in reader.all_events if frame.get("event") == "channel.activity"]
    assert told.count(key) == 1
    await owner.request("moderation.lift", key, user=name_of(reader))
    assert (await reader.event("channel.added", key))["data"]["unread"] == 2
    await owner.post(key, "three")
    told = await reader.event("channel.activity", key)
    while told["data"]["head"]["number"] < 3:
        told = await reader.event("channel.activity", key)
