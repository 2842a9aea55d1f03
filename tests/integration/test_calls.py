"""@channel in a crowd, at each door: who may not call is heard without it, who may is asked first, and who is told."""

from __future__ import annotations

import asyncio
import uuid

import httpx
import pytest
import socketio

from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer

CROWD = """
from accounts.models import User
from chat.models import Channel, ChannelMembership
channel = Channel.objects.get(key="{key}")
people = [User(username=f"crowd{{channel.pk}}x{{number}}", password="!") for number in range(200)]
User.objects.bulk_create(people)
ChannelMembership.objects.bulk_create(ChannelMembership(channel=channel, user=user) for user in people)
"""


async def test_a_crowd_is_called_by_a_moderator_who_confirms_it(server: LiveServer, connect: Connect) -> None:
    token = server.account()[1]
    owner, member, quiet = await connect(token), await connect(), await connect()
    key = (await owner.request("channel.create", name="Crowd", kind="unlisted"))["key"]
    await owner.join(key)
    await member.request("channel.follow", key)
    await quiet.request("channel.follow", key, level="nothing")
    await asyncio.to_thread(server.manage, "shell", "-c", CROWD.format(key=key))

    with pytest.raises(Refused, match="confirmation_required"):
        await owner.post(key, "@channel")
    headers, path = {"Authorization": f"Bearer {token}"}, f"/api/v1/channels/{key}/messages"
    async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=30) as http:
        answer = await http.post(path, json={"text": "@channel", "nonce": "asked"})
        refused = answer.json()["error"]
        assert (answer.status_code, refused["code"], refused["told"]) == (409, "confirmation_required", 201)
        answer = await http.post(path, json={"text": "@channel over REST", "nonce": "meant", "confirm": True})
        assert (answer.status_code, answer.json()["mentions"]) == (201, ["channel"])
    assert (await member.event("mention", key))["data"]["number"] == 1
    made = await owner.post(key, "@channel", confirm=True)
    assert made["mentions"] == ["channel"]
    assert (await member.event("mention", key))["data"]["number"] == 2

    # Socket.IO's clients can't be asked, and who is no moderator need not be: their words are text.
    old = socketio.AsyncClient(reconnection=False)
    await old.connect(server.url, auth={"token": token}, transports=["websocket"])
    async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer: {token}"}) as http:
        assert (await http.post(f"/channels/{key}/join")).status_code == 200
    said = await old.call("message:post", {"channel": key, "message": "@channel by Socket.IO"}, timeout=10)
    assert "id" in said
    await old.disconnect()
    await member.join(key)
    await member.post(key, "@channel by a member")
    page = (await owner.request("message.list", key))["messages"]
    assert [each.get("mentions", []) for each in page] == [["channel"], ["channel"], [], []]
    await is_told_of_a_direct_message_alone(member, quiet, server.url)


async def is_told_of_a_direct_message_alone(member: NativeClient, quiet: NativeClient, url: str) -> None:
    """Who chose to be told nothing was told nothing of the calls before."""
    headers = {"Authorization": f"Bearer {member.token}"}
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as http:
        direct = (await http.post("/direct", json={"username": quiet.greeting["user"]["username"]})).json()["key"]
        await http.post(f"/channels/{direct}/messages", json={"text": "psst", "nonce": uuid.uuid4().hex})
    await quiet.event("channel.activity", direct)
    assert not [each for each in quiet.all_events if each["event"] == "mention"]
