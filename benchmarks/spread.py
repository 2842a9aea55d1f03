"""Two workers beside one, with the load spread over client addresses: `python -m benchmarks.spread`.

Deliveries per second of wall clock, and per second of the workers' processor time: where the load generator shares the
cores with the workers, the second is what more cores would give.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from benchmarks.fanout import TEXT, settle
from benchmarks.load import Client, Crowd
from benchmarks.servers import Reaktor, cpu_s

MEMBERS = 400
POSTS = 6_000
IN_FLIGHT = 50
"""For each worker: frames that wait together leave in one write, so a worker with less to do pays more for each."""


@dataclass
class Spread:
    """What a crowd was delivered."""

    name: str
    per_s: float
    per_cpu_s: float


def flood(name: str, server: Reaktor, crowd: Crowd, senders: list[Client], receivers: int, delivered: bytes) -> Spread:
    """POSTS posts, IN_FLIGHT per worker not yet delivered to all; every client counts what it is delivered."""
    crowd.count(crowd.clients, delivered)
    goal, in_flight = receivers * POSTS, IN_FLIGHT * server.workers
    before, started, sent = cpu_s(server.worker_pids), time.monotonic(), 0
    while crowd.counted < goal:
        while sent < POSTS and sent - crowd.counted // receivers < in_flight:
            server.post(senders[sent % len(senders)], TEXT, sent)
            sent += 1
        wanted = min(crowd.counted + receivers, goal)
        if not crowd.pump(lambda wanted=wanted: crowd.counted >= wanted, 30):  # type: ignore[misc]
            raise RuntimeError(f"{name}: delivered {crowd.counted} of {goal}, then nothing")
    took = time.monotonic() - started
    return Spread(name, goal / took, goal / (cpu_s(server.worker_pids) - before))


def workers_beside(workers: int) -> Spread:
    """MEMBERS native clients of one channel, from many addresses."""
    with Reaktor(workers=workers) as server:
        for pid in server.worker_pids:
            os.sched_setaffinity(pid, range(os.cpu_count() or 1))
        crowd = Crowd()
        try:
            for number in range(MEMBERS):
                server.connect(crowd, source=f"127.0.0.{number % 100 + 2}")
            settle(crowd)
            return flood(f"{workers} workers", server, crowd, crowd.clients[:8], MEMBERS - 1, server.marker)
        finally:
            crowd.close()


def main() -> None:
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    one, two = workers_beside(1), workers_beside(2)
    print("| what | deliveries/s | per CPU second |\n| --- | --- | --- |")
    for each in (one, two):
        print(f"| {each.name} | {each.per_s:,.0f} | {each.per_cpu_s:,.0f} |")
    wall, free = two.per_s / one.per_s, 2 * two.per_cpu_s / one.per_cpu_s
    print(f"\ntwo workers beside one: {wall:.2f} times; {free:.2f} times where each has a core of its own")


if __name__ == "__main__":
    main()
