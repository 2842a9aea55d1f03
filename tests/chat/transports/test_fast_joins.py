"""Joins without Django: what they do to sessions, how they count, and when the store or Django is asked all the same.

That their answers are Django's, byte for byte, is compared in test_fast_gets.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from accounts.models import User
from chat.domain.ids import WorkerId
from chat.domain.sessions import SessionInfo, Transport
from chat.membership.protocol import Connect
from chat.transports.seed import channels as seed
from reaktor.config.model import Delivery, Limits, Rate
from reaktor.errors import BannedError
from tests.chat.transports.test_fast_gets import World, world_of
from tests.reaktor.web.test_threads import Asked
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.membership import FIRST, session_info
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

THERE = WorkerId(1, 1, 1, 1)


async def join(world: World, kind: str = "public", who: int = 1, **headers: str) -> Asked:
    path = f"/channels/{world.channels[kind]}/join"
    return await world.ask(path, b"", {**world.headers[who], **headers}, method="POST")


async def test_the_sessions_of_the_user_enter(tmp_path: Path) -> None:
    async with world_of(tmp_path) as world:
        member, key = world.users["member"], world.channels["private"]
        session = FakeSession("s1", FakeFormat(), user=member.id)
        session.user = member
        session.info = SessionInfo(session.info.session_id, member.id, member.username, FIRST, Transport.SOCKETIO, 0.0)
        await world.runtime.connect(session, lambda: User.objects.get(pk=member.id))
        answer = await join(world, "private")
        assert (answer.status, world.passed) == (200, 0)
        assert key in session.channels
        assert orjson.loads(answer.body)["onlineUsers"] == [{"username": member.username, "status": "online"}]


async def test_joins_count(tmp_path: Path) -> None:
    async with world_of(tmp_path, Limits(join=Rate(2, 3600))) as world:
        assert [(await join(world)).status for _ in range(3)] == [200, 200, 429]
        assert world.passed == 0


async def test_what_the_membership_refuses_is_said_once_and_as_django_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world_of(tmp_path) as world:
        asked: list[object] = []

        async def refused(*what: object) -> None:
            asked.append(what)
            raise BannedError

        monkeypatch.setattr(world.runtime.remote_join, "join_user", refused)
        ours = await join(world)
        assert (ours.status, len(asked), world.passed) == (403, 1, 0)
        theirs = await world.ask(
            f"/channels/{world.channels['public']}/join", b"", world.headers[1], world.django, "POST"
        )
        assert (ours.status, ours.body) == (theirs.status, theirs.body)


async def test_a_membership_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seed, "JOIN_TIMEOUT_S", 0.05)
    async with world_of(tmp_path) as world:

        async def hang(*_: object) -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(world.runtime.remote_join, "join_user", hang)
        assert ((await join(world)).status, world.passed) == (503, 0)


async def test_whoever_has_a_session_on_another_worker_is_shown_what_is_stored(tmp_path: Path) -> None:
    """That session may have entered behind a message that this worker has not heard of: it is told by the answer."""
    async with world_of(tmp_path) as world:
        await world.change("public", "owner", "post")
        info = session_info("s1", world.users["member"].id, THERE, transport=Transport.SOCKETIO)
        await world.runtime.feeder.submit(Connect(info))
        await until(lambda: world.runtime.sessions_of(info.user_id))
        await world.change_elsewhere("public", "owner", "post")
        answer = await join(world)
        assert (len(orjson.loads(answer.body)["messages"]), world.passed) == (2, 0)


@pytest.mark.parametrize("headers", [{"Content-Length": "2"}, {"Transfer-Encoding": "chunked"}])
async def test_a_join_with_a_body_is_for_django(tmp_path: Path, headers: dict[str, Any]) -> None:
    async with world_of(tmp_path) as world:
        await join(world, **headers)
        assert world.passed == 1
        await join(world, **{"Content-Length": "0"})
        assert world.passed == 1


async def test_a_channel_with_a_hole_or_without_a_feed_is_for_django(tmp_path: Path) -> None:
    async with world_of(tmp_path) as world:
        feed = world.runtime.feeds.get(world.channels["public"])
        assert feed is not None
        feed.hole_since = 1.0
        await join(world)
        assert world.passed == 1
        world.channels["public"] = type(feed.key)("general")
        await join(world)
        assert world.passed == 2


def test_a_feed_remembers_as_many_messages_as_a_join_shows() -> None:
    assert Delivery().join_messages >= seed.JOIN_MESSAGES
