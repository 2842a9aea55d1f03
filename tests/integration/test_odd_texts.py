"""Big and odd texts and reactions: all transports take the same, tell the same, and refuse the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import socketio

from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.odd import ANSWER_10000_TIMES, MAX_CHARS, REACT_499_TIMES, REPLIES, TEXTS
from tests.support.server import LiveServer


class SocketIO:
    """A client of Socket.IO 4 that is told all events, and remembers them."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        for event in ("logged_in", "message:post", "reaction:changed"):
            self.client.on(event, lambda data, event=event: self.told.put_nowait((event, data)))

    async def connect(self, server: LiveServer, token: str, key: str) -> SocketIO:
        await self.client.connect(f"{server.url}?events=all", auth={"token": token}, transports=["websocket"])
        assert (await self.next())[0] == "logged_in"
        async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer: {token}"}) as http:
            assert (await http.post(f"/channels/{key}/join")).status_code == 200
        return self

    async def next(self) -> tuple[str, Any]:
        return await asyncio.wait_for(self.told.get(), 10)

    async def post(self, key: str, text: str) -> Any:
        return await self.client.call("message:post", {"channel": key, "message": text}, timeout=10)


class People:
    """Three people in one channel, each by another transport, and one who listens by the native protocol."""

    def __init__(self, key: str, native: NativeClient, listener: NativeClient, old: SocketIO, http: httpx.AsyncClient):
        self.key, self.native, self.listener, self.old, self.http = key, native, listener, old, http
        self.path = f"/channels/{key}/messages"

    async def refusals(self, text: str) -> list[str]:
        """How each transport refuses it."""
        with pytest.raises(Refused) as refused:
            await self.native.post(self.key, text)
        answer = await self.http.post(self.path, json={"text": text, "nonce": "odd"})
        said = await self.old.post(self.key, text)
        return [refused.value.code, answer.json()["error"]["code"], said["error"]["code"]]


@pytest.fixture
async def people(connect: Connect, channel: str, server: LiveServer) -> AsyncIterator[People]:
    native, listener = await connect(), await connect()
    await native.join(channel)
    await listener.join(channel)
    old = await SocketIO().connect(server, server.account()[1], channel)
    headers = {"Authorization": f"Bearer {server.account()[1]}"}
    async with httpx.AsyncClient(base_url=f"{server.url}/api/v1", headers=headers, timeout=30) as http:
        yield People(channel, native, listener, old, http)
    await old.client.disconnect()


async def test_texts_of_4000_code_points_of_any_kind_pass_unchanged_and_one_more_is_too_many(people: People) -> None:
    for name, text in TEXTS.items():
        assert len(text) == MAX_CHARS, name
        await people.native.post(people.key, text)
        answer = await people.http.post(people.path, json={"text": text, "nonce": name})
        assert answer.json()["text"] == text, name
        assert "id" in await people.old.post(people.key, text), name
        for _ in range(3):
            told = await people.listener.event("message.new", people.key)
            assert told["data"]["text"] == text, name
        for _ in range(2):
            assert (await people.old.next())[1]["message"] == text, name
    page = (await people.http.get(people.path, params={"limit": 3 * len(TEXTS)})).json()["messages"]
    joined = (await people.listener.join(people.key))["messages"]
    assert joined == page[-len(joined) :]
    assert [each["text"] for each in page] == [text for text in TEXTS.values() for _ in range(3)]
    for text in ("\U0001f469" * (MAX_CHARS + 1), "e" + "\u0301" * MAX_CHARS):
        assert await people.refusals(text) == ["too_large"] * 3


async def test_a_word_behind_an_odd_text_is_found_where_it_stands(people: People) -> None:
    word = "te\u0301apot"
    for text in TEXTS.values():
        await people.native.post(people.key, f"{text[: MAX_CHARS - len(word) - 1]} {word}")
    found = await found_in_time(people.native, people.key, "TEAPOT", len(TEXTS))
    for hit in found["results"]:
        ((start, end),) = hit["highlights"]
        assert hit["message"]["text"][start:end] == word
    answer = await people.http.get("/search", params={"q": '"Teapot"', "in": people.key})
    # A page may end after its time, and then says where to go on.
    assert answer.json()["results"] == found["results"]


async def found_in_time(client: NativeClient, key: str, q: str, count: int, **more: str) -> Any:
    """The answer to a search as soon as it has so many hits."""
    async with asyncio.timeout(60):
        while len((found := await client.request("search", q=q, **{"in": key}, **more))["results"]) < count:  # noqa: ASYNC110
            await asyncio.sleep(1)
    return found


async def test_a_thread_of_10000_replies_is_shown_page_by_page_and_goes_on(
    server: LiveServer, connect: Connect, channel: str
) -> None:
    name, token = server.account()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{server.url}/api/v1", headers=headers, timeout=30) as http:
        path = f"/channels/{channel}/messages"
        root = (await http.post(path, json={"text": "the root", "nonce": "root"})).json()["id"]
        script = ANSWER_10000_TIMES.format(author=name, key=channel, root=root)
        await asyncio.to_thread(server.manage, "shell", "-c", script)
        native, old = await connect(), await SocketIO().connect(server, server.account()[1], channel)
        await native.join(channel)
        made = await native.post(channel, "the last", thread=root)
        assert made["thread_info"]["replies"] == REPLIES + 1
        assert (await old.next())[1]["message"] == "the last"
        await old.client.disconnect()
        for place, first in (({"after": 1}, 1), ({"before": 5_002}, 4_901), ({"before": made["number"]}, REPLIES - 99)):
            page = await native.request("message.list", channel, thread=root, limit=100, **place)
            assert [each["text"] for each in page["messages"]] == [f"reply {first + at}" for at in range(100)]
            assert (await http.get(path, params={"thread": root, "limit": 100, **place})).json() == page
        (shown,) = (await native.request("message.list", channel, flow=True))["messages"]
        assert (shown["text"], shown["thread_info"]["replies"]) == ("the root", REPLIES + 1)
        for client in (native, await connect(token)):
            read = await client.request("thread.read", channel, thread=root, number=made["number"])
            assert read["thread"]["unread"] == 0
    (hit,) = (await found_in_time(native, channel, "4321", 1, thread=root))["results"]
    assert hit["message"]["text"] == "reply 4321"


async def test_a_message_names_at_most_twenty_people_whatever_its_text(people: People, server: LiveServer) -> None:
    names = [server.account()[0] for _ in range(21)]
    text = " ".join(f"@{name}" for name in names * 9) + " @nobody" * 11
    made = await people.native.post(people.key, text)
    assert made["mentions"] == names[:20]
    answer = await people.http.post(people.path, json={"text": f"`{text}`", "nonce": "in code"})
    assert answer.json()["mentions"] == []
    (first, second) = [await people.listener.event("message.new", people.key) for _ in range(2)]
    assert (first["data"]["mentions"], second["data"]["mentions"]) == (names[:20], [])
    assert [(await people.old.next())[1]["message"] for _ in range(2)] == [text, f"`{text}`"]


async def test_a_message_with_500_reactions_is_told_whole_and_bears_no_more(
    people: People, server: LiveServer, connect: Connect
) -> None:
    made = await people.native.post(people.key, "react!")
    prefix = made["id"][-6:]
    server.manage("shell", "-c", REACT_499_TIMES.format(id=made["id"], prefix=prefix))
    me = people.native.greeting["user"]["username"]
    await people.native.request("reaction.add", people.key, id=made["id"], emoji="\U0001f44d\ufe0f")
    told = await people.listener.event("reaction.changed", people.key)
    reactions = told["data"]["reactions"]
    assert {emoji: len(names) for emoji, names in reactions.items()} == {
        "\U0001f44d": 451,
        **{f"word{number}": 1 for number in range(450, 499)},
    }
    assert reactions["\U0001f44d"][0] == f"r0x{prefix}"
    assert reactions["\U0001f44d"][-1] == me, "who reacted is named, once, in the order of reacting"
    assert len(json.dumps(told)) < 20_000
    (page,) = (await people.http.get(people.path)).json()["messages"]
    (joined,) = (await people.listener.join(people.key))["messages"]
    assert page["reactions"] == joined["reactions"] == reactions
    while (event := await people.old.next())[0] != "reaction:changed":
        pass
    assert event[1]["reactions"] == reactions
    with pytest.raises(Refused) as refused:
        await people.listener.request("reaction.add", people.key, id=made["id"], emoji="\U0001f44d")
    put = await people.http.put(f"{people.path}/{made['id']}/reactions/\U0001f44d")
    assert (refused.value.code, put.status_code, put.json()["error"]["code"]) == ("conflict", 409, "conflict")
    # The same again is no other reaction; and who takes theirs back makes room.
    await people.native.request("reaction.add", people.key, id=made["id"], emoji="\U0001f44d")
    await people.native.request("reaction.remove", people.key, id=made["id"], emoji="\U0001f44d")
    put = await people.http.put(f"{people.path}/{made['id']}/reactions/\U0001f44d")
    assert len(put.json()["reactions"]["\U0001f44d"]) == 451


EMOJI = {
    "\U0001f44d\U0001f3ff": "\U0001f44d\U0001f3ff",
    "\U0001f469\U0001f3fd\u200d\U0001f680": "\U0001f469\U0001f3fd\u200d\U0001f680",
    "\u2764\u200d\U0001f525": "\u2764\ufe0f\u200d\U0001f525",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f": (
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
    ),
    "\U0001f9d1\U0001f3fb\u200d\U0001f91d\u200d\U0001f9d1\U0001f3ff": (
        "\U0001f9d1\U0001f3fb\u200d\U0001f91d\u200d\U0001f9d1\U0001f3ff"
    ),
    "1\u20e3": "1\ufe0f\u20e3",
}


async def test_emoji_with_skin_tones_and_joiners_are_one_reaction_by_every_way(people: People) -> None:
    made = await people.native.post(people.key, "react!")
    for sent, spelled in EMOJI.items():
        answer = await people.native.request("reaction.add", people.key, id=made["id"], emoji=sent)
        assert list(answer["reactions"])[-1] == spelled
        put = await people.http.put(f"{people.path}/{made['id']}/reactions/{spelled}")
        assert len(put.json()["reactions"][spelled]) == 2
    assert len(put.json()["reactions"]) == len(EMOJI)
    for wrong in ("\U0001f3fb\u200d", "a b", "\u200d", "\U000e0067"):
        with pytest.raises(Refused) as refused:
            await people.native.request("reaction.add", people.key, id=made["id"], emoji=wrong)
        assert refused.value.code == "invalid", ascii(wrong)
