"""The keeper: one process at a time has the index follow, and another one goes on where it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import StringIO

import pytest
from django.core.management import call_command

from chat import services
from chat.domain.ids import ChannelKey, UserRef
from chat.models import SearchPlace
from chat.search import indexing
from chat.search import keeper as keeper_module
from chat.search.keeper import Keeper
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from tests.chat.search.conftest import found, post
from tests.support.databases import channel_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
WAIT_S = 60.0
run = asyncio.to_thread
"""The loop's own thread asks no database."""


@asynccontextmanager
async def keeping(holder: str = "one") -> AsyncIterator[Keeper]:
    database = Database(DatabaseConfig())
    keeper = Keeper(database, holder=holder, may_act=lambda: True)
    life = asyncio.create_task(keeper.run())
    try:
        yield keeper
        await keeper.give_back()
    finally:
        life.cancel()
        await asyncio.gather(life, return_exceptions=True)
        await run(database.close)


async def comes(user: UserRef, q: str, texts: list[str]) -> None:
    """Until a search brings these."""
    async with asyncio.timeout(WAIT_S):
        while await run(found, user, q) != texts:  # noqa: ASYNC110  it comes from a database
            await asyncio.sleep(0.05)


async def test_what_is_posted_edited_and_deleted_is_followed_by_one_and_then_by_another(
    ann: UserRef, tea: ChannelKey
) -> None:
    async with keeping() as keeper:
        (first,) = await run(post, ann, tea, "green tea")
        await comes(ann, "tea", ["green tea"])
        await run(lambda: services.message_edit(user=ann, key=tea, message_id=first, text="pot", max_chars=9))
        await comes(ann, "pot", ["pot"])
        assert keeper.indexed_total >= 2
    await run(lambda: services.message_delete(user=ann, key=tea, message_id=first))
    await run(post, ann, tea, "while nobody kept it")
    async with keeping("other"):
        await comes(ann, "kept", ["while nobody kept it"])


async def test_what_was_there_before_comes_by_and_by(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexing, "CHANGES", 2)
    await run(post, ann, tea, *["old tea"] * 7)
    async with keeping():
        await comes(ann, "tea", ["old tea"] * 7)
    assert not await run(SearchPlace.objects.filter(back__gt=0).exists)


async def test_in_a_flood_little_is_indexed_of_each_channel_and_afterwards_all(
    ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It kept up with whoever posted most, with the processor that posting needed."""
    monkeypatch.setattr(keeper_module, "FLOOD_PER_S", 20)
    pot = await run(channel_of, ann, "pot")
    for key in (tea, pot):
        await run(post, ann, key, "first")
    await run(indexing.index_now)
    for key in (tea, pot):
        await run(post, ann, key, *[f"tea in {key}"] * 60)
    database = Database(DatabaseConfig())
    keeper = Keeper(database, holder="one", may_act=lambda: True, clock=lambda: 0.0)
    try:
        await keeper._round()
        assert sorted(await run(found, ann, "in")) == [*["tea in pot"] * 5, *["tea in tea"] * 5]
        await keeper._round()
        assert len(await run(found, ann, "in")) == 120, "nothing more has come"
    finally:
        await run(database.close)


async def test_of_two_one_keeps_it(ann: UserRef, tea: ChannelKey) -> None:
    async with keeping("one") as one:
        await run(post, ann, tea, "first tea")
        await comes(ann, "tea", ["first tea"])
        async with keeping("other") as other:
            await run(post, ann, tea, "second tea")
            await comes(ann, "second", ["second tea"])
            assert (one.indexed_total, other.indexed_total) == (2, 0)


def test_the_command_says_how_far_it_is_and_makes_it_anew(ann: UserRef, tea: ChannelKey) -> None:
    def said(*options: str) -> str:
        out = StringIO()
        call_command("search_index", *options, stdout=out)
        return out.getvalue()

    post(ann, tea, "green tea", "black tea")
    assert said() == "1 channels have changes to be indexed, and 2 messages of before are to come.\n"
    assert "2 messages were indexed.\n0 channels" in said("--now")
    assert len(found(ann, "tea")) == 2
    assert said("--rebuild").startswith("The index is empty.\n1 channels")
    assert found(ann, "tea") == []
