"""Each operation of /ws/v1 over a real server: what it answers, what the others are told, what it refuses."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer


async def refused(client: NativeClient, op: str, channel: str | None = None, **fields: object) -> str:
    """The code of the error that it is answered with."""
    with pytest.raises(Refused) as caught:
        await client.request(op, channel, **fields)
    return str(caught.value.code)


async def two_in(connect: Connect, channel: str) -> tuple[NativeClient, NativeClient]:
    first, second = await connect(), await connect()
    await first.join(channel)
    await second.join(channel)
    return first, second


def name_of(client: NativeClient) -> str:
    return str(client.greeting["user"]["username"])


async def test_channels_are_created_renamed_archived_and_everybody_is_told(connect: Connect) -> None:
    owner, other = await connect(), await connect()
    made = await owner.request("channel.create", name="  Tea  ", topic="leaves")
    assert (made["name"], made["topic"], made["kind"], made["role"]) == ("Tea", "leaves", "public", "owner")
    told = await other.event("channel.created", made["key"])
    assert (told["data"]["name"], told["data"]["role"]) == ("Tea", None)
    assert await refused(other, "channel.update", made["key"], name="Coffee") == "forbidden"
    changed = await owner.request("channel.update", made["key"], name="Coffee", topic="")
    assert (changed["name"], changed["topic"]) == ("Coffee", "")
    assert (await other.event("channel.updated", made["key"]))["data"]["name"] == "Coffee"
    found = await other.request("channel.list", search="coff")
    assert made["key"] in [channel["key"] for channel in found["results"]]
    assert await refused(other, "channel.archive", made["key"]) == "forbidden"
    await owner.join(made["key"])
    posted = await owner.post(made["key"], "last words")
    assert (await owner.request("channel.archive", made["key"]))["archived_at"]
    assert (await other.event("channel.archived", made["key"]))["data"]["archived_at"]
    assert await refused(owner, "message.send", made["key"], text="too late", nonce="1") == "archived"
    assert await refused(owner, "message.edit", made["key"], id=posted["id"], text="too late") == "archived"
    assert (await other.join(made["key"]))["messages"][0]["text"] == "last words"


async def test_an_unlisted_channel_is_told_of_and_listed_to_nobody(connect: Connect, channel: str) -> None:
    client = await connect()
    await client.request("channel.create", name="marker")
    listed, cursor = [], None
    while True:
        page = await client.request("channel.list", **({"cursor": cursor} if cursor else {}))
        listed += [found["key"] for found in page["results"]]
        if (cursor := page["next"]) is None:
            break
    assert channel not in listed
    assert (await client.join(channel))["channel"]["kind"] == "unlisted"


async def test_a_join_shows_who_is_there_and_the_others_are_told_once_per_user(
    connect: Connect, channel: str, server: LiveServer
) -> None:
    host = await connect()
    await host.join(channel)
    name, token = server.account()
    first, second = await connect(token), await connect(token)
    answer = await first.join(channel)
    assert {member["username"] for member in answer["members"]} == {name, name_of(host)}
    assert (answer["member_count"], answer["channel"]["online"]) == (2, 2)
    await host.event("member.joined", channel, username=name, status="online")
    assert (await second.join(channel))["member_count"] == 2
    await first.join(channel)
    await first.request("channel.leave", channel)
    await second.request("channel.leave", channel)
    await second.request("channel.leave", channel)
    await host.event("member.left", channel, username=name, reason="left")
    about_them = [frame["event"] for frame in host.all_events if frame["data"].get("username") == name]
    assert about_them == ["member.joined", "member.left"]


async def test_whoever_vanishes_is_told_to_have_quit(connect: Connect, channel: str) -> None:
    host, guest = await two_in(connect, channel)
    await guest.abort()
    await host.event("member.left", channel, username=name_of(guest), reason="quit")


@pytest.mark.parametrize("key", ["no-such-channel", "not a key", "", "prv-abc", "x" * 100])
async def test_an_unknown_channel_is_not_found(connect: Connect, key: str) -> None:
    assert await refused(await connect(), "channel.join", key) == "not_found"


async def test_a_message_reaches_the_others_and_is_answered_to_its_author(connect: Connect, channel: str) -> None:
    author, reader = await two_in(connect, channel)
    text = "  <b>hi</b> 👩‍👩‍👧‍👦 \u202e\n" + "x" * 3_900
    sent = await author.post(channel, text, nonce="n-1")
    assert (sent["number"], sent["seq"]) == (1, 1)
    message = await reader.message(text)
    assert (message["id"], message["nonce"], message["author"]) == (sent["id"], "n-1", name_of(author))
    reply = await reader.request("message.send", channel, text="yes", nonce="2", reply_to=sent["id"])
    assert (await author.message("yes"))["reply_to"] == sent["id"]
    assert reply["number"] == 2
    assert not [frame for frame in author.all_events if frame.get("data", {}).get("text") == text]


async def test_what_cannot_be_sent_is_refused_and_nothing_is_stored(connect: Connect, channel: str) -> None:
    author = await connect()
    fields = {"text": "hi", "nonce": "1"}
    assert await refused(author, "message.send", channel, **fields) == "not_a_member"
    await author.join(channel)
    for wrong, code in (
        ({"text": " \n"}, "invalid"),
        ({"text": "x" * 4_001}, "too_large"),
        ({"text": "\x00"}, "invalid"),
        ({"nonce": ""}, "invalid"),
        ({"nonce": "x" * 65}, "invalid"),
        ({"reply_to": "nonsense"}, "not_found"),
        ({"reply_to": "018f0000-0000-7000-8000-000000000000"}, "not_found"),
    ):
        assert await refused(author, "message.send", channel, **{**fields, **wrong}) == code
    assert (await author.request("message.list", channel))["messages"] == []


async def test_edits_deletions_and_reactions_are_told_with_the_whole_message(connect: Connect, channel: str) -> None:
    author, reader = await two_in(connect, channel)
    sent = (await author.post(channel, "helo"))["id"]
    edited = await author.request("message.edit", channel, id=sent, text="hello")
    assert (edited["text"], edited["changed_seq"], edited["seq"]) == ("hello", 2, 1)
    assert (await reader.event("message.updated", channel))["data"] == edited
    reacted = await reader.request("reaction.add", channel, id=sent, emoji="👍")
    assert reacted["reactions"] == {"👍": [name_of(reader)]}
    assert (await author.event("reaction.changed", channel))["seq"] == 3
    assert (await reader.request("reaction.add", channel, id=sent, emoji="👍"))["changed_seq"] == 3
    removed = await reader.request("reaction.remove", channel, id=sent, emoji="👍")
    assert (removed["reactions"], removed["changed_seq"]) == ({}, 4)
    assert await refused(reader, "message.edit", channel, id=sent, text="mine") == "forbidden"
    assert await refused(reader, "message.delete", channel, id=sent) == "forbidden"
    deleted = await author.request("message.delete", channel, id=sent)
    assert (deleted["text"], deleted["changed_seq"]) == (None, 5)
    assert (await reader.event("message.deleted", channel))["data"] == deleted
    assert await refused(author, "message.edit", channel, id=sent, text="back") == "conflict"
    assert await refused(author, "reaction.add", channel, id=sent, emoji="👍") == "conflict"
    assert await refused(author, "message.edit", channel, id="nonsense", text="x") == "not_found"


async def test_history_is_paged_by_number_in_every_direction(connect: Connect, channel: str) -> None:
    client = await connect()
    await client.join(channel)
    for number in range(1, 13):
        await client.post(channel, f"text {number}")

    async def page(**marks: int) -> tuple[list[int], bool]:
        answer = await client.request("message.list", channel, **marks)
        return [message["number"] for message in answer["messages"]], answer["has_more"]

    assert await page(limit=4) == ([9, 10, 11, 12], True)
    assert await page(before=9, limit=4) == ([5, 6, 7, 8], True)
    assert await page(before=5, limit=4) == ([1, 2, 3, 4], False)
    assert await page(after=8, limit=4) == ([9, 10, 11, 12], False)
    assert await page(after=0, limit=5) == ([1, 2, 3, 4, 5], True)
    numbers, more = await page(around=6, limit=5)
    assert 6 in numbers
    assert (len(numbers), more) == (5, True)
    assert await page(before=1) == ([], False)
    assert await refused(client, "message.list", channel, limit=101) == "invalid"
    assert await refused(client, "message.list", channel, before=5, after=3) == "invalid"
    assert await refused(client, "message.list", channel, limit=0) == "invalid"


async def test_a_read_marker_moves_forward_and_ones_other_sessions_are_told(
    connect: Connect, server: LiveServer
) -> None:
    owner = await connect()
    name, token = server.account()
    first, second = await connect(token), await connect(token)
    await owner.join("random")
    await first.join("random")
    head = (await owner.post("random", f"@{name} look"))["number"]
    mention = await second.event("mention", "random")
    assert (mention["data"]["author"], mention["data"]["number"]) == (name_of(owner), head)
    joined = (await second.join("random"))["channel"]
    assert joined["mentions"] == 1
    assert joined["unread"] >= 1
    mark = await first.request("read", "random", number=head)
    assert (mark["read_number"], mark["read_flow"], mark["own"], mark["unread"]) == (head, head, 0, 0)
    told = (await second.event("read.updated", "random", read_rev=mark["read_rev"]))["data"]
    assert told == mark
    assert await first.request("read", "random", number=1) == mark
    back = await first.request("read", "random", number=head - 1, back=True)
    assert (back["read_number"], back["read_rev"]) == (head - 1, mark["read_rev"] + 1)
    assert (await second.event("read.updated", "random", read_number=head - 1))["data"]["read_rev"] == back["read_rev"]
    assert (await second.join("random"))["channel"]["mentions"] == 1
    assert not [frame for frame in first.all_events if frame["event"] == "read.updated"]


async def test_typing_is_told_to_the_others_at_most_each_few_seconds(connect: Connect, channel: str) -> None:
    author, reader = await two_in(connect, channel)
    for _ in range(3):
        assert await author.request("typing", channel) == {}
    assert (await reader.event("typing", channel))["data"] == {"username": name_of(author), "on": True}
    await author.request("typing", channel, on=False)
    await reader.event("typing", channel, on=False)
    await author.post(channel, "done")
    await reader.message("done")
    assert [frame["data"]["on"] for frame in reader.all_events if frame["event"] == "typing"] == [True, False]
    assert not [frame for frame in author.all_events if frame["event"] == "typing"]
    stranger = await connect()
    for _ in range(2):
        assert await refused(stranger, "typing", channel) == "not_a_member"


@pytest.mark.long
async def test_typing_is_no_way_to_flood_others(connect: Connect, channel: str) -> None:
    """Each "off" used to be told, however many there were."""
    began = time.monotonic()
    author, reader = await two_in(connect, channel)
    answers = [await author.send("typing", channel, on=False) for _ in range(50)]
    # An "off" ends the interval, so that only the bound of all together is left to these.
    answers += [await author.send("typing", channel, on=on) for _ in range(700) for on in (True, False, False)]
    assert [await answer for answer in answers] == [{}] * 2_150
    await author.post(channel, "done")
    await reader.message("done")
    told = [frame["data"]["on"] for frame in reader.all_events if frame["event"] == "typing"]
    pairs = len(told) // 2
    assert told == [True, False] * pairs
    # What was taken comes back at ten a second.
    assert 600 <= pairs <= 600 + 10 * (time.monotonic() - began)


async def test_a_purge_goes_batch_by_batch_and_everybody_sees_it(hasty_server: LiveServer) -> None:
    name, token = hasty_server.account()
    async with (
        await NativeClient.connect(hasty_server.url, hasty_server.account()[1]) as owner,
        await NativeClient.connect(hasty_server.url, token) as victim,
    ):
        key = (await owner.request("channel.create", name="spammed", kind="unlisted"))["key"]
        await owner.join(key)
        await victim.join(key)
        posts = [await victim.send("message.send", key, text="buy", nonce=str(number)) for number in range(250)]
        ids = {(await answer)["id"] for answer in posts}
        purge = await owner.send("moderation.purge", key, user=name, hours=1)
        assert await purge == {"deleted": 250, "left": 0}
        await owner.post(key, "clean")
        await victim.message("clean")
        gone = [frame["data"]["id"] for frame in victim.all_events if frame["event"] == "message.deleted"]
        assert (len(gone), set(gone)) == (250, ids)


async def test_a_user_is_as_present_as_the_best_of_their_sessions(
    connect: Connect, channel: str, server: LiveServer
) -> None:
    host = await connect()
    await host.join(channel)
    name, token = server.account()
    first, second = await connect(token), await connect(token)
    await first.join(channel)
    await second.join(channel)
    await first.request("status", status="away")
    await second.request("status", status="away")
    assert (await host.event("presence.changed", channel))["data"] == {"username": name, "status": "away"}
    await first.request("status", status="online")
    await host.event("presence.changed", channel, username=name, status="online")
    assert len([frame for frame in host.all_events if frame["event"] == "presence.changed"]) == 2
    assert await refused(first, "status", status="offline") == "invalid"


async def test_a_sync_answers_for_the_channels_that_there_are(connect: Connect, channel: str) -> None:
    client = await connect()
    await client.join(channel)
    await client.post(channel, "one")
    answer = await client.request("sync", channels={channel: 0, "no-such-channel": 3})
    assert set(answer["channels"]) == {channel}
    assert answer["channels"][channel]["seq"] == 1
    assert [message["text"] for message in answer["channels"][channel]["messages"]] == ["one"]


async def test_sending_is_limited_per_user_over_all_sessions(
    connect: Connect, channel: str, server: LiveServer
) -> None:
    _, token = server.account()
    first, second = await connect(token), await connect(token)
    await first.join(channel)
    await second.join(channel)
    for number in range(20):
        await (first if number % 2 else second).post(channel, "hi")
    for client in (first, second):
        with pytest.raises(Refused) as caught:
            await client.post(channel, "one too many")
        assert caught.value.code == "rate_limited"
        assert 0 < caught.value.error["retry_after"] <= 10
    other = await connect()
    await other.join(channel)
    await other.post(channel, "I may")


async def test_changes_are_limited_per_user_whatever_they_change(connect: Connect, server: LiveServer) -> None:
    _, token = server.account()
    first, second = await connect(token), await connect(token)
    key = (await first.request("channel.create", name="changing", kind="unlisted"))["key"]
    await first.join(key)
    sent = (await first.post(key, "hi"))["id"]
    for _ in range(60):
        await first.request("channel.update", key, topic="the same")
    for operation, fields in (
        ("channel.update", {"topic": "another"}),
        ("message.edit", {"id": sent, "text": "hello"}),
        ("reaction.add", {"id": sent, "emoji": "x"}),
        ("reaction.remove", {"id": sent, "emoji": "x"}),
        ("report", {"id": sent, "reason": "spam"}),
    ):
        assert await refused(second, operation, key, **fields) == "rate_limited"
    await second.request("message.delete", key, id=sent)


async def test_operations_are_limited_per_session_but_reading_and_typing_are_free(
    connect: Connect, channel: str
) -> None:
    client = await connect()
    await client.join(channel)
    began = time.monotonic()
    answers = await asyncio.gather(
        *[await client.send("status", status="online") for _ in range(750)], return_exceptions=True
    )
    granted = sum(not isinstance(answer, Exception) for answer in answers)
    # The join counted too; what was taken comes back at ten a second.
    assert 599 <= granted <= 600 + 10 * (time.monotonic() - began)
    assert {answer.code for answer in answers if isinstance(answer, Refused)} == {"rate_limited"}
    await client.request("read", channel, number=0)
    await client.request("typing", channel)


async def test_a_session_is_in_so_many_channels_at_most(hasty_server: LiveServer) -> None:
    async with await NativeClient.connect(hasty_server.url, hasty_server.account()[1]) as client:
        keys = []
        for number in range(6):
            made = await client.request("channel.create", name=f"c{number}", kind="unlisted")
            keys.append(made["key"])
        for key in keys[:5]:
            await client.join(key)
        assert await refused(client, "channel.join", keys[5]) == "too_large"
        await client.join(keys[0])
        await client.request("channel.leave", keys[0])
        await client.join(keys[5])


async def test_within_a_second_of_a_rename_every_answer_says_the_new_name(
    connect: Connect, server: LiveServer, channel: str
) -> None:
    """Whoever joined after a rename read the old name, and everything that a stranger under it had never said."""
    watcher = await connect()
    await watcher.join(channel)
    old, token = server.account()
    async with await NativeClient.connect(server.url, token) as renamed:
        await renamed.join(channel)
        first = await renamed.post(channel, "mine")
        await renamed.request("reaction.add", channel, id=first["id"], emoji="👍")
        await watcher.post(channel, f"hello @{old}")
        async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer {token}"}) as http:
            assert (await http.patch("/api/v1/me", json={"username": f"{old}new"})).status_code == 200
        assert await renamed.closed() == 4004
    deadline = time.monotonic() + 1
    while True:
        joined = await watcher.join(channel)
        synced = await watcher.request("sync", channels={channel: 0})
        told = [joined["messages"], synced["channels"][channel]["messages"]]
        if all(f"{old}new" in {each["author"] for each in messages} for messages in told):
            break
        assert time.monotonic() < deadline
    for messages in told:
        one, two = messages
        assert (one["author"], one["reactions"], two["mentions"]) == (f"{old}new", {"👍": [f"{old}new"]}, [f"{old}new"])
