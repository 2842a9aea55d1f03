"""Retention beside a live cluster: who is there goes on, who comes sees what is left, on every worker."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from tests.support.chat_cluster import ChatCluster
from tests.support.native import NativeClient
from tests.support.verdict import new_channels

pytestmark = pytest.mark.cluster


async def test_live_sessions_and_newcomers_agree_with_the_store(chat: ChatCluster) -> None:
    (key,) = await new_channels(chat, 1)
    accounts = [chat.account() for _ in range(4)]
    ann, bob = [
        await NativeClient.connect(chat.url, token, local_addr=(chat.source(slot), 0))
        for slot, (_, token) in zip((1, 2), accounts, strict=False)
    ]
    await ann.join(key)
    await bob.join(key)
    for number in range(1, 9):
        await ann.post(key, f"message {number}")
    await bob.message("message 8")

    def trim() -> str:
        command = [sys.executable, "manage.py", "apply_retention", f"--channel={key}"]
        environment = {**chat.environment, "RETENTION_MESSAGES": "3"}
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=60).stdout

    assert f"{key}: 5 messages" in await asyncio.to_thread(trim)
    async with asyncio.timeout(5):
        for slot, (_, token) in zip((1, 2), accounts[2:], strict=True):
            # The command says it on the bus; within 2 s at the latest each worker finds out itself.
            while True:
                client = await NativeClient.connect(chat.url, token, local_addr=(chat.source(slot), 0), resume={key: 3})
                joined = await client.join(key)
                await client.close()
                if len(joined["messages"]) == 3:
                    break
            assert [message["number"] for message in joined["messages"]] == [6, 7, 8]
            assert client.greeting["resume"][key] == {"reset": True, "seq": 8}
    sent = await bob.post(key, "message 9")
    assert (sent["number"], sent["seq"]) == (9, 9)
    assert (await ann.message("message 9"))["number"] == 9
    page = await ann.request("message.list", key, limit=100)
    assert [message["number"] for message in page["messages"]] == [6, 7, 8, 9]
    assert not page["has_more"]
    assert not [frame for frame in ann.all_events if frame["event"] == "sync.required"]
    await ann.close()
    await bob.close()
