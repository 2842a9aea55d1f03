"""What one of each thing costs: Costs, measured on two hosts of one worker each, and on single parts in this process.

The hosts are called here and there: what is done, is done by people of the one, so what the other uses is what it costs
to hear of it. Each figure is the difference to the time with nobody there, or to a stretch with less.
"""

from __future__ import annotations

import asyncio
import socket
import time
import tracemalloc
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from urllib.parse import urlsplit

import orjson

from benchmarks import membership
from benchmarks.fanout import TEXT
from benchmarks.hosts import chat_hosts, redis_pid
from benchmarks.load import RECV_BYTES
from benchmarks.membership import MANDATE, authority, measure_commands, new_bus, redis_url
from benchmarks.people import Stretch, Visits, people
from benchmarks.rounds import cpu_s
from benchmarks.servers import memory_kib
from benchmarks.simulation.reckoning import Costs
from chat.domain.ids import ChannelKey, WorkerId
from chat.membership import wire
from chat.membership.protocol import Batch, Connected, Position, Snapshot
from chat.membership.replica import Replica
from chat.membership.state import MembershipState
from reaktor.process.bus import Bus, BusError, Saying
from tests.support.ports import free_port

CHANNELS = 20
CROWDS, CROWD = 4, 150
"""So many channels with so many readers."""
POSTS_PER_S = 100.0
PONGS_PER_S = 200.0
COMES_PER_S = 15.0
VISITS_PER_S = 8.0
JOINS = 5
OPEN, OPEN_TOGETHER = 1_000, 500
"""Channels that are only open; as many as one session may enter."""
OPEN_S = 10.0
"""All heads are told once in so long."""
CALLERS, CALLS_S = 200, 3.0
SAYINGS, HEARD, TOGETHER = 20_000, 4_000, 100
SAYING_BYTES = 600
SPEAKERS, LISTENERS, MANY_LISTENERS = 50, 8, 64
PICTURE_SESSIONS = 10_000
CHANGES = 2_000
HEADS = 2_000


@dataclass(frozen=True)
class Costly:
    """What it costs where each thing is done alone, and where many are waiting to be done: the loop's turns and the
    transactions then take several."""

    calm: Costs
    busy: Costs


@dataclass(frozen=True)
class Stretches:
    """The same people all the time, but for what each stretch adds."""

    nobody: Stretch
    few: Stretch
    """Posts to one reader, there."""
    many: Stretch
    """Posts to CROWD readers, here."""
    few_pressed: Stretch
    many_pressed: Stretch
    pongs: Stretch
    comes: Stretch
    visits: Stretch
    closed: Stretch
    open: Stretch
    """OPEN channels more, in which nothing is said."""


@dataclass(frozen=True)
class Kib:
    """Resident memory."""

    worker: float
    session: float
    supervisor: float


def measure(seconds: float, text: str = TEXT) -> Costly:
    found, kib = stretches(seconds, text)
    bus, head = bus_us(), beat_us(HEADS) / HEADS
    calm = calm_costs(found, kib, bus.received + beat_us(0), head, picture_kib())
    return Costly(calm, busy_costs(calm, found, busy_command_us(), change_us(), bus))


def stretches(seconds: float, text: str) -> tuple[Stretches, Kib]:
    users = 2 * CHANNELS + CROWDS * (CROWD + 1) + 2 * OPEN // OPEN_TOGETHER
    with chat_hosts(2) as chat, people(chat, users, text) as crowd:
        here, there = chat.hosts
        small, large, idle = _names("small", CHANNELS), _names("large", CROWDS), _names("idle", OPEN)
        here.make_channels([*small, *large, *idle])
        authors = [crowd.sit(name, [here, there])[0] for name in small]
        live, press = partial(crowd.live, seconds), partial(crowd.press, seconds)
        press(authors)  # until the server's code is warm
        nobody = live()
        few, few_pressed = live(authors, POSTS_PER_S), press(authors)
        before_kib = memory_kib(here.worker_pid)
        speakers = [crowd.sit(name, [here] * (CROWD + 1))[0] for name in large]
        session_kib = (memory_kib(here.worker_pid) - before_kib) / (CROWDS * (CROWD + 1))
        many, many_pressed = live(speakers, POSTS_PER_S), press(speakers)
        pongs = live(authors, PONGS_PER_S, say=lambda member: member.client.send(b'{"op":"pong"}'))
        comes = live(visits=Visits(COMES_PER_S, [here]))
        entering = Visits(VISITS_PER_S, [here], small, JOINS)
        live(visits=entering)  # the first join of a user is stored
        visits = live(visits=entering)
        closed = crowd.live(OPEN_S)
        for host in chat.hosts:
            for first in range(0, OPEN, OPEN_TOGETHER):
                crowd.enter(host, idle[first : first + OPEN_TOGETHER])
        opened = crowd.live(OPEN_S)
        kib = Kib(before_kib, session_kib, memory_kib(here.supervisor_pid))
    return Stretches(nobody, few, many, few_pressed, many_pressed, pongs, comes, visits, closed, opened), kib


def _names(kind: str, count: int) -> list[str]:
    return [f"{kind}{number}" for number in range(count)]


@dataclass(frozen=True)
class Added:
    """Microseconds a second of all processes in one stretch, above what they use with nobody there."""

    here: float
    there: float
    holder: float
    standby: float
    redis: float
    postgresql: float


def added(stretch: Stretch, nobody: Stretch | None = None) -> Added:
    def kinds(each: Stretch) -> list[float]:
        used = each.used
        return [share * 1e6 for share in (*used.workers, *used.supervisors, used.redis, used.postgresql)]

    base = [0.0] * 6 if nobody is None else kinds(nobody)
    return Added(*(share - before for share, before in zip(kinds(stretch), base, strict=True)))


def calm_costs(found: Stretches, kib: Kib, beat: float, head: float, picture: float) -> Costs:
    nobody, opened = added(found.nobody), added(found.open, found.closed)
    few, many, pongs, comes, visits = (
        added(each, found.nobody) for each in (found.few, found.many, found.pongs, found.comes, found.visits)
    )
    delivery = (many.here / found.many.posts - few.here / found.few.posts) / CROWD
    commands = found.visits.visits * (2 + JOINS)
    told = 2 * found.visits.visits * JOINS
    """Frames to the one member of each channel here, and as many there."""
    change = (visits.there - told * delivery) / commands
    connect = comes.here / found.comes.visits - 2 * change
    entered = (visits.here - told * delivery - commands * change) / found.visits.visits
    # A post of the few is heard by two workers, one of the many by one. For Redis each who hears it is one write more,
    # and what it is told a read and a write: the difference of the two stretches alone would be lost in chance.
    publish = (few.redis + many.redis) / (found.few.posts * (1 + 2 / 2) + found.many.posts * (1 + 1 / 2))
    sql_connect = comes.postgresql / found.comes.visits
    return Costs(
        worker_s=(nobody.here + nobody.there) / 2,
        feed_s=(opened.here + opened.there) / 2 / OPEN,
        ping=pongs.here / PONGS_PER_S + delivery,
        post=few.here / found.few.posts,
        delivery=delivery,
        heard=there_us(found.few, found.nobody) - delivery,
        change=change,
        connect=connect,
        join=(entered - connect) / JOINS,
        holder_s=nobody.holder,
        standby_s=nobody.standby,
        beat=beat,
        head=head,
        command=visits.holder / commands,
        followed=max(visits.standby / commands, 0),
        redis_host_s=nobody.redis / 2,
        publish=publish,
        heard_by=publish / 2,
        sql_host_s=nobody.postgresql / 2,
        sql_feed_s=max(opened.postgresql, 0) / (2 * OPEN),
        sql_post=(few.postgresql + many.postgresql) / (found.few.posts + found.many.posts),
        sql_connect=sql_connect,
        sql_join=max(visits.postgresql / found.visits.visits - sql_connect, 0) / JOINS,
        worker_kib=kib.worker,
        session_kib=kib.session,
        picture_kib=picture,
        supervisor_kib=kib.supervisor,
    )


def there_us(stretch: Stretch, nobody: Stretch) -> float:
    """What one post costs the worker that only hears of it and tells one reader."""
    return added(stretch, nobody).there / stretch.posts


def busy_costs(calm: Costs, found: Stretches, command: float, change: float, bus: BusCosts) -> Costs:
    few, many = (added(each, found.nobody) for each in (found.few_pressed, found.many_pressed))
    posts = found.few_pressed.posts
    delivery = (many.here / found.many_pressed.posts - few.here / posts) / CROWD
    return replace(
        calm,
        # What is said whatever comes to pass is said among many, too.
        redis_host_s=calm.redis_host_s * bus.publish / calm.publish,
        post=few.here / posts,
        delivery=delivery,
        heard=there_us(found.few_pressed, found.nobody) - delivery,
        change=bus.received + change,
        command=command,
        publish=bus.publish,
        heard_by=bus.heard_by,
        sql_post=few.postgresql / posts,
    )


def busy_command_us() -> float:
    """A command of the authority when many callers wait."""
    with redis_url() as url, authority(url) as pid:
        return asyncio.run(measure_commands(url, CALLERS, CALLS_S, pid)).command_us


@dataclass(frozen=True)
class BusCosts:
    """Redis: what a saying costs it, and each that hears it; what it costs that one to take it."""

    publish: float
    heard_by: float
    received: float


def bus_us() -> BusCosts:
    """When many are said at once."""
    with redis_url(free_port()) as url:
        one, more = (publish_us(url, listeners) for listeners in (1, MANY_LISTENERS))
        received = asyncio.run(received_us(url))
    heard_by = (more - one) / (MANY_LISTENERS - 1)
    return BusCosts(max(one - heard_by, 0.0), heard_by, received)


def publish_us(url: str, listeners: int) -> float:
    """Of Redis, with SPEAKERS who each say the next thing when the last one was taken. Nobody reads what is heard."""
    address, pid = (urlsplit(url).hostname, urlsplit(url).port), redis_pid(url)
    said = b"*3\r\n$7\r\nPUBLISH\r\n$5\r\ngroup\r\n$%d\r\n%b\r\n" % (SAYING_BYTES, b"x" * SAYING_BYTES)
    with ExitStack() as lines, DefaultSelector() as selector:
        for number in range(listeners + SPEAKERS):
            line = lines.enter_context(socket.create_connection(address, 10))
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            selector.register(line, EVENT_READ, number >= listeners)
            line.sendall(said if number >= listeners else b"SUBSCRIBE group\r\n")
        count, before = 0, cpu_s([pid])
        while count < SAYINGS:
            for key, _ in selector.select(10):
                key.fileobj.recv(RECV_BYTES)  # type: ignore[union-attr]
                if key.data:
                    key.fileobj.sendall(said)  # type: ignore[union-attr]
                    count += 1
        return (cpu_s([pid]) - before) / count * 1e6


async def received_us(url: str) -> float:
    """Of a process that hears, for each saying: what one more listener in it adds."""
    one, more = [await _heard_us(url, listeners) for listeners in (1, LISTENERS)]
    return (more - one) / (LISTENERS - 1)


async def _heard_us(url: str, listeners: int) -> float:
    speaker, heard, all_heard = new_bus(url), [0] * listeners, asyncio.Event()
    body = {"events": [{"text": TEXT, "rest": "x" * (SAYING_BYTES - 200)}], "at": time.time()}

    async def listen(number: int, bus: Bus, mailbox: str) -> None:
        async for _ in bus.listen(mailbox):
            heard[number] += 1
            if min(heard) == HEARD:
                all_heard.set()

    buses = [(new_bus(url), f"listener.{listeners}.{number}") for number in range(listeners)]
    tasks = [asyncio.create_task(listen(number, *each)) for number, each in enumerate(buses)]
    async with asyncio.timeout(60):
        for bus, mailbox in buses:
            await _subscribe(bus, mailbox)
        before = time.process_time()
        for _ in range(HEARD // TOGETHER):
            await speaker.broadcast_all([Saying("group", "said", body)] * TOGETHER)
        await all_heard.wait()
        spent_s = time.process_time() - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return spent_s / HEARD * 1e6


async def _subscribe(bus: Bus, mailbox: str) -> None:
    while True:
        try:
            return await bus.subscribe("group", mailbox)
        except BusError:  # its mailbox is not open yet
            await asyncio.sleep(0.01)


def beat_us(heads: int) -> float:
    """What the authority takes to read a worker's beat with so many heads in it."""
    worker, state = WorkerId(1, 1, 1, 1), MembershipState(1)
    moved = {ChannelKey(f"channel-{number}"): number for number in range(heads)}
    said = orjson.dumps(wire.beat_body(wire.Beat(worker, Position(1, 1), "digest", moved, whole=False)))
    rounds = 100
    started = time.process_time()
    for _ in range(rounds):
        state.note_heads(worker, wire.read_beat(orjson.loads(said)).heads)
    return (time.process_time() - started) / rounds * 1e6


def change_us() -> float:
    """What a replica takes to read and apply a batch of one change."""
    replica = Replica(WorkerId(1, 1, 9, 1))
    replica.follow(MANDATE)
    replica.restore(Snapshot(Position(MANDATE.epoch, 0), (), MANDATE.term), 0.0)
    said = [
        orjson.dumps(wire.batch_body(Batch(MANDATE.epoch, number + 1, (_connected(number),), (), MANDATE.term)))
        for number in range(CHANGES)
    ]
    started = time.process_time()
    for each in said:
        replica.offer(wire.read_batch(orjson.loads(each)), 0.0)
    return (time.process_time() - started) / CHANGES * 1e6


def picture_kib() -> float:
    """Memory of a replica for each session in CHANNELS_PER_SESSION channels."""
    replica = Replica(WorkerId(1, 1, 9, 1))
    replica.follow(MANDATE)
    replica.restore(Snapshot(Position(MANDATE.epoch, 0), (), MANDATE.term), 0.0)
    tracemalloc.start()
    try:
        for first in range(0, PICTURE_SESSIONS, TOGETHER):
            connected = tuple(_connected(number) for number in range(first, first + TOGETHER))
            said = orjson.dumps(wire.batch_body(Batch(MANDATE.epoch, first + 1, connected, (), MANDATE.term)))
            replica.offer(wire.read_batch(orjson.loads(said)), 0.0)
        del connected
        assert replica.position.revision == PICTURE_SESSIONS
        return tracemalloc.get_traced_memory()[0] / 1024 / PICTURE_SESSIONS
    finally:
        tracemalloc.stop()


def _connected(number: int) -> Connected:
    channels = (ChannelKey(f"channel-{(number + each * 7) % 500}") for each in range(membership.CHANNELS_PER_SESSION))
    return Connected(membership.info(number, WorkerId(1, 1, number % 4, 1)), frozenset(channels))
