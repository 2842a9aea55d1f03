"""Sends are limited in all processes together, without a question per message: the writer asks for its whole batch."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pytest

from chat.domain.ids import ChannelKey, UserId
from chat.models import Message
from chat.posting.batches import Post, Result, Stored
from chat.posting.textrules import CurrentTextRules
from chat.posting.writer import Writer
from reaktor.config.model import Database as DatabaseConfig
from reaktor.config.model import Limits, Rate
from reaktor.db.database import Database
from reaktor.errors import RateLimitedError
from reaktor.limits.rates import Limit, Rates
from reaktor.limits.sharedlimits import SharedCounts
from tests.support.databases import channel_of, user_ref
from tests.support.redis import RedisServer, running_redis
from tests.support.waiting import until

ANN = UserId("0198f000-0000-7000-8000-000000000001")
LIMITS = Limits(send=Rate(5, 60))


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def process(redis: RedisServer) -> Rates:
    """The limits of one more process of the same server."""
    shared = SharedCounts(redis.at, "reaktor:one:")
    return Rates(LIMITS, shared, shared)


@pytest.mark.django_db(transaction=True)
async def test_what_was_sent_through_another_process_counts_here_and_refusals_come_in_their_place(
    redis: RedisServer,
) -> None:
    config = DatabaseConfig()
    database = Database(config)
    ann, ben = await database.read(user_ref, "ann"), await database.read(user_ref, "ben")
    tea: ChannelKey = await database.read(channel_of, ann, "tea")
    here, elsewhere = process(redis), process(redis)
    for _ in range(3):
        elsewhere.check(Limit.SEND, ann.id)
    assert await asyncio.to_thread(elsewhere.sends_elsewhere, [ann.id] * 3) == [None] * 3
    rules = CurrentTextRules(Limits())
    writer = Writer(database, config, here, rules, lambda done: [each.on_result(each.stored) for each in done])
    task = asyncio.create_task(writer.run())
    results: list[Result] = []
    try:
        for author, text in [(ann, "1"), (ann, "2"), (ann, "3"), (ben, "4"), (ann, "5")]:
            here.check(Limit.SEND, author.id)
            writer.submit(Post(author, tea, text, None), results.append)
        await until(lambda: len(results) == 5)
        stored = [each.message["text"] for each in results if isinstance(each, Stored)]
        refused = [each for each in results if isinstance(each, RateLimitedError)]
        assert stored == ["1", "2", "4"]
        assert len(refused) == 2
        assert all(0 < (each.retry_after_s or 0) <= 60 for each in refused)
        assert await database.read(Message.objects.filter(channel__key=tea).count) == 3
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await asyncio.to_thread(database.close)
