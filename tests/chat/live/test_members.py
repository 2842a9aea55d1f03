"""Who is in a channel, in pages: for live sessions, for views, and as the beginning of the answer to a join."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from channels.layers import InMemoryChannelLayer

from accounts.models import User
from chat.domain.events import JoinData
from chat.domain.ids import ChannelKey, UserRef
from chat.live import actions
from chat.live.runtime import Runtime
from chat.models import Channel
from reaktor.config.model import Config, Delivery
from reaktor.errors import InvalidError, NotFoundError
from reaktor.process import node
from tests.support.databases import channel_of, user_ref
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.runtime import running_runtime

pytestmark = pytest.mark.django_db(transaction=True)
TEA = ChannelKey("tea")


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    config = Config(tmp_path, delivery=Delivery(members_page=2))
    async with running_runtime(config, InMemoryChannelLayer(capacity=100_000)) as made:
        node.install(node.Node(asyncio.get_running_loop(), made.bus, made))
        await made.database.write(channel_of, None, TEA)
        yield made
        node.clear()


async def joined(runtime: Runtime, name: str) -> tuple[FakeSession, JoinData]:
    user: UserRef = await runtime.database.write(user_ref, name)
    session = FakeSession(name, FakeFormat(), user=user.id)
    session.user = user
    await runtime.connect(session, lambda: User.objects.get(pk=user.id))
    answers: list[JoinData] = []
    await actions.join_channel(runtime, session, TEA, None, answers.append)
    return session, answers[0]


async def test_a_join_shows_the_first_members_and_where_the_others_are(runtime: Runtime) -> None:
    """`GET members` and the lists of a join named everybody in one answer, however many they were."""
    for name in ("eve", "dan"):
        await joined(runtime, name)
    session, answer = await joined(runtime, "bob")
    # FakeSession calls itself by its user's id: what is asked here is how many, and in which order.
    assert (len(answer["members"]), answer["member_count"]) == (2, 3)
    rest = await actions.list_members(runtime, session, TEA, answer["members_next"])
    assert (len(rest["results"]), rest["next"]) == (1, None)
    names = [each["username"] for each in [*answer["members"], *rest["results"]]]
    assert names == sorted(set(names))
    whole = await asyncio.to_thread(runtime.members_for_view, TEA, 10.0, limit=9)
    assert whole == {"results": [*answer["members"], *rest["results"]], "next": None}
    with pytest.raises(InvalidError, match="cursor"):
        await actions.list_members(runtime, session, TEA, "2_x")
    with pytest.raises(InvalidError, match="cursor"):
        await asyncio.to_thread(runtime.members_for_view, TEA, 10.0, cursor="x")


async def test_members_of_a_private_channel_are_told_to_nobody_outside_it(runtime: Runtime) -> None:
    session, _ = await joined(runtime, "bob")
    await runtime.database.write(Channel.objects.filter(key=TEA).update, kind="private")
    with pytest.raises(NotFoundError):
        await actions.list_members(runtime, session, TEA, None)
