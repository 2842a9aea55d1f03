"""Real Socket.IO clients of every generation, over each transport, lose their worker: it is killed, or drained."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import dataclass

import pytest
import socketio

from tests.support.chat_cluster import ChatCluster
from tests.support.js_client import LIBRARIES, JsClient, js_driver
from tests.support.native import NativeClient
from tests.support.ports import wait_for
from tests.support.seed import TEXT, Seed
from tests.support.verdict import new_channels

pytestmark = [pytest.mark.cluster, pytest.mark.interop]

MODES = (["websocket"], ["polling"], ["polling", "websocket"])
BACK_S = 30.0


@dataclass
class Fan:
    """One client, and what it has heard: (id, text) of each message in the order in which they came."""

    library: str
    client: JsClient

    async def hear_until(self, text: str) -> list[str]:
        """The texts up to this one. What came twice counts once: after a crash a beat's worth may, and its id tells."""
        heard: dict[str, str] = {}
        while text not in heard.values():
            (message,) = await self.client.expect_event("message:post", BACK_S)
            heard.setdefault(message["id"], message["message"])
        return list(heard.values())


@pytest.mark.parametrize("how", ["killed", "drained"])
async def test_clients_of_a_worker_that_goes_come_back_to_their_channels_and_to_what_they_missed(
    chat: ChatCluster, how: str
) -> None:
    """Twelve JavaScript clients of eight users and Python's, most users with as many sessions as allowed (2).

    So nobody may be refused for the ghost of an own session. They come from 127.0.0.1, which is slot 1's; what joins
    them, and who speaks to them, is on worker 2.
    """
    (key,) = await new_channels(chat, 1)
    speaker = await NativeClient.connect(chat.url, chat.account()[1], local_addr=(chat.source(2), 0))
    async with js_driver() as driver, speaker:
        await speaker.join(key)
        users = [Seed(chat, *chat.account()) for _ in range(9)]
        # One generation per user: a client that names no session takes its user's last, another client's too.
        kinds = [(library, mode) for library in LIBRARIES for mode in MODES]
        fans = [
            Fan(library, users[number // 3 * 2 + number % 3 // 2].open(driver, library, mode))
            for number, (library, mode) in enumerate(kinds)
        ]
        for fan in fans:
            await fan.client.expect("connect")
            await fan.client.expect_event("logged_in")
        python, heard = await python_client(chat, users[8])
        for user in users:
            answer = await asyncio.to_thread(chat.request, "POST", f"/channels/{key}/join", user.token, chat.source(2))
            assert answer.status_code == 200
        await speaker.post(key, "before")
        await asyncio.gather(*(fan.hear_until("before") for fan in fans))

        before = chat.pid(1)
        if how == "killed":
            chat.kill(1)
        else:
            os.kill(chat.process.pid, signal.SIGHUP)
        for fan in fans:
            # On "io server disconnect", which `41` says, clients stay away for good.
            assert (await fan.client.expect("disconnect", BACK_S))["reason"] != "io server disconnect"
        # Kept by the clients until they are back, and sent then at once.
        offline = [f"offline {number}" for number in range(len(fans))]
        for fan, text in zip(fans, offline, strict=True):
            fan.client.emit("message:post", {"channel": key, "message": text})
        if how == "drained":
            # The speaker's worker is replaced as well.
            await speaker.closed()
            speaker = await NativeClient.connect(chat.url, chat.account()[1], local_addr=(chat.source(2), 0))
            await speaker.join(key)
        missed = [f"missed {number} {TEXT}" for number in range(3)]
        for text in missed:
            await speaker.post(key, text)
        backs = [await fan.client.expect("connect", BACK_S) for fan in fans]
        await asyncio.to_thread(chat.wait_replaced, 1, before)
        await speaker.post(key, "after")
        await asyncio.to_thread(wait_for, lambda: set(offline) <= stored(chat, users[0], key), BACK_S, "what they said")
        for fan, back in zip(fans, backs, strict=True):
            said = {"before", *offline}
            assert [text for text in await fan.hear_until("after") if text not in said] == [*missed, "after"]
            assert (back["recovered"] is True) == (fan.library == "sio48")
        await asyncio.to_thread(wait_for, lambda: "after" in heard, BACK_S, "Python's client to hear it all")
        assert [text for text in dict.fromkeys(heard) if text not in {"before", *offline}] == [*missed, "after"]
        for fan in fans:
            (answer,) = await fan.client.call("message:post", {"channel": key, "message": "here"})
            assert answer["seq"] > 0
        shown = await speaker.join(key)
        assert {user.name for user in users} < {member["username"] for member in shown["members"]}
        for fan in fans:
            fan.client.do("close")
        await python.disconnect()
        await speaker.close()
        await asyncio.to_thread(chat.wait_agreed, 0)


def stored(chat: ChatCluster, user: Seed, key: str) -> set[str]:
    """The texts of the channel's last messages."""
    answer = chat.request("GET", f"/channels/{key}/messages?start=0&end=100", user.token, chat.source(2))
    return {json.loads(each)["message"] for each in answer.json()["messages"]}


async def python_client(chat: ChatCluster, user: Seed) -> tuple[socketio.AsyncClient, list[str]]:
    """A connected python-socketio client that comes back by itself, and the texts that it hears."""
    client = socketio.AsyncClient(reconnection=True, reconnection_delay=0.1, reconnection_delay_max=1)
    heard: list[str] = []
    client.on("message:post", lambda data: heard.append(data["message"]))
    await client.connect(chat.url, auth={"token": user.token}, wait_timeout=10)
    return client, heard


@pytest.mark.parametrize("older", ["sio17", "sio31"])
async def test_an_older_and_a_newer_client_of_one_user_lose_their_worker_and_each_is_in_its_own_channel_again(
    chat: ChatCluster, older: str
) -> None:
    """Both are lost in the same moment; the older one names nothing, and can't be told from the newer one's like."""
    mine = dict(zip((older, "sio48"), await new_channels(chat, 2), strict=True))
    speaker = await NativeClient.connect(chat.url, chat.account()[1], local_addr=(chat.source(2), 0))
    async with js_driver() as driver, speaker:
        user = Seed(chat, *chat.account())
        fans = {each: Fan(each, user.open(driver, each, ["websocket"])) for each in mine}
        for fan in fans.values():
            await fan.client.expect_event("logged_in")
        for key in mine.values():
            await speaker.join(key)
            answer = await asyncio.to_thread(chat.request, "POST", f"/channels/{key}/join", user.token, chat.source(2))
            assert answer.status_code == 200
        for each, other in ((older, "sio48"), ("sio48", older)):
            await fans[each].client.call("user : left", {"channel": mine[other]})
        chat.kill(1)
        for fan in fans.values():
            await fan.client.expect("disconnect", BACK_S)
        for key in mine.values():
            await speaker.post(key, f"missed in {key}")
        assert (await fans["sio48"].client.expect("connect", BACK_S))["recovered"] is True
        for each, other in ((older, "sio48"), ("sio48", older)):
            await fans[each].hear_until(f"missed in {mine[each]}")
            (answer,) = await fans[each].client.call("message:post", {"channel": mine[each], "message": "here"})
            assert answer["seq"] > 0
            (refused,) = await fans[each].client.call("message:post", {"channel": mine[other], "message": "no"})
            assert refused["error"]["code"] == "not_a_member"


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_message_is_stored_once_when_it_is_sent_again_with_its_nonce_to_other_workers(
    chat: ChatCluster, library: str
) -> None:
    """Over a new connection to the worker that took the place of a killed one, and over native to a third."""
    (key,) = await new_channels(chat, 1)
    user = Seed(chat, *chat.account())
    async with js_driver() as driver:
        client = user.open(driver, library, ["websocket"])
        await client.expect_event("logged_in")
        answer = await asyncio.to_thread(chat.request, "POST", f"/channels/{key}/join", user.token, chat.source(2))
        assert answer.status_code == 200
        post = {"channel": key, "message": "once", "nonce": "n1"}
        first = await client.call("message:post", post)
        chat.kill(1)
        await client.expect("disconnect", BACK_S)
        await client.expect("connect", BACK_S)
        assert await client.call("message:post", post) == first
        async with await NativeClient.connect(chat.url, user.token, local_addr=(chat.source(2), 0)) as native:
            await native.join(key)
            again = await native.request("message.send", key, text="once", nonce="n1")
            assert (again["id"], again["seq"], again["duplicate"]) == (first[0]["id"], first[0]["seq"], True)
        assert await asyncio.to_thread(stored_count, chat, user, key) == 1


def stored_count(chat: ChatCluster, user: Seed, key: str) -> int:
    answer = chat.request("GET", f"/channels/{key}/messages?start=0&end=100", user.token, chat.source(2))
    return len(answer.json()["messages"])
