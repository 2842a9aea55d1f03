"""PostgreSQL dies and its standby takes its place: what was acknowledged is there, and clients read it all anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.chat_cluster import chat_cluster
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer
from tests.support.standby import primary_and_standby
from tests.support.verdict import new_channels
from tests.support.waiting import until

pytestmark = [pytest.mark.cluster, pytest.mark.long]

BACK_S = 60.0


async def test_what_was_acknowledged_is_on_the_standby_and_a_new_history_begins(tmp_path: Path) -> None:
    with primary_and_standby() as pair:
        server = LiveServer(tmp_path / "data", DATABASE_URL=pair.primary)
        server.data_dir.mkdir()
        server.prepare(accounts=4)
        with chat_cluster(server, tmp_path / "chat", WORKERS="2", DATABASE_URL=pair.primary) as chat:
            (key,) = await new_channels(chat, 1)
            _, token = chat.account()
            acknowledged: list[str] = []
            async with await NativeClient.connect(chat.url, token) as speaker:
                epoch = speaker.greeting["epoch"]
                await speaker.join(key)
                posting = asyncio.create_task(post(speaker, key, acknowledged))
                await until(lambda: len(acknowledged) >= 30, 30)
                pair.kill_primary()
                await posting
            assert await asyncio.to_thread(chat.stop) == 0
            pair.promote()
            chat.environment["DATABASE_URL"] = pair.standby
            chat.start()
            await asyncio.to_thread(chat.wait_serving, BACK_S)
            assert "a new history begins" in chat.said()
            async with await NativeClient.connect(chat.url, token) as reader:
                assert reader.greeting["epoch"] != epoch
                await reader.join(key)
                assert [text for text in await texts(reader, key) if text in acknowledged] == acknowledged


async def post(speaker: NativeClient, key: str, acknowledged: list[str]) -> None:
    """One after another, until one is refused."""
    while True:
        text = f"number {len(acknowledged)}"
        try:
            await speaker.post(key, text)
        except Refused:
            return
        acknowledged.append(text)


async def texts(reader: NativeClient, key: str) -> list[str]:
    found: list[str] = []
    last, has_more = 0, True
    while has_more:
        page = await reader.request("message.list", key, after=last, limit=100)
        found += [each["text"] for each in page["messages"]]
        last, has_more = max([last, *(each["number"] for each in page["messages"])]), page["has_more"]
    return found
