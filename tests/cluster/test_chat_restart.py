"""The whole server ends, in order or by kill -9, and starts again: Socket.IO clients are where they were.

Real clients of 1.x, 2.x and 4.x; a server of two workers on SQLite and on PostgreSQL, and one that is a single process.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster, chat_cluster
from tests.support.databases import own_database, postgresql_url
from tests.support.js_client import JsClient, js_driver
from tests.support.native import NativeClient
from tests.support.poor_machine import poor_machine
from tests.support.ports import wait_for
from tests.support.seed import TEXT, Seed
from tests.support.server import LiveServer
from tests.support.verdict import new_channels

pytestmark = [pytest.mark.cluster, pytest.mark.interop]

BACK_S = 60.0
# On a slow machine the restart itself takes long.
GRACES = {"SOCKETIO_QUIT_GRACE": "2s", "SOCKETIO_KEEP_GRACE": "2m", "SOCKETIO_RECOVERY": "2m"}
URL = postgresql_url()
RARER = ["one process", *(["postgresql"] if URL else [])]
ON = ["sqlite", *(pytest.param(name, marks=pytest.mark.long) for name in RARER)]
CLIENTS = (("sio17", "websocket"), ("sio25", "polling"), ("sio48", "websocket"), ("sio48", "polling"))
POST = """
from accounts.models import User
from chat.selectors import user_ref
from chat.services import message_post
user = user_ref(User.objects.get(username={name!r}))
for text in {texts!r}:
    message_post(user=user, key={key!r}, text=text, nonce=None, max_chars=4000)
"""
KEPT = """
from chat.models import KeptPlace
from chat.selectors import places_page, worker_places
print("seen", *(place.heads.get({key!r}) for place in places_page(worker_places())[0]))
"""


@pytest.fixture(params=ON)
def chat(request: pytest.FixtureRequest, make_chat: MakeChat, tmp_path: Path) -> Iterator[ChatCluster]:
    if request.param == "sqlite":
        with make_chat(**GRACES) as found:
            yield found
    elif request.param == "one process":
        with make_chat(WORKERS="", **GRACES, **poor_machine(tmp_path / "machine")) as found:
            yield found
    else:
        with own_database(str(URL), f"reaktor_restart_{os.getpid()}") as url:
            server = LiveServer(tmp_path / "data", DATABASE_URL=url)
            server.data_dir.mkdir()
            server.prepare(accounts=8)
            with chat_cluster(server, tmp_path / "chat", WORKERS="2", DATABASE_URL=url, **GRACES) as found:
                yield found


async def heard(client: JsClient, last: str) -> list[str]:
    """The texts of all messages that the client was ever sent, when the last one has come."""
    while (await client.expect_event("message:post", BACK_S))[0]["message"] != last:
        pass
    return [line["args"][0]["message"] for line in client.history if line.get("name") == "message:post"]


async def speaks(chat: ChatCluster, account: tuple[str, str], key: str) -> NativeClient:
    speaker = await NativeClient.connect(chat.url, account[1])
    await speaker.join(key)
    return speaker


def seen(chat: ChatCluster, key: str) -> list[str]:
    """How far each session had come that would be put back if the server ended now."""
    return chat.manage("shell", "-v0", "-c", KEPT.format(key=key)).split()[1:]


def wait_seen(chat: ChatCluster, key: str, wanted: list[str]) -> None:
    wait_for(lambda: seen(chat, key) == wanted, BACK_S, "the places to be written")


async def test_whoever_comes_back_after_a_restart_is_in_its_channels_and_is_sent_what_it_missed_once(
    chat: ChatCluster,
) -> None:
    """They were in no channel, told `not_a_member` when they posted, and sent nothing of what they had missed."""
    (key,) = await new_channels(chat, 1)
    account = chat.account()
    speaker = await speaks(chat, account, key)
    said: list[str] = []
    async with js_driver() as driver:
        users = [Seed(chat, *chat.account()) for _ in CLIENTS]
        fans = [user.open(driver, library, [mode]) for user, (library, mode) in zip(users, CLIENTS, strict=True)]
        for fan, user in zip(fans, users, strict=True):
            await fan.expect_event("logged_in")
            await user.join(key)
        for how in ("stopped", "killed", "killed again"):
            said += [f"before {how}", f"while {how} {TEXT}", f"also while {how}", f"after {how}"]
            seq = (await speaker.post(key, said[-4]))["seq"]
            for fan in fans:
                assert await heard(fan, said[-4]) == said[:-3]
            if how != "stopped" and "one process" in chat.said():
                # Nobody is left to write it once the process is killed: a second later it stands in the table.
                await asyncio.to_thread(wait_seen, chat, key, [str(seq)] * len(fans))
            chat.remember_family()
            chat.process.send_signal(signal.SIGTERM if how == "stopped" else signal.SIGKILL)
            await asyncio.to_thread(chat.wait_exit, BACK_S)
            await speaker.closed()
            await asyncio.to_thread(chat.wait_nothing_left, BACK_S)
            while_down = POST.format(name=account[0], key=key, texts=said[-3:-1])
            await asyncio.to_thread(chat.manage, "shell", "-v0", "-c", while_down)
            chat.start()
            await asyncio.to_thread(chat.wait_serving, BACK_S)
            for fan, (library, _) in zip(fans, CLIENTS, strict=True):
                assert (await fan.expect("disconnect", BACK_S))["reason"] != "io server disconnect"
                assert (await fan.expect("connect", BACK_S))["recovered"] is (True if library == "sio48" else None)
            speaker = await speaks(chat, account, key)
            await speaker.post(key, said[-1])
            for fan in fans:
                assert await heard(fan, said[-1]) == said
        for fan in fans:
            (answer,) = await fan.call("message:post", {"channel": key, "message": "here"})
            assert answer["seq"] > 0
        shown = await speaker.join(key)
        assert {member["username"] for member in shown["members"]} == {account[0], *(user.name for user in users)}
        await speaker.close()
