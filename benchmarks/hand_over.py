"""How long joins wait when another server decides: `python -m benchmarks.hand_over [--sessions 10000] [--rounds 5]`.

Two real supervisors with a worker each, on one PostgreSQL and one Redis. The sessions are simulated where a worker
meets the membership: processes with a feeder and a replica, as every worker has them, but no clients. Each process
joins and leaves with one session all the time, one after the other, and says how long the longest took. Prints as well
what standing by costs the server that does not decide: memory, and processor time for each command.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import psutil
import psycopg

from benchmarks.membership import CHANNELS_PER_SESSION, info, say
from benchmarks.rounds import cpu_s
from chat.domain.ids import ChannelKey, SessionId, WorkerId
from chat.domain.sessions import Status
from chat.membership import wire
from chat.membership.feeder import Feeder
from chat.membership.protocol import AnnouncedSession, Connect, Join, Leave, Mandate, Transition
from chat.membership.replica import Replica
from reaktor.config.model import MembershipTimings
from reaktor.config.redis_at import RedisAt
from reaktor.errors import UnavailableError
from reaktor.process.bus import Bus
from reaktor.process.layer import redis_layer
from reaktor.process.redis_layer import RedisLayer
from tests.support.chat_cluster import ChatCluster
from tests.support.chat_hosts import chat_database, chat_hosts
from tests.support.databases import postgresql_url
from tests.support.ports import wait_for

HOST = 77
TOGETHER = 250
PROBE_GAP_S = 0.005
OWN_TURN_S = 3.5
"""Who handed over wants the lease again after 3 s."""


class SimulatedWorker:
    """A worker without clients. Its sessions are in CHANNELS_PER_SESSION channels each."""

    def __init__(self, number: int, redis: str, scope: str, database: str) -> None:
        self.worker = WorkerId(HOST, 1, number, 1)
        self._bus = Bus(RedisLayer(**redis_layer(RedisAt(redis))["CONFIG"]), scope=scope)
        self._database = database.replace("postgres://", "postgresql://", 1)
        self._replica = Replica(self.worker)
        self._live: dict[SessionId, Any] = {}
        self._told = 0
        self.feeder = Feeder(
            self._bus,
            MembershipTimings(),
            self._replica,
            worker=self.worker,
            announce=self._announce,
            here=lambda: self._live.keys(),
            on_transitions=self._on_transitions,
            read_mandate=self._read_mandate,
        )

    def _announce(self) -> list[AnnouncedSession]:
        found = []
        for session_id, mine in self._live.items():
            entry = self._replica.session(session_id)
            channels = frozenset[ChannelKey]() if entry is None else frozenset(entry.channels)
            found.append(AnnouncedSession(mine, Status.ONLINE if entry is None else entry.status, channels))
        return found

    def _on_transitions(self, transitions: Sequence[Transition]) -> None:
        self._told += len(transitions)

    async def _read_mandate(self) -> Mandate:
        async with await psycopg.AsyncConnection.connect(self._database) as connection:
            cursor = await connection.execute("SELECT epoch, term FROM cluster_lease WHERE duty = 'authority'")
            row = await cursor.fetchone()
        return Mandate(0, "") if row is None else Mandate(*row)

    async def _read(self) -> None:
        async for kind, body in self._bus.listen(wire.worker_mailbox(self.worker)):
            self.feeder.on_message(kind, body)

    async def _begin(self, number: int) -> None:
        mine = info(number, self.worker)
        self._live[mine.session_id] = mine
        await self.feeder.submit(Connect(mine))
        for place in range(CHANNELS_PER_SESSION):
            await self.feeder.submit(Join(mine.session_id, ChannelKey(f"channel-{(number * 7 + place) % 500}")))

    async def run(self, sessions: int, commands: IO[str]) -> None:
        """Begin them, say "ready", then probe until told to say what the longest was; "" ends it."""
        tasks = [asyncio.create_task(self._read()), asyncio.create_task(self.feeder.run())]
        await self.feeder.wait_ready()
        numbers = range(self.worker.slot * sessions, (self.worker.slot + 1) * sessions)
        for first in range(0, sessions, TOGETHER):
            await asyncio.gather(*(self._begin(number) for number in numbers[first : first + TOGETHER]))
        print("ready", flush=True)
        longest_s, told = 0.0, self._told
        asked = asyncio.create_task(asyncio.to_thread(commands.readline))
        mine, command = next(iter(self._live)), 0
        while True:
            if asked.done():
                if not asked.result().strip():
                    break
                print(json.dumps({"longest_s": longest_s, "told": self._told - told}), flush=True)
                longest_s, told = 0.0, self._told
                asked = asyncio.create_task(asyncio.to_thread(commands.readline))
            began = time.perf_counter()
            while True:
                with contextlib.suppress(UnavailableError):
                    await self.feeder.submit((Join, Leave)[command % 2](mine, ChannelKey("probe")))
                    break
            command += 1
            longest_s = max(longest_s, time.perf_counter() - began)
            await asyncio.sleep(PROBE_GAP_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def ask(worker: subprocess.Popen[str]) -> dict[str, Any]:
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write("say\n")
    worker.stdin.flush()
    found: dict[str, Any] = json.loads(worker.stdout.readline())
    return found


def is_in_step(host: ChatCluster) -> bool:
    return bool(host.status()["authority"].get("is_in_step"))


def measure(hosts: list[ChatCluster], database: str, redis: str, options: argparse.Namespace) -> None:
    with psycopg.connect(database.replace("postgres://", "postgresql://", 1)) as connection:
        row = connection.execute("SELECT cluster_id FROM chat_clusteridentity").fetchone()
        assert row is not None
    standby = psutil.Process(hosts[1].process.pid)
    wait_for(lambda: is_in_step(hosts[1]), 20, "the standby to be in step")
    memory, spent_s = standby.memory_info().rss, cpu_s([standby.pid])
    each = options.sessions // options.workers
    arguments = ["--sessions", str(each), "--redis", redis, "--scope", f"reaktor:{row[0]}:", "--database", database]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hand_over", "--simulate", str(number), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(options.workers)
    ]
    try:
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        commands = options.sessions * (1 + CHANNELS_PER_SESSION)
        took_s = cpu_s([standby.pid]) - spent_s
        say("standing by: memory that it adds", f"{(standby.memory_info().rss - memory) / 1e6:.1f} MB")
        say("standing by: processor time for one command", f"{took_s / commands * 1e6:.0f} µs")
        for number in range(options.rounds):
            holder, other = hosts[number % 2], hosts[1 - number % 2]
            wait_for(lambda at=other: is_in_step(at), 20, "the other one to be in step")
            time.sleep(OWN_TURN_S)
            calm = max(ask(worker)["longest_s"] for worker in workers)
            began = time.perf_counter()
            done = holder.order(do="hand-over")
            ordered_s = time.perf_counter() - began
            time.sleep(1.0)
            found = [ask(worker) for worker in workers]
            longest = max(each["longest_s"] for each in found)
            say(
                f"hand-over {number + 1} to {done['holder']}: the longest join (in calm)",
                f"{longest * 1000:.0f} ms ({calm * 1000:.0f} ms)",
            )
            say("            until the order was answered", f"{ordered_s * 1000:.0f} ms")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4, help="processes that have the sessions")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--simulate", type=int, help=argparse.SUPPRESS)
    for name in ("--redis", "--scope", "--database"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.simulate is not None:
        simulated = SimulatedWorker(options.simulate, options.redis, options.scope, options.database)
        asyncio.run(simulated.run(options.sessions, sys.stdin))
        return
    url = postgresql_url()
    if url is None:
        sys.exit("It needs a PostgreSQL: TEST_DATABASE_URL names none, and none on 127.0.0.1:5432 lets us in.")
    with (
        tempfile.TemporaryDirectory() as folder,
        chat_database(Path(folder) / "prepared", url, f"reaktor_hand_over_{os.getpid()}") as prepared,
        chat_hosts(Path(folder), prepared) as begin,
    ):
        hosts = [begin(name).wait_serving(60) for name in ("a", "b")]
        measure(hosts, prepared.database_url, hosts[0].environment["REDIS_URL"], options)


if __name__ == "__main__":
    main()
