"""Three people in a group of whom one blocks another: what each is told and reads, over the native API and REST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.integration.conftest import Connect
from tests.support.native import NativeClient
from tests.support.server import LiveServer

Message = dict[str, Any]


class Rest:
    """One user's requests, to /api/v1 and to the seed's paths."""

    def __init__(self, server: LiveServer, token: str) -> None:
        self._http = httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)

    async def ask(self, method: str, path: str, **body: Any) -> Any:
        answer = await self._http.request(method, f"/api/v1{path}", **({"json": body} if body else {}))
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    async def seed(self, method: str, path: str) -> list[Message]:
        """The messages of the answer, as the seed's clients read them."""
        answer = await self._http.request(method, path, **({"json": {}} if method == "POST" else {}))
        assert answer.status_code == 200, answer.text
        return [json.loads(each) for each in answer.json()["messages"]]

    async def close(self) -> None:
        await self._http.aclose()


@dataclass
class Group:
    """ann blocks eve as soon as hide() returns; bob blocks nobody."""

    key: str
    ann: NativeClient
    bob: NativeClient
    eve: NativeClient
    rest: dict[str, Rest]

    async def hide(self) -> None:
        await self.rest["ann"].ask("PUT", f"/me/blocks/{name_of(self.eve)}")
        await self.eve.post(self.key, "may be seen")
        await self.ann.reads(self.key, [None, None])

    async def listed(self, client: NativeClient, **marks: int) -> list[Message]:
        found: list[Message] = (await client.request("message.list", self.key, **marks))["messages"]
        return found


def name_of(client: NativeClient) -> str:
    return str(client.greeting["user"]["username"])


@pytest.fixture
async def group(connect: Connect, server: LiveServer) -> AsyncIterator[Group]:
    """All three are in it, and eve has said something before she was blocked."""
    ann, bob, eve = [await connect() for _ in range(3)]
    rest = {name: Rest(server, client.token) for name, client in {"ann": ann, "bob": bob, "eve": eve}.items()}
    key = (await rest["bob"].ask("POST", "/direct", usernames=[name_of(ann), name_of(eve)]))["key"]
    for client in (ann, bob, eve):
        await client.join(key)
    await eve.post(key, "before")
    await ann.message("before")
    yield Group(key, ann, bob, eve, rest)
    await asyncio.gather(*(each.close() for each in rest.values()))


def is_bare(message: Message, author: str) -> bool:
    """Whether nothing is told of it but that it is there."""
    gone = {"text": None, "reply_to": None, "nonce": None, "reactions": {}, "mentions": [], "edited_at": None}
    return {**message, **gone, "author": author, "hidden": True} == message


async def test_the_blocker_is_told_of_each_event_in_its_place_and_of_no_word(group: Group) -> None:
    key, eve = group.key, name_of(group.eve)
    await group.hide()
    said = await group.eve.post(key, f"psst @{name_of(group.bob)}")
    await group.eve.request("message.edit", key, id=said["id"], text="hush")
    await group.bob.request("reaction.add", key, id=said["id"], emoji="👍")
    await group.eve.request("message.delete", key, id=said["id"])
    mine = await group.ann.post(key, "mine")
    await group.eve.request("reaction.add", key, id=mine["id"], emoji="🎉")
    await group.eve.request("typing", key)
    last = await group.bob.request("message.send", key, text="last", nonce="last", reply_to=said["id"])
    await group.ann.message("last")
    await group.bob.event("typing", key)
    told = [frame for frame in group.ann.all_events if frame.get("seq", 0) >= said["seq"]]
    others = [frame for frame in group.bob.all_events if frame.get("seq", 0) >= said["seq"]]
    events = ["message.new", "message.updated", "reaction.changed", "message.deleted"]
    assert [frame["event"] for frame in told[:4]] == events
    assert all(is_bare(frame["data"], eve) for frame in told[:4])
    assert [frame["data"]["deleted_at"] is None for frame in told[:4]] == [True, True, True, False]
    # Everybody has the same places, and each of them once.
    seqs = list(range(said["seq"], last["seq"] + 1))
    assert [frame["seq"] for frame in told] == [seq for seq in seqs if seq != mine["seq"]]
    assert [frame["seq"] for frame in others] == seqs[:-1]
    reacted = next(frame for frame in told if frame["data"]["id"] == mine["id"])
    assert (reacted["event"], reacted["data"]["reactions"]) == ("reaction.changed", {})
    assert told[-1]["data"]["reply_to"] == said["id"], "what others say is as they said it"
    typing = [frame["event"] for frame in group.ann.all_events if frame["event"] == "typing"]
    assert typing == []
    assert [frame["data"]["username"] for frame in group.bob.all_events if frame["event"] == "typing"] == [eve]


async def test_whatever_is_read_is_read_without_it_by_the_blocker_alone(group: Group, connect: Connect) -> None:
    key, eve = group.key, name_of(group.eve)
    await group.hide()
    said = await group.eve.post(key, "psst")
    await group.bob.post(key, "hello")
    await group.ann.message("hello")
    outside = await connect(group.ann.token)
    again = await connect(group.ann.token, resume={key: 0})
    ann, bob = group.rest["ann"], group.rest["bob"]
    around = f"/channels/{key}/messages?around={said['number']}"
    pages = [
        await group.listed(group.ann),
        await group.listed(group.ann, around=said["number"]),
        await group.listed(outside),
        (await group.ann.request("sync", channels={key: 0}))["channels"][key]["messages"],
        (await outside.request("sync", channels={key: 0}))["channels"][key]["messages"],
        again.greeting["resume"][key]["messages"],
        (await group.ann.join(key))["messages"],
        (await group.ann.join(key, after=0))["messages"],
        (await outside.join(key))["messages"],
        (await ann.ask("GET", f"/channels/{key}/messages"))["messages"],
        (await ann.ask("GET", around))["messages"],
        (await ann.ask("GET", f"/channels/{key}/changes?after=0"))["messages"],
    ]
    for number, page in enumerate(pages):
        assert [each["number"] for each in page] == [1, 2, 3, 4], number
        assert [is_bare(each, eve) for each in page] == [True, True, True, False], number
        assert page[-1]["text"] == "hello"
    for page in (await group.listed(group.bob), (await bob.ask("GET", around))["messages"]):
        assert [each["text"] for each in page] == ["before", "may be seen", "psst", "hello"]
        assert not any("hidden" in each for each in page)
    # What changes a hidden message is answered without it, too.
    for answer in (
        await group.ann.request("reaction.add", key, id=said["id"], emoji="👍"),
        await outside.request("reaction.remove", key, id=said["id"], emoji="👍"),
        await ann.ask("PUT", f"/channels/{key}/messages/{said['id']}/reactions/👍"),
        await ann.ask("DELETE", f"/channels/{key}/messages/{said['id']}/reactions/👍"),
    ):
        assert is_bare(answer, eve)


async def test_the_seed_contract_shows_nothing_of_it(group: Group) -> None:
    await group.hide()
    await group.eve.post(group.key, "psst")
    await group.bob.post(group.key, "hello")
    for name, texts in {"ann": ["hello"], "bob": ["before", "may be seen", "psst", "hello"]}.items():
        rest = group.rest[name]
        for found in (
            await rest.seed("GET", f"/channels/{group.key}/messages?start=0&end=10"),
            await rest.seed("POST", f"/channels/{group.key}/join"),
        ):
            assert [each["message"] for each in found] == texts
            assert all(set(each) == {"message", "user", "date", "id", "seq", "channel"} for each in found)
    # Positions are those of the channel: a page of which all is hidden is empty.
    assert await group.rest["ann"].seed("GET", f"/channels/{group.key}/messages?start=1&end=3") == []


async def test_who_follows_the_group_is_told_that_it_went_on_and_not_what_was_said(
    group: Group, connect: Connect
) -> None:
    key = group.key
    await group.hide()
    outside = await connect(group.ann.token)
    said = await group.eve.post(key, f"psst @{name_of(group.ann)}")
    told = (await outside.event("channel.activity", key))["data"]
    assert told["head"] == {"number": said["number"], "seq": said["seq"], "flow": said["number"]}
    assert (told["last"]["text"], told["last"]["hidden"], told["last"]["id"]) == (None, True, said["id"])
    (listed,) = [each for each in (await group.rest["ann"].ask("GET", "/me/channels"))["results"] if each["key"] == key]
    assert (listed["last"]["text"], listed["last"]["hidden"]) == (None, True)
    assert (listed["unread"], listed["mentions"]) == (3, 0), "each place counts, as that of a deleted message does"
    await group.bob.post(key, "hello")
    assert (await outside.event("channel.activity", key))["data"]["last"]["text"] == "hello"
    assert not [frame for frame in group.ann.all_events + outside.all_events if frame["event"] == "mention"]


async def test_who_is_heard_again_is_read_again_and_elsewhere_was_never_hidden(
    group: Group, connect: Connect, channel: str
) -> None:
    key, ann = group.key, group.rest["ann"]
    pair = (await ann.ask("POST", "/direct", username=name_of(group.eve)))["key"]
    for client in (group.ann, group.eve):
        await client.join(channel)
        await client.join(pair)
    await group.eve.post(pair, "between us")
    await group.ann.message("between us")
    await group.hide()
    await group.eve.post(channel, "to all")
    assert "hidden" not in await group.ann.message("to all")
    for where in (pair, channel):
        newest = (await group.ann.request("message.list", where))["messages"][-1]
        assert (newest["author"], "hidden" in newest) == (name_of(group.eve), False)
    assert (await ann.ask("GET", f"/channels/{pair}/messages"))["messages"][0]["text"] == "between us"
    await ann.ask("DELETE", f"/me/blocks/{name_of(group.eve)}")
    await group.ann.reads(key, ["before", "may be seen"])
    await group.eve.post(key, "hello again")
    await group.ann.message("hello again")


async def test_a_new_name_does_not_show_who_is_hidden(group: Group) -> None:
    await group.hide()
    name = f"{name_of(group.eve)}x"
    await group.rest["eve"].ask("PATCH", "/me", username=name)
    said = await group.rest["eve"].ask("POST", f"/channels/{group.key}/messages", text="it is me", nonce="n")
    await group.bob.post(group.key, "who?")
    await group.ann.message("who?")
    (told,) = [frame for frame in group.ann.all_events if frame.get("seq") == said["seq"]]
    assert is_bare(told["data"], name)
    assert [is_bare(each, name) for each in await group.listed(group.ann)] == [True, True, True, False]
