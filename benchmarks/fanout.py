"""Fan-out: one channel of N members, one of them posts. Deliveries per second, latency, connects, memory."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial

from benchmarks.load import Client, Crowd, percentile
from benchmarks.servers import Reaktor, Server, memory_kib

TEXT = "x" * 100
LATENCY_S = 5.0
LONGEST_S = 10.0
LATENCY_RATE = 50


@dataclass
class Figures:
    """What one server did with N members."""

    server: str
    members: int
    connects: float
    memory_kib: float
    alone: float
    in_flight: float
    p50_ms: float
    p99_ms: float


def measure(server: Server, members: int, *, posts: int = 400) -> Figures:
    """Connect N clients, then: posts one at a time, 50 in flight, 50 a second."""
    crowd = Crowd()
    try:
        before = memory_kib(server.worker_pid)
        started = time.monotonic()
        for _ in range(members):
            server.connect(crowd)
        connects = members / (time.monotonic() - started)
        if isinstance(server, Reaktor):
            server.join_all()
        memory = (memory_kib(server.worker_pid) - before) / members
        sender, *receivers = crowd.clients
        settle(crowd)
        alone = _flood(server, crowd, sender, receivers, posts, in_flight=1)
        in_flight = _flood(server, crowd, sender, receivers, posts * 5, in_flight=50)
        latencies = _pace(server, crowd, sender, receivers)
        p50, p99 = (percentile(latencies, share) * 1000 for share in (0.5, 0.99))
        return Figures(server.name, members, connects, memory, alone, in_flight, p50, p99)
    finally:
        crowd.close()


def settle(crowd: Crowd) -> None:
    """Until nothing comes any more for a moment."""
    while True:
        before = sum(client.received_bytes for client in crowd.clients)
        crowd.pump(lambda: False, 0.3)
        if sum(client.received_bytes for client in crowd.clients) == before:
            return


def _flood(
    server: Server, crowd: Crowd, sender: Client, receivers: list[Client], posts: int, *, in_flight: int
) -> float:
    """Deliveries per second to the receivers, with so many posts not yet delivered to all of them.

    A slow server is sent fewer `posts`: nothing more after LONGEST_S.
    """
    crowd.count(receivers, server.marker)
    goal = len(receivers)
    started = time.monotonic()
    sent = 0
    while crowd.counted < posts * goal:
        delivered = crowd.counted // goal
        if time.monotonic() - started > LONGEST_S:
            posts = sent
        while sent < posts and sent - delivered < in_flight:
            server.post(sender, TEXT, sent)
            sent += 1
        wanted = min((delivered + 1) * goal, posts * goal)
        if not crowd.pump(partial(_reached, crowd, wanted), 30):
            raise RuntimeError(f"{server.name} delivered {crowd.counted} of {posts * goal}, then nothing")
    return posts * goal / (time.monotonic() - started)


def _reached(crowd: Crowd, wanted: int) -> bool:
    return crowd.counted >= wanted


def _pace(server: Server, crowd: Crowd, sender: Client, receivers: list[Client]) -> list[float]:
    """Seconds from post to receipt, at LATENCY_RATE posts a second; each text carries its time."""
    for client in receivers:
        client.latencies.clear()
        client.wants_latency = True
    started = time.monotonic()
    for number in range(int(LATENCY_S * LATENCY_RATE)):
        due = started + number / LATENCY_RATE
        while time.monotonic() < due:
            crowd.pump(lambda: False, max(due - time.monotonic(), 0.0005))
        server.post(sender, f"@{time.monotonic():.6f}@".ljust(100, "x"), number)
    crowd.pump(lambda: False, 0.5)
    for client in receivers:
        client.wants_latency = False
    return [each for client in receivers for each in client.latencies]
