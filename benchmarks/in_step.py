"""What it costs to come in step with a large membership; run as `python -m benchmarks.in_step`.

Over a real Redis: an authority with so many sessions, in a process of its own, that goes on deciding, and replicas in
processes of their own, which ask all at once. Each comes in step from nothing; then it is made to miss what is said for
a second, as by a lost message, and comes in step again. Prints for each of the two the seconds, the longest stop of the
loops at both ends, by the clock and by what the loop itself used of the processor meanwhile, and the memory.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.membership import CHANNELS_PER_SESSION, MANDATE, info, new_bus, new_feeder, redis_url, say
from benchmarks.rounds import cpu_s
from chat.domain.ids import ChannelKey, SessionId, WorkerId
from chat.domain.sessions import Status
from chat.membership import wire
from chat.membership.authority import Authority
from chat.membership.places import Place
from chat.membership.protocol import Block, Command, Connect, Join, Leave, SetStatus
from chat.membership.replica import Replica
from reaktor.cluster import heap
from reaktor.config.model import MembershipTimings

DEAF_S = 1.0
CHANNELS = 5_000
PATIENCE_S = 300.0
MB = 1024 * 1024


class Stops:
    """The longest time in which the loop gave nobody else a turn."""

    def __init__(self) -> None:
        self.longest_s = self.own_s = 0.0

    async def run(self) -> None:
        while True:
            at, own_at = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self.longest_s = max(self.longest_s, time.perf_counter() - at - 0.001)
            self.own_s = max(self.own_s, time.thread_time() - own_at)

    def take(self) -> tuple[float, float]:
        """By the clock and by the loop's own processor time, since the last call, in milliseconds."""
        found = self.longest_s * 1000, self.own_s * 1000
        self.longest_s = self.own_s = 0.0
        return found


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():  # noqa: ASYNC110  what is waited for is nobody's event
            await asyncio.sleep(0.005)


def memory(name: str) -> int:
    """Bytes: VmRSS, or VmHWM, the most since its start."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


async def settled_memory() -> int:
    gc.collect()
    heap.give_back()
    return memory("VmRSS")


# -- the authority's process --------------------------------------------------------------------------------------


def answer(**figures: Any) -> None:
    print(json.dumps(figures), flush=True)


async def decide(url: str, sessions: int, rate: float) -> None:
    """Say {} when so many sessions are there, and one line of figures after each SIGUSR1; go on until SIGTERM."""

    async def no_blocks() -> list[Block]:
        return []

    async def no_places() -> list[Place]:
        return []

    heap.bound()
    heap.settle()
    authority = Authority(
        new_bus(url), MembershipTimings(), mandate=MANDATE, load_blocks=no_blocks, load_places=no_places
    )
    stops, chance = Stops(), random.Random(2)
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, asked.set)
    async with asyncio.TaskGroup() as group:
        group.create_task(authority.run())
        ids = await fill(authority, sessions)
        group.create_task(stops.run())
        group.create_task(churn(authority, ids, chance, rate))
        while True:
            stops.take()
            revision, at = authority.status()["revision"], time.perf_counter()
            answer()
            await asked.wait()
            asked.clear()
            longest, own = stops.take()
            rate_now = (authority.status()["revision"] - revision) / (time.perf_counter() - at)
            answer(longest=longest, own=own, rate=rate_now)


async def fill(authority: Authority, sessions: int) -> list[SessionId]:
    chance = random.Random(1)
    infos = [info(number, WorkerId(9, 1, number % 4, 1)) for number in range(sessions)]
    for start in range(0, sessions, 500):
        for each in infos[start : start + 500]:
            authority.order(Connect(each))
            for _ in range(CHANNELS_PER_SESSION):
                authority.order(Join(each.session_id, ChannelKey(f"channel-{chance.randrange(CHANNELS)}")))
        there = min(start + 500, sessions)
        await until(lambda there=there: authority.status()["sessions"] >= there)
    return [each.session_id for each in infos]


async def churn(authority: Authority, ids: Sequence[SessionId], chance: random.Random, rate: float) -> None:
    """People join, leave, look away, and come, so many batches a second."""
    at, number = time.perf_counter(), 10_000_000
    while True:
        session, channel = chance.choice(ids), ChannelKey(f"channel-{chance.randrange(CHANNELS)}")
        number += 1
        commands: list[Command] = [
            Join(session, channel),
            Leave(session, channel),
            SetStatus(session, Status.AWAY),
            SetStatus(session, Status.ONLINE),
            Connect(info(number, WorkerId(9, 1, 0, 1))),
        ]
        for command in commands:
            authority.order(command)
            at += 1 / rate
            await asyncio.sleep(max(0.0, at - time.perf_counter()))


# -- a replica's process ------------------------------------------------------------------------------------------


async def follow(url: str, slot: int) -> None:
    """Come in step twice, and say the figures of both."""
    worker = WorkerId(1, 1, slot, int(time.time() * 1000))
    heap.bound()
    heap.settle()
    bus, replica, stops = new_bus(url), Replica(worker), Stops()
    is_deaf = False
    feeder = new_feeder(bus, replica, worker)

    async def read() -> None:
        async for kind, body in bus.listen(wire.worker_mailbox(worker)):
            if not is_deaf:
                feeder.on_message(kind, body)

    async def in_step() -> dict[str, Any]:
        stops.take()
        at = time.perf_counter()
        await until(lambda: feeder.is_in_step)
        took_s = time.perf_counter() - at
        longest, own = stops.take()
        return {"seconds": took_s, "longest": longest, "own": own}

    before = await settled_memory()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(each) for each in (stops.run(), read(), feeder.run())]
        # What is loaded with the first word to Redis, and stops it, too, any worker has loaded long before.
        await until(lambda: feeder.silent_s < PATIENCE_S)
        first = await in_step()
        peak = memory("VmHWM") - before
        picture = await settled_memory() - before
        answer(**first, peak=peak / MB, picture=picture / MB)
        sys.stdin.readline()
        is_deaf = True
        await asyncio.sleep(DEAF_S)
        is_deaf = False
        await until(lambda: not feeder.is_in_step)
        again = await in_step()
        answer(**again, peak=(memory("VmHWM") - before) / MB, picture=(await settled_memory() - before) / MB)
        for task in tasks:
            task.cancel()


# -- the command --------------------------------------------------------------------------------------------------


def started(*options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.in_step", *options]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def show(what: str, authority: subprocess.Popen[str], replicas: Sequence[subprocess.Popen[str]]) -> None:
    before_s = cpu_s([authority.pid])
    found = [said(each) for each in replicas]
    spent_s = cpu_s([authority.pid]) - before_s
    authority.send_signal(signal.SIGUSR1)
    decided = said(authority)
    said(authority)
    slowest = max(found, key=lambda each: each["seconds"])
    say(f"{what}: in step after", f"{slowest['seconds']:.1f} s")
    for who, figures in (("replica", max(found, key=lambda each: each["longest"])), ("authority", decided)):
        say(f"    longest stop of the {who}, of it its own", f"{figures['longest']:.0f} / {figures['own']:.0f} ms")
    say("    the authority: processor, changes a second", f"{spent_s:.1f} s, {decided['rate']:.0f}/s")
    widest = max(found, key=lambda each: each["peak"])
    say("    memory: picture, peak", f"{widest['picture']:.0f} / {widest['peak']:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--rate", type=float, default=300.0, help="batches a second")
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--decide", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--follow", metavar="URL", help=argparse.SUPPRESS)
    parser.add_argument("--slot", type=int, default=0, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decide:
        asyncio.run(decide(options.decide, options.sessions, options.rate))
        return
    if options.follow:
        asyncio.run(follow(options.follow, options.slot))
        return
    with redis_url() as url, contextlib.ExitStack() as stack:
        authority = started("--decide", url, "--sessions", str(options.sessions), "--rate", str(options.rate))
        stack.callback(authority.terminate)
        said(authority)
        replicas = [started("--follow", url, "--slot", str(slot)) for slot in range(options.replicas)]
        for each in replicas:
            stack.callback(each.terminate)
        show(f"{options.replicas} from nothing", authority, replicas)
        for each in replicas:
            assert each.stdin is not None
            each.stdin.write("\n")
            each.stdin.flush()
        show(f"{options.replicas} after a loss", authority, replicas)


if __name__ == "__main__":
    main()
