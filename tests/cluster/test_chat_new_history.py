"""A new history: refused beside a server, and after it every client reads anew, also one that is put back elsewhere."""

from __future__ import annotations

import asyncio
import subprocess

import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.js_client import js_driver
from tests.support.native import NativeClient
from tests.support.seed import Seed
from tests.support.verdict import new_channels

pytestmark = [pytest.mark.cluster, pytest.mark.interop, pytest.mark.long]

BACK_S = 60.0
GRACES = {"SOCKETIO_QUIT_GRACE": "2s", "SOCKETIO_KEEP_GRACE": "2m", "SOCKETIO_RECOVERY": "2m"}


async def epoch_of(chat: ChatCluster, account: tuple[str, str]) -> str:
    async with await NativeClient.connect(chat.url, account[1]) as client:
        return str(client.greeting["epoch"])


async def test_after_a_new_history_every_client_reads_anew(make_chat: MakeChat) -> None:
    """A Socket.IO client can't compare epochs: it was put back, and took new messages for old ones of their numbers."""
    with make_chat(**GRACES) as chat:
        (key,) = await new_channels(chat, 1)
        account = chat.account()
        before = await epoch_of(chat, account)
        async with js_driver() as driver:
            user = Seed(chat, *chat.account())
            fan = user.open(driver, "sio48", ["websocket"])
            await fan.expect_event("logged_in")
            await user.join(key)
            async with await NativeClient.connect(chat.url, account[1]) as speaker:
                await speaker.join(key)
                await speaker.post(key, "before")
                await fan.expect_event("message:post", BACK_S)
            refused = await asyncio.to_thread(refusal, chat)
            assert "A server is running on this database. Stop it first" in refused
            assert await asyncio.to_thread(chat.stop) == 0
            said = await asyncio.to_thread(chat.manage, "new_history")
            assert said == "A new history has begun: clients read everything anew.\n"
            chat.start()
            await asyncio.to_thread(chat.wait_serving, BACK_S)
            assert (await fan.expect("connect", BACK_S))["recovered"] is False
            assert await epoch_of(chat, account) != before


def refusal(chat: ChatCluster) -> str:
    with pytest.raises(subprocess.CalledProcessError) as failed:
        chat.manage("new_history")
    return str(failed.value.stderr)
