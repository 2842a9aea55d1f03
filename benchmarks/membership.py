"""How fast the membership decides, replicates and travels; run as `python -m benchmarks.membership`.

State and snapshot in this process, in processor time, so that nothing else on the machine counts; commands through a
real Redis, with the authority in a process of its own, as in the server: what callers get, and what the authority's
processor time is worth, which is its limit. Prints one line per figure.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.rounds import cpu_s
from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Grace, SessionInfo, Transport
from chat.live.members import members_page
from chat.membership import wire
from chat.membership.authority import Authority
from chat.membership.collection import collection_paused
from chat.membership.feeder import Feeder
from chat.membership.places import Place
from chat.membership.protocol import (
    Batch,
    Block,
    Connect,
    Connected,
    DropWorker,
    Join,
    Leave,
    Mandate,
    Outcome,
    Position,
    Snapshot,
    Tick,
)
from chat.membership.replica import Replica
from chat.membership.state import MembershipState
from reaktor.cluster.redis import find_executable, wait_for_redis
from reaktor.config.model import MembershipTimings
from reaktor.config.redis_at import RedisAt
from reaktor.process.bus import Bus
from reaktor.process.layer import redis_layer
from reaktor.process.redis_layer import RedisLayer

CHANNELS_PER_SESSION = 5
MANDATE = Mandate(1, "benchmark")


def info(number: int, worker: WorkerId) -> SessionInfo:
    chance = random.Random(number)
    return SessionInfo(
        SessionId(f"{chance.getrandbits(128):032x}"),
        UserId(str(uuid.UUID(int=chance.getrandbits(128)))),
        f"user{number}",
        worker,
        Transport.SOCKETIO,
        time.time(),
        Grace(8, 60),
        "203.0.113.7",
    )


def say(what: str, figure: str) -> None:
    print(f"{what:<58} {figure:>22}")


def timed(what: str, count: int, work: Callable[[], object]) -> object:
    started = time.process_time()
    result = work()
    took = time.process_time() - started
    say(what, f"{took * 1000:,.0f} ms" + (f" ({count / took:,.0f}/s)" if count > 1 else ""))
    return result


def measure_state(sessions: int) -> None:
    """The pure parts, at so many sessions in CHANNELS_PER_SESSION channels each."""
    state = MembershipState(1)
    infos = [info(number, WorkerId(1, 1, number % 4, 1)) for number in range(sessions)]
    chance = random.Random(1)
    joins = [
        Join(each.session_id, ChannelKey(f"channel-{chance.randrange(5_000)}"))
        for each in infos
        for _ in range(CHANNELS_PER_SESSION)
    ]
    timed(f"state: connect {sessions:,}", sessions, lambda: [state.apply(Connect(each), 1.0) for each in infos])
    timed(f"state: join {len(joins):,}", len(joins), lambda: [state.apply(join, 1.0) for join in joins])
    timed("state: tick with nothing to do", 1, lambda: state.apply(Tick(), 2.0))
    with collection_paused():
        snapshot = state.snapshot()
        blob = timed("snapshot: pack all of it at once", 1, lambda: wire.pack_snapshot(snapshot))
        assert isinstance(blob, bytes)
        say("snapshot: size, compressed", f"{len(blob) / 1e6:.1f} MB")
        body = wire.snapshot_body(is_greeted=True) | {"blob": blob}
        answer = timed("snapshot: read", 1, lambda: wire.read_snapshot(body))
        assert isinstance(answer, wire.SnapshotAnswer)
        replica = Replica(WorkerId(1, 1, 0, 1))
        replica.follow(snapshot.mandate)
        timed("replica: install the first one", 1, lambda: replica.restore(answer.snapshot, 0.0))
    assert replica.digest() == state.digest()
    quarter = sessions // 4
    timed(
        f"state: a worker with {quarter:,} sessions dies", 1, lambda: state.apply(DropWorker(WorkerId(1, 1, 0, 1)), 3.0)
    )
    timed("state: its graces end at once", 1, lambda: state.apply(Tick(), 12.0))


def measure_joins() -> None:
    """A join in a worker: the change, and the members that the answer shows."""
    lobby, worker = ChannelKey("lobby"), WorkerId(1, 1, 0, 1)
    for members in (10, 1_000, 10_000, 100_000):
        replica = Replica(worker)
        replica.follow(Mandate(1, ""))
        replica.restore(Snapshot(Position(1, 0)), 0.0)
        there = tuple(Connected(info(number, worker), frozenset({lobby})) for number in range(members))
        replica.offer(Batch(1, 1, there), 0.0)
        took: list[float] = []
        for number in range(members, members + 101):
            joined = Batch(1, number + 1, (Connected(info(number, worker), frozenset({lobby})),))
            started = time.process_time()
            replica.offer(joined, 0.0)
            members_page(replica, lobby, None, 200)
            took.append(time.process_time() - started)
        first, later = took[0] * 1000, sorted(took[1:])[50] * 1000
        say(f"worker: a join of a channel with {members:,}, first / later", f"{first:.2f} / {later:.2f} ms")


@contextlib.contextmanager
def redis_url(port: int = 0) -> Iterator[str]:
    """A Redis of our own: on a Unix socket, as the embedded one, or on a port, as hosts need it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "redis.sock"
        url = f"redis://127.0.0.1:{port}/0" if port else f"unix://{path}"
        at = ["--port", str(port), "--bind", "127.0.0.1", "--unixsocket", str(path)]
        command = [find_executable(), *at, "--save", "", "--dir", folder]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            asyncio.run(wait_for_redis(RedisAt(url), 10))
            yield url
        finally:
            server.terminate()
            server.wait(10)


def new_bus(url: str) -> Bus:
    return Bus(RedisLayer(**redis_layer(RedisAt(url))["CONFIG"]))


async def serve(url: str) -> None:
    """The authority's process."""

    async def no_blocks() -> list[Block]:
        return []

    async def no_places() -> list[Place]:
        return []

    await Authority(
        new_bus(url), MembershipTimings(), mandate=MANDATE, load_blocks=no_blocks, load_places=no_places
    ).run()


@dataclass(frozen=True)
class Called:
    """`took`: seconds from each command to the caller's own replica, sorted. `spent_s`: the authority's processor."""

    callers: int
    seconds: float
    spent_s: float
    took: list[float]

    @property
    def command_us(self) -> float:
        """What one costs the authority. Each caller was connected, too."""
        return self.spent_s / (len(self.took) + self.callers) * 1e6


def new_feeder(bus: Bus, replica: Replica, worker: WorkerId) -> Feeder:
    """Of a worker that has no sessions."""

    async def read_mandate() -> Mandate:
        return MANDATE

    return Feeder(
        bus,
        MembershipTimings(),
        replica,
        worker=worker,
        announce=list,
        here=set,
        on_transitions=lambda transitions: None,
        read_mandate=read_mandate,
    )


async def measure_commands(url: str, callers: int, seconds: float, authority_pid: int) -> Called:
    """Callers that join and leave, each waiting for its own write before the next."""
    worker = WorkerId(1, 1, 0, int(time.time() * 1000))
    bus, replica = new_bus(url), Replica(worker)
    feeder = new_feeder(bus, replica, worker)

    async def read() -> None:
        async for kind, body in bus.listen(wire.worker_mailbox(worker)):
            feeder.on_message(kind, body)

    tasks = [asyncio.create_task(read()), asyncio.create_task(feeder.run())]
    await feeder.wait_ready()
    took: list[float] = []

    async def call(number: int) -> None:
        mine = info(number, worker)
        await feeder.submit(Connect(mine))
        channel = ChannelKey(f"channel-{number % 20}")
        until = time.perf_counter() + seconds
        while (started := time.perf_counter()) < until:
            entry = replica.session(mine.session_id)
            command = Leave if entry is not None and channel in entry.channels else Join
            outcome: Outcome = await feeder.submit(command(mine.session_id, channel))
            assert outcome.is_accepted
            took.append(time.perf_counter() - started)

    before = cpu_s([authority_pid])
    await asyncio.gather(*(call(number) for number in range(callers)))
    spent_s = cpu_s([authority_pid]) - before
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return Called(callers, seconds, spent_s, sorted(took))


def say_called(called: Called) -> None:
    took = called.took
    say("            per second of the authority's processor", f"{1e6 / called.command_us:,.0f} commands")
    middle, late = took[len(took) // 2] * 1000, took[int(len(took) * 0.99)] * 1000
    say(f"over Redis: {called.callers:,} caller(s)", f"{len(took) / called.seconds:,.0f} commands/s")
    say("            command to own replica, p50 / p99", f"{middle:.2f} / {late:.2f} ms")


@contextlib.contextmanager
def authority(url: str) -> Iterator[int]:
    """The pid of a process that decides on that Redis, ended with the block."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.membership", "--serve", url])
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--joins", action="store_true", help="measure joins alone")
    parser.add_argument("--serve", metavar="URL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        asyncio.run(serve(options.serve))
        return
    measure_joins()
    if options.joins:
        return
    measure_state(options.sessions)
    with redis_url() as url, authority(url) as pid:
        for callers in (1, 200, 2_000):
            say_called(asyncio.run(measure_commands(url, callers, options.seconds, pid)))


if __name__ == "__main__":
    main()
