"""The courier with a real push service: who is here has time to read, everybody else is told, each once."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from chat import services
from chat.domain import notices as rules
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.sessions import Status
from chat.models import ClusterLease, Notice, OutboxEntry, PushSubscription
from chat.notices import due as store
from chat.notices.courier import Courier
from chat.notices.preferences import preferences_change
from chat.notices.targets import Targets
from chat.notices.vapid import Vapid
from chat.notices.webpush import WebPush
from chat.services.duty import FREE_S, Duty
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from tests.chat.notices.conftest import Subscribe
from tests.chat.notices.test_due import friends
from tests.chat.notices.test_outbox import post
from tests.support.push_service import Answer, Browser, PushService
from tests.support.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]
__all__ = ["friends"]
WAIT_S = 60.0


class World:
    """Who is here, for a courier; and couriers, which end with the test."""

    def __init__(self, service: PushService, targets: Targets) -> None:
        self.service, self.targets = service, targets
        self.status: dict[UserId, Status] = {}
        self.is_in_step = True

    def courier(self, database: Database, holder: str = "one") -> Courier:
        vapid = Vapid("v" * 40, "mailto:admin@chat.example")
        return Courier(
            database,
            holder=holder,
            status_of=lambda user_id: self.status.get(user_id),
            is_in_step=lambda: self.is_in_step,
            open_push=lambda: WebPush(self.targets, vapid, self.service.trust()),
            home="https://chat.example",
        )

    @asynccontextmanager
    async def running(self, holder: str = "one") -> AsyncIterator[Courier]:
        database = Database(DatabaseConfig())
        courier = self.courier(database, holder)
        life = asyncio.create_task(courier.run())
        try:
            yield courier
        finally:
            life.cancel()
            await asyncio.gather(life, return_exceptions=True)
            await run(database.close)


@pytest.fixture
def world(service: PushService, targets: Targets) -> World:
    return World(service, targets)


run = asyncio.to_thread
"""The loop's own thread asks no database."""


async def empty() -> None:
    """Until nothing waits any more."""

    async def is_empty() -> bool:
        return not await run(lambda: Notice.objects.exists() or OutboxEntry.objects.exists())

    deadline = asyncio.get_running_loop().time() + WAIT_S
    while not await is_empty():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)


async def test_who_is_not_here_is_told_and_each_browser_once(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    first, second = await run(subscribe, bob), await run(subscribe, bob)
    world.status[bob.id] = Status.AWAY
    ids = [await run(post, ann, friends, f"hello {number}") for number in range(3)]
    async with world.running() as courier:
        await until(lambda: len(first.pushes) == len(second.pushes) == 3, WAIT_S)
        await empty()
    for browser in (first, second):
        assert sorted(browser.texts) == ["hello 0", "hello 1", "hello 2"]
        assert {push.content["tag"] for push in browser.pushes} == set(ids)
        assert {push.topic for push in browser.pushes} == {pk.replace("-", "") for pk in ids}
    assert courier.outcomes["sent"] == 6


async def test_without_preview_a_push_says_nothing_of_who_wrote_what(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    browser = await run(subscribe, bob)
    await run(preferences_change, uuid.UUID(bob.id), {"preview": False})
    pk = await run(post, ann, friends, "our secret")
    async with world.running():
        await until(lambda: browser.pushes, WAIT_S)
    assert browser.pushes[0].content == {"tag": pk, "channel": friends, "number": 3, "title": "", "text": ""}


async def test_a_push_of_a_reply_says_in_which_thread_it_is(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    root = await run(post, bob, friends, "tea?")
    browser = await run(subscribe, bob)
    await run(post, ann, friends, "green", thread=root)
    async with world.running():
        await until(lambda: browser.pushes, WAIT_S)
    assert browser.pushes[0].content["thread"] == root


async def test_who_is_here_and_reads_is_not_told(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    browser = await run(subscribe, bob)
    world.status[bob.id] = Status.ONLINE
    await run(post, ann, friends)

    def is_waiting() -> bool:
        return Notice.objects.filter(push_at__gt=datetime.now(UTC) + timedelta(seconds=1)).exists()

    async with world.running() as courier:
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while not await run(is_waiting):
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        await run(lambda: services.read_mark(user=bob, key=friends, number=3))
        await run(lambda: Notice.objects.update(push_at=datetime.now(UTC)))
        await empty()
    assert (browser.pushes, courier.outcomes["dropped"]) == ([], 1)


async def test_who_is_here_and_does_not_read_is_told_after_a_while(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    browser = await run(subscribe, bob)
    world.status[bob.id] = Status.ONLINE
    await run(post, ann, friends)
    async with world.running():
        await run(_make_older)
        await until(lambda: browser.pushes, WAIT_S)
        await empty()


def _make_older() -> None:
    """As if the message were half a minute old, once its notice is there."""
    for _ in range(600):
        if Notice.objects.update(created_at=datetime.now(UTC) - rules.WAIT, push_at=datetime.now(UTC)):
            return
        threading.Event().wait(0.05)
    raise AssertionError("no notice was made")


async def test_one_who_leaves_meanwhile_is_told_at_once(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    browser = await run(subscribe, bob)
    world.status[bob.id] = Status.ONLINE
    await run(post, ann, friends)
    async with world.running():
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while not await run(Notice.objects.exists):
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
        del world.status[bob.id]
        await until(lambda: browser.pushes, WAIT_S)
    assert datetime.now(UTC) - _created(browser) < rules.WAIT


def _created(browser: Browser) -> datetime:
    """A message's id says when it was made (RFC 9562)."""
    milliseconds = int(browser.pushes[0].topic[:12], 16)
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


async def test_a_browser_that_is_gone_is_forgotten_and_the_others_are_told(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    gone, here = await run(subscribe, bob, name="gone"), await run(subscribe, bob)
    world.service.answers["/push/gone"] = (410, {}, b"")
    await run(post, ann, friends)
    async with world.running():
        await until(lambda: here.pushes, WAIT_S)
        await empty()
        await until(lambda: world.service.asked.count("/push/gone") == 1, WAIT_S)
    kept = await run(lambda: list(PushSubscription.objects.values_list("endpoint", flat=True)))
    assert kept == [here.endpoint]
    assert gone.pushes == []


async def test_a_service_that_is_busy_is_asked_again_and_no_other_is(
    ann: UserRef,
    bob: UserRef,
    friends: ChannelKey,
    subscribe: Subscribe,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "BACKOFF_S", 0.2)
    busy, here = await run(subscribe, bob, name="busy"), await run(subscribe, bob, name="here")
    refusals: Iterator[Answer] = iter([(503, {}, b""), (429, {}, b"")])

    def answer() -> Answer:
        return next(refusals, (201, {}, b""))

    world.service.answers["/push/busy"] = answer
    await run(post, ann, friends, "at last")
    async with world.running() as courier:
        await until(lambda: busy.pushes, WAIT_S)
        await empty()
    assert (busy.texts, here.texts) == (["at last"], ["at last"])
    assert world.service.asked.count("/push/here") == 1
    assert courier.outcomes["later"] == 2


async def test_what_a_service_refuses_is_kept_for_the_operator(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    await run(subscribe, bob, name="refuses")
    world.service.answers["/push/refuses"] = (413, {}, b"")
    await run(post, ann, friends)
    async with world.running():
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while not (failed := await run(lambda: Notice.objects.exclude(failed_at=None).first())):
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
    assert (failed.problem, failed.push_at) == ("the push service answered 413", None)


async def test_what_was_sent_and_not_noted_is_sent_again_under_the_same_tag(
    ann: UserRef,
    bob: UserRef,
    friends: ChannelKey,
    subscribe: Subscribe,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A courier dies between the push and the note of it: the next one does not know."""
    browser = await run(subscribe, bob)
    await run(post, ann, friends)

    def dies(*args: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(store, "pushes_settle", dies)
        async with world.running("first"):
            await until(lambda: browser.pushes, WAIT_S)
    await run(lambda: Notice.objects.update(push_at=datetime.now(UTC)))
    await run(lambda: ClusterLease.objects.update(holder=""))
    async with world.running("second"):
        await until(lambda: len(browser.pushes) == 2, WAIT_S)
        await empty()
    assert len({push.topic for push in browser.pushes}) == len({push.content["tag"] for push in browser.pushes}) == 1


async def test_a_courier_that_does_not_know_who_is_here_does_nothing(
    ann: UserRef, bob: UserRef, friends: ChannelKey, subscribe: Subscribe, world: World
) -> None:
    browser = await run(subscribe, bob)
    world.is_in_step = False
    await run(post, ann, friends)
    async with world.running() as courier:
        await asyncio.sleep(0)
        for _ in range(20):
            await courier._round(None)  # type: ignore[arg-type]  # it comes to no task
        assert browser.pushes == []
        assert await run(OutboxEntry.objects.count) == 1
        world.is_in_step = True
        await until(lambda: browser.pushes, WAIT_S)


# -- One at a time


def test_one_process_has_the_duty_until_it_is_not_heard_of() -> None:
    now = [0.0]
    one, other = (Duty("notices", name, lambda: now[0]) for name in ("one", "other"))
    assert one.hold()
    for _ in range(10):
        now[0] += 2
        assert one.hold()
        assert not other.hold()
    now[0] += FREE_S - 0.1
    assert not one.is_held
    assert not other.hold()
    now[0] += 0.2
    assert other.hold()
    assert not one.hold(), "it comes back and finds another one there"
    other.release()
    assert one.hold()


def test_two_that_find_it_free_do_not_both_have_it() -> None:
    from tests.support.threads import at_once

    duties = [Duty("notices", str(number), lambda: 0.0) for number in range(4)]
    assert sum(map(bool, at_once(*[duty.hold for duty in duties]))) == 1
