"""Socket.IO clients are told of sanctions by `error`, and by a disconnect where they may not stay."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import socketio

from tests.support.native import NativeClient
from tests.support.sanctions import BAN_UNTIL, ban_everywhere
from tests.support.server import LiveServer


class Listener:
    """A Socket.IO client that remembers what it is told."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(reconnection=False)
        self.told: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self.gone = asyncio.Event()
        for event in ("logged_in", "error", "message:post", "user : left"):
            self.client.on(event, lambda data, event=event: self.told.put_nowait((event, data)))
        self.client.on("disconnect", lambda *reason: self.gone.set())

    async def connect(self, server: LiveServer, token: str) -> Listener:
        await self.client.connect(server.url, auth={"token": token}, transports=["websocket"], wait_timeout=10)
        assert await self.next() == ("logged_in", {})
        return self

    async def next(self) -> tuple[str, Any]:
        return await asyncio.wait_for(self.told.get(), 10)


async def test_kicks_mutes_and_bans_reach_them_in_words(server: LiveServer) -> None:
    name, token = server.account()
    owner = await NativeClient.connect(server.url, server.account()[1])
    key = (await owner.request("channel.create", name="Old friends"))["key"]
    await owner.join(key)
    listener = await Listener().connect(server, token)
    async with httpx.AsyncClient(base_url=server.url, headers={"Authorization": f"Bearer: {token}"}) as rest:
        assert (await rest.post(f"/channels/{key}/join")).status_code == 200
        await owner.event("member.joined", key, username=name)

        await owner.request("moderation.mute", key, user=name, reason="loud")
        event, data = await listener.next()
        assert (event, data["code"], data["message"], data["channel"]) == (
            "error", "muted", "You were muted here: loud", key,
        )  # fmt: skip
        assert (data["reason"], data["until"], data["is_everywhere"]) == ("loud", None, False)
        answer = await listener.client.call("message:post", {"channel": key, "message": "hi"}, timeout=10)
        assert answer["error"]["code"] == "muted"
        assert (answer["error"]["reason"], answer["error"]["until"]) == ("loud", None)
        await listener.client.emit("message:post", {"channel": key, "message": "hi"})
        event, data = await listener.next()
        assert (event, data["code"]) == ("error", "muted")
        await owner.request("moderation.lift", key, user=name)

        await owner.request("moderation.ban", key, user=name)
        event, data = await listener.next()
        assert (event, data["code"], data["message"]) == ("error", "banned", "You were banned here.")
        await owner.event("member.left", key, username=name, reason="removed")
        refused = await rest.post(f"/channels/{key}/join")
        assert (refused.status_code, refused.json()["code"]) == (403, "banned")

        await asyncio.to_thread(ban_everywhere, server, name, reason="spam")
        # The moderator's deed, and then the reason for the end.
        for message in ("You were banned everywhere: spam", "This account is banned until 2100-01-02 00:00 UTC: spam"):
            event, data = await listener.next()
            assert (event, data["code"], data["message"]) == ("error", "banned", message)
            assert data["until"] == BAN_UNTIL
            assert (data["reason"], data["is_everywhere"]) == ("spam", True)
        await asyncio.wait_for(listener.gone.wait(), 10)
        login = await rest.post("/channels/general/join")
        assert (login.status_code, login.json()["code"]) == (403, "banned")
    await owner.close()
