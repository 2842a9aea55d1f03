"""Fan-out: one channel of N members, one of them posts. What the scenarios measure deliveries and latency with."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.load import Client, Crowd
from benchmarks.rounds import Round, Watch
from benchmarks.servers import Reaktor, Server

TEXT = "x" * 100
LONGEST_S = 10.0
LAST_S = 0.5
"""How long the last posts of a paced round may take to arrive."""


@contextmanager
def gathered(server: Server, members: int) -> Iterator[Crowd]:
    """So many clients in the server's channel, and nothing more to come."""
    crowd = Crowd()
    try:
        for _ in range(members):
            server.connect(crowd)
        if isinstance(server, Reaktor):
            server.join_all()
        settle(crowd)
        yield crowd
    finally:
        crowd.close()


def settle(crowd: Crowd) -> None:
    """Until nothing comes any more for a moment."""
    while True:
        before = sum(client.received_bytes for client in crowd.clients)
        crowd.pump(lambda: False, 0.3)
        if sum(client.received_bytes for client in crowd.clients) == before:
            return


def flood(server: Server, crowd: Crowd, posts: int, *, in_flight: int) -> Round:
    """Deliveries to all but the first client, who posts, with so many posts not yet delivered to all of them.

    A slow server is sent fewer `posts`: nothing more after LONGEST_S.
    """
    sender, *receivers = crowd.clients
    crowd.count(receivers, server.marker)
    goal = len(receivers)
    watch, started = Watch(server.pids), time.monotonic()
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
    return watch.read(posts * goal)


def _reached(crowd: Crowd, wanted: int) -> bool:
    return crowd.counted >= wanted


def pace(server: Server, crowd: Crowd, rate: float, seconds: float) -> tuple[list[float], Round]:
    """Seconds from post to receipt at so many posts a second; the posts. Each text carries its time."""
    sender, *receivers = crowd.clients
    for client in receivers:
        client.latencies.clear()
        client.wants_latency = True
    watch, started = Watch(server.pids), time.monotonic()
    posts = max(int(seconds * rate), 1)
    for number in range(posts):
        due = started + number / rate
        crowd.read(0)  # also where the load generator is behind: who reads nothing is cut off
        while (left := due - time.monotonic()) > 0:
            crowd.read(left)
        server.post(sender, _timed(time.monotonic()), number)
    done = watch.read(posts)
    crowd.pump(partial(_all_came, receivers, posts), LAST_S)
    for client in receivers:
        client.wants_latency = False
    return [each for client in receivers for each in client.latencies], done


def _timed(now: float) -> str:
    """A message of the usual length that benchmarks.load.TIMES finds."""
    return f"@{now:.6f}@".ljust(len(TEXT), "x")


def _all_came(receivers: list[Client], posts: int) -> bool:
    return all(len(client.latencies) >= posts for client in receivers)
