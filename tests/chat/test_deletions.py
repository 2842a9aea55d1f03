"""The task that empties deleted accounts: it finds what there is to do, does all of it, and survives its failures."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from accounts.models import User
from chat import deletions
from chat.deletions import Deletions
from chat.domain.ids import SYSTEM, UserRef
from chat.models import Deletion, Message, Purge
from chat.services import leaving, purge
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from tests.support.databases import channel_of, user_ref
from tests.support.rest import post
from tests.support.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


def written(count: int) -> UserRef:
    """Somebody whose account was deleted a moment ago, with so many messages to lose."""
    ann = user_ref("ann")
    key = channel_of(ann, "tea")
    for index in range(count):
        post(User.objects.get(pk=ann.id), f"m{index}", key=key)
    leaving.account_leave(user_id=ann.id, removes_messages=True)
    return ann


def left() -> int:
    return Message.objects.filter(deleted_at=None).count()


async def test_everything_goes_in_batches_after_a_failure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deletions, "LOOK_S", 0.01)
    monkeypatch.setattr(deletions, "BETWEEN_S", 0.0)
    monkeypatch.setattr(leaving, "BATCH", 3)
    database = Database(DatabaseConfig())
    ann = await database.read(written, 8)
    results: list[bool | None] = []
    remove = leaving.account_messages_remove

    def fails_once(**arguments: object) -> bool:
        results.append(None if len(results) == 1 else remove(user_id=ann.id))
        if results[-1] is None:
            raise RuntimeError("something unforeseen")
        return results[-1]

    monkeypatch.setattr(leaving, "account_messages_remove", fails_once)
    task = asyncio.create_task(Deletions(database).run())
    try:
        await until(lambda: results[-1:] == [False])
        assert results == [True, None, True, True, False]
        assert await database.read(left) == 0
        assert not await database.read(Deletion.objects.exists)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(database.close)


async def test_what_a_purge_left_over_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a restart interrupted stayed where it was, and the moderator was told nothing."""
    monkeypatch.setattr(deletions, "LOOK_S", 0.01)
    monkeypatch.setattr(deletions, "BETWEEN_S", 0.0)
    monkeypatch.setattr(purge, "BATCH", 3)
    database = Database(DatabaseConfig())

    def begin() -> None:
        bob = user_ref("bob")
        key = channel_of(None, "tea")
        for index in range(8):
            post(User.objects.get(pk=bob.id), f"m{index}", key=key)
        purge.purge_begin(user=SYSTEM, username="bob", hours=2, channel=key)

    await database.write(begin)
    task = asyncio.create_task(Deletions(database).run())
    try:
        async with asyncio.timeout(30):
            while await database.read(Purge.objects.exists):  # noqa: ASYNC110  rows tell nobody that they went
                await asyncio.sleep(0.01)
        assert await database.read(left) == 0
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(database.close)
