"""Badges: after any sequence of what moves them, over two processes and a bus that loses things, with answers and
events in any order, each device shows what a recount finds. A device here counts as docs/protocol.md tells clients to.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat import publish, retention, selectors, services
from chat.delivery import wire
from chat.delivery.hub import Hub
from chat.delivery.wire import Audience
from chat.domain.events import Event
from chat.domain.following import Level
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.live import activity
from chat.live.activity import Activities
from chat.live.broadcast import Broadcast
from chat.live.feeds import Feeds
from chat.models import Channel, Message, Thread
from chat.posting.batches import Post, Stored, store_batch
from chat.posting.writer import Committed
from reaktor.db.database import Database
from reaktor.errors import ReaktorError
from reaktor.process.bus import Bus
from tests.support.badge import Badge, fold
from tests.support.databases import channel_of, user_ref
from tests.support.delivery import FakeFormat, FakeSession

pytestmark = pytest.mark.django_db


class Store:
    """The database, asked in the test's own thread."""

    async def read(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        return function(*arguments, **options)


class NoFeeds:
    """Devices here are in no channel."""

    def offer(self, key: ChannelKey, deliveries: Sequence[Any]) -> None:
        for delivery in deliveries:
            if delivery.acknowledge is not None:
                delivery.acknowledge()


class Process:
    """The live half of one worker, whose bus is the test."""

    def __init__(self, world: World) -> None:
        self.hub = Hub(unsent_bytes=10_000_000, on_dirty=lambda: None)
        self.activities = Activities(self.hub, cast(Database, Store()), self.say)
        self.broadcast = Broadcast(cast(Bus, None), self.hub, cast(Feeds, NoFeeds()), self.activities, is_alone=False)
        self._world = world

    def say(self, body: Mapping[str, Any]) -> None:
        self.broadcast.say_activities(body)

    def flush(self) -> None:
        """What waits to be said is said, and what waits to be told is told."""
        if self.activities._unsaid:
            self.activities._say_rest(self.say)
        queue = self.broadcast._outgoing
        waiting = [queue.get_nowait() for _ in range(queue.qsize())]
        self._world.chance.shuffle(waiting)
        for saying in waiting:
            self._world.carry(self, saying)
        self.activities._tell_rest()
        self.hub.flush()


class Device:
    """One session of a user, and what it shows of each channel."""

    def __init__(self, user: UserRef, process: Process) -> None:
        self.user, self.process = user, process
        self.session = FakeSession(f"{user.username} {uuid.uuid4().hex[:4]}", FakeFormat(), user=user.id)
        process.hub.attach(self.session)
        found = selectors.channels_access(user=user)
        began = time.monotonic()
        process.activities.begin(user.id, selectors.follows_of([user.id])[user.id], began)
        seen = {each.channel.key: each.channel.number for each in found}
        greeted = [selectors.channel_data(each, online=0) for each in found]
        process.activities.started(self.session, seen, greeted, began)
        self.badges = {data["key"]: Badge(data) for data in greeted}
        self.answers: list[tuple[str, Any]] = []
        self._taken = 0

    def take(self, chance: random.Random) -> None:
        """What came since: events in their order, answers before them, among them or behind them."""
        self.process.hub.flush()
        came = [(frame["event"], frame["channel"], frame["data"]) for frame in self.session.frames[self._taken :]]
        self._taken = len(self.session.frames)
        answers, self.answers = self.answers, []
        for key, data in answers:
            came.insert(chance.randint(0, len(came)), ("read.updated", key, data))
        for event, channel, data in came:
            fold(self.badges, event, channel, data)

    def shown(self) -> dict[str, tuple[int, int]]:
        return {key: (badge.unread, badge.mentions) for key, badge in self.badges.items()}


class World:
    """Two processes, three people with one device or two, and three channels."""

    def __init__(self, chance: random.Random, monkeypatch: pytest.MonkeyPatch, *, has_threads: bool) -> None:
        self.chance = chance
        self.has_threads = has_threads
        self.is_lossy = True
        self.people = [user_ref(name) for name in ("ann", "bob", "eve")]
        self.ann = self.people[0]
        self.tea = channel_of(self.ann, "tea")
        self.secret = services.channel_create(user=self.ann, name="Secret", kind="private").channel.key
        self.direct = services.direct_open(user=self.ann, username="bob")[0].channel.key
        self.keys = [self.tea, self.secret, self.direct]
        self.processes = [Process(self), Process(self)]
        monkeypatch.setattr(publish, "to_user", self._to_user)
        monkeypatch.setattr(publish, "durable", self._durable)
        self.devices: list[Device] = []
        self.devices = [
            Device(user, process)
            for user in self.people
            for process in chance.sample(self.processes, chance.randint(1, 2))
        ]

    def carry(self, sender: Process, saying: Any) -> None:
        for process in self.processes:
            if process is not sender and not (self.is_lossy and self.chance.random() < 0.3):
                process.broadcast.on_message(saying.kind, saying.body)

    @property
    def some_process(self) -> Process:
        return self.chance.choice(self.processes)

    def _to_user(self, user_id: UserId, event: Event, *, exclude: Any = None) -> None:
        self.some_process.broadcast.ephemeral(event, Audience(user_id=user_id, exclude=exclude))

    def _durable(self, *events: Event) -> None:
        self.some_process.broadcast.durable(events)

    # -- What happens --------------------------------------------------------------------------------------------

    def post(self) -> None:
        key = self.chance.choice(self.keys)
        texts = ["hi", "@bob look", "@ann @eve", "@channel @eve", "@here"]
        present = frozenset(user.id for user in self.people if self.chance.random() < 0.6)
        posts = [
            Post(
                self.chance.choice(self.people),
                key,
                self.chance.choice(texts),
                uuid.uuid4().hex,
                present=present,
                **self.thread(key),
            )
            for _ in range(self.chance.randint(1, 3))
        ]
        results = store_batch(posts)
        committed = [
            Committed(post, result, lambda stored: None)
            for post, result in zip(posts, results, strict=True)
            if isinstance(result, Stored)
        ]
        self.some_process.broadcast.stored(committed)
        for each in committed:
            author = [device for device in self.devices if device.user.id == each.post.author.id]
            if len(author) == 1 and each.stored.marker is not None:
                # It was said with this device, which has the answer.
                author[0].answers.append((key, wire.read_updated(each.stored.message, each.stored.marker).data))

    def thread(self, key: str) -> dict[str, Any]:
        """Of a post: some are in a thread, and some of those in the channel, too."""
        roots = list(Message.objects.filter(channel__key=key, thread_id=None, deleted_at=None).order_by("-number")[:3])
        if not roots or not self.has_threads or self.chance.random() < 0.6:
            return {}
        return {"thread": str(self.chance.choice(roots).pk), "also_in_channel": self.chance.random() < 0.3}

    def read_thread(self) -> None:
        if not self.has_threads:
            return
        device = self.chance.choice(self.devices)
        threads = list(Thread.objects.order_by("root_number", "channel_id").select_related("channel"))
        if not threads:
            return
        thread = self.chance.choice(threads)
        key = thread.channel.key
        try:
            answer = services.thread_read(
                user=device.user,
                key=key,
                thread=str(thread.pk),
                number=thread.last_number,
                session_id=device.session.info.session_id,
            )
        except ReaktorError:
            return
        if key in device.badges:
            device.badges[key].mark(answer)

    def read(self) -> None:
        device = self.chance.choice(self.devices)
        if not device.badges:
            return
        key = self.chance.choice(list(device.badges))
        number = self.chance.randint(0, device.badges[key].number)
        try:
            answer = services.read_mark(
                user=device.user,
                key=key,
                number=number,
                is_back=self.chance.random() < 0.3,
                session_id=device.session.info.session_id,
            )
        except ReaktorError:
            return
        device.answers.append((key, answer))

    def delete(self) -> None:
        key = self.chance.choice(self.keys)
        channel = Channel.objects.get(key=key)
        if messages := channel.messages.filter(deleted_at=None).order_by("number"):
            message = self.chance.choice(messages)
            author = next(user for user in self.people if user.id == str(message.author_id))
            try:
                services.message_delete(user=author, key=key, message_id=str(message.pk))
            except ReaktorError:
                return  # of somebody who has left

    def keep_few(self) -> None:
        Channel.objects.filter(key=self.tea).update(retention_messages=5)
        found = retention.retention_find(days=0, messages=0, now=datetime.now(UTC))
        retention.retention_apply(found, rest=lambda seconds: None)
        Channel.objects.filter(key=self.tea).update(retention_messages=None)

    def belong(self) -> None:
        user = self.chance.choice(self.people[1:])
        act = self.chance.choice(["join", "leave", "invite", "ban", "lift", "nothing", "mentions", "block"])
        try:
            if act == "join":
                services.membership_join(user=user, key=self.tea)
            elif act == "leave":
                services.membership_leave(user=user, key=self.chance.choice([self.tea, self.secret]))
            elif act == "invite":
                services.invite_accept(user=user, code=services.invite_create(user=self.ann, key=self.secret)["code"])
            elif act in {"nothing", "mentions"}:
                services.level_set(user=user, key=self.tea, level=act)
            elif act == "block":
                services.user_block(user=user, username="ann")
            elif act == "ban":
                services.sanction_issue(user=self.ann, kind="ban", username=user.username, channel=self.tea)
            else:
                services.sanction_lift_all(user=self.ann, username=user.username, channel=self.tea)
        except ReaktorError:
            return

    def flush(self) -> None:
        self.some_process.flush()

    def take(self) -> None:
        self.chance.choice(self.devices).take(self.chance)

    def come_anew(self) -> None:
        """A device is reloaded."""
        old = self.chance.choice(self.devices)
        old.process.hub.detach(old.session)
        if not old.process.hub.sessions_of(old.user.id):
            old.process.activities.end(old.user.id)
        self.devices[self.devices.index(old)] = Device(old.user, old.process)

    # -- In the end ----------------------------------------------------------------------------------------------

    def arrive(self) -> None:
        """All that was said and asked for has come, and nothing more is compared with the store."""
        for process in self.processes:
            process.flush()
        for process in self.processes:
            activities = process.activities
            counted, activities._to_count = activities._to_count, set()
            done(activities._tell_reads(list(counted)))
            process.flush()
        for device in self.devices:
            device.take(self.chance)

    def settle(self) -> None:
        """Nothing is lost any more, and all that is compared with the store once in a round has been."""
        self.is_lossy = False
        for process in self.processes:
            process.flush()
        for process in self.processes:
            activities = process.activities
            users = list({each.user.id for each in self.devices})
            told, activities._to_read = activities._to_read, {}
            # What was told is looked at first, then comes the round.
            for round_of in (told, dict.fromkeys(users)):
                for user_id, follows in selectors.follows_of(list(round_of)).items():
                    done(activities._put(user_id, follows, round_of[user_id]))
            keys = [*activities.follows.channels(direct=True), *activities.follows.channels(direct=False)]
            done(activities._tell_what_is_newer(keys))
            done(tell_moved(activities, users))
        for process in self.processes:
            process.flush()
        for device in self.devices:
            device.take(self.chance)

    def recount(self, device: Device) -> dict[str, tuple[int, int]]:
        found = selectors.channels_access(user=device.user)
        return {each.channel.key: (each.marker.unread(each.channel.head), each.mentions) for each in found}

    def told_nothing(self, device: Device) -> list[str]:
        found = selectors.channels_access(user=device.user)
        return [each.channel.key for each in found if each.level is Level.NOTHING]


async def tell_moved(activities: activity.Activities, users: list[UserId]) -> None:
    await activities._tell_reads(await activities._moved(users))


def done(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run one that waits for nothing: a loop would ask the database outside of the test's transaction."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


class NoLoop:
    """Says and tells later, when the test lets it."""

    def call_later(self, seconds: float, function: Callable[..., None], *arguments: Any) -> None:
        """See Process.flush()."""


async def no_sleep(seconds: float) -> None:
    """Nothing is on its way here."""


Deed = Callable[[World], None]
DEEDS: dict[Deed, int] = {
    World.post: 6, World.read: 4, World.read_thread: 2, World.delete: 1, World.keep_few: 1, World.belong: 2,
    World.come_anew: 1, World.flush: 6, World.take: 6,
}  # fmt: skip
"""What may happen, and how often it does."""
NEEDS_NO_ROUND = {World.post, World.read, World.read_thread, World.come_anew, World.flush, World.take}
"""All that they move is told at once, or is in an answer. A deleted mention is counted off within a round."""


def steps_of(deeds: Collection[Deed]) -> st.SearchStrategy[list[tuple[Deed, int]]]:
    """Deeds, each with the seed of its own chances: without one of them the others do as before."""
    often = [deed for deed, times in DEEDS.items() if deed in deeds for _ in range(times)]
    return st.lists(st.tuples(st.sampled_from(often), st.integers(0, 2**32)), min_size=10, max_size=120)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), steps=steps_of(DEEDS))
def test_every_device_shows_what_a_recount_finds(seed: int, steps: list[tuple[Deed, int]]) -> None:
    with played(seed, steps, is_lossy=True) as world:
        world.settle()
        hold_to_a_recount(world)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), steps=steps_of(NEEDS_NO_ROUND))
def test_where_nothing_is_lost_every_device_shows_it_at_once(seed: int, steps: list[tuple[Deed, int]]) -> None:
    with played(seed, steps, is_lossy=False) as world:
        world.arrive()
        hold_to_a_recount(world)


@contextmanager
def played(seed: int, steps: Sequence[tuple[Deed, int]], *, is_lossy: bool) -> Iterator[World]:
    """The world after these steps. None of it is kept."""
    loop = SimpleNamespace(get_running_loop=NoLoop, sleep=no_sleep, Event=asyncio.Event)
    with transaction.atomic(), pytest.MonkeyPatch.context() as patches:
        patches.setattr(activity, "asyncio", loop)
        world = World(random.Random(seed), patches, has_threads=seed % 2 == 1)
        world.is_lossy = is_lossy
        for deed, chances in steps:
            world.chance = random.Random(chances)
            deed(world)
        yield world
        transaction.set_rollback(True)


def hold_to_a_recount(world: World) -> None:
    for device in world.devices:
        shown, counted = device.shown(), world.recount(device)
        for key in world.told_nothing(device):
            # Of what is said there nobody tells them, so they may know of fewer messages than there are.
            assert shown[key][0] <= counted[key][0]
            counted[key] = (shown[key][0], counted[key][1])
        assert shown == counted, device.user.username
