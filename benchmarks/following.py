"""What following costs: `python -m benchmarks.following [--sessions 5000]`, in some six minutes.

One worker, and sessions of as many users who belong to the same channels. Measured: what a session holds more when
its user is told of them; and what a post costs the worker that all of these sessions are told of, as followers outside
of the channel, and as members in it. Each user follows CHANNELS channels: HALL, as all do, and others of OTHERS.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.fanout import TEXT, settle
from benchmarks.load import Client, Crowd
from benchmarks.report import Table
from benchmarks.rounds import Round, Watch
from benchmarks.servers import NOWHERE, Reaktor, memory_kib, run

CHANNELS = 20
OTHERS = 200
HALL = "hall"
PACE_S = 0.4
"""Longer than what followers are told together: each post is told by itself."""
POSTS = 30
ROUNDS = 3
FOLLOW = """
import sys, django
django.setup()
from accounts.models import User
from chat.models import Channel, ChannelMembership
level, channels, others = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
hall, _ = Channel.objects.get_or_create(key="hall", name="hall", kind="public")
rest = [Channel.objects.get_or_create(key=f"c{n}", name=f"c{n}", kind="public")[0] for n in range(others)]
rows = []
for number, user in enumerate(User.objects.filter(username__startswith="made")):
    mine = [hall] + [rest[(number + step * 7) % others] for step in range(channels - 1)]
    rows += [ChannelMembership(channel=channel, user=user, level=level) for channel in mine]
ChannelMembership.objects.bulk_create(rows, batch_size=500)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, default=5_000)
    sessions = parser.parse_args().sessions
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    held = {level: held_kib(sessions, level) for level in ("nothing", "all")}
    told = {is_in: statistics.median(told_cost(sessions, is_in=is_in)) for is_in in (True, False)}
    rows = [
        (f"a session whose user follows {CHANNELS} channels holds more, KiB", f"{held['all'] - held['nothing']:.2f}"),
        (f"a post that {sessions:,} members get, ms of the worker", f"{told[True]:.1f}"),
        (f"a post of which {sessions:,} followers are told, ms of the worker", f"{told[False]:.1f}"),
        ("followers, times members", f"{told[False] / told[True]:.2f}"),
    ]
    print(Table("", ("what", "found"), rows).text())


@contextmanager
def gathered(sessions: int, level: str, channel: str) -> Iterator[tuple[Reaktor, Crowd, float]]:
    """A server with so many sessions of users of their own; and what each holds of its memory, in KiB."""
    with Reaktor() as server:
        users = server.users(sessions)
        run(server.environment, "-c", FOLLOW, level, str(CHANNELS), str(OTHERS))
        crowd = Crowd()
        try:
            before = memory_kib(server.worker_pid)
            for token in users:
                server.use(channel, token)
                server.connect(crowd)
            settle(crowd)
            gc.collect()
            yield server, crowd, (memory_kib(server.worker_pid) - before) / sessions
        finally:
            crowd.close()


def held_kib(sessions: int, level: str) -> float:
    with gathered(sessions, level, NOWHERE) as (_, _, held):
        return held


def told_cost(sessions: int, *, is_in: bool) -> list[float]:
    """Milliseconds of the worker for each post, of ROUNDS rounds."""
    with gathered(sessions, "all", HALL if is_in else NOWHERE) as (server, crowd, _):
        receivers = list(crowd.clients)
        server.use(HALL)
        author = server.connect(crowd)
        settle(crowd)
        crowd.count(receivers, b'"message.new"' if is_in else b'"channel.activity"')
        return [posted(server, crowd, author, len(receivers)).cpu_us / 1000 for _ in range(ROUNDS)]


def posted(server: Reaktor, crowd: Crowd, author: Client, receivers: int) -> Round:
    """POSTS posts, each when the one before has come to all."""
    watch, goal = Watch([server.worker_pid]), crowd.counted
    for number in range(POSTS):
        began = time.monotonic()
        server.post(author, TEXT, number)
        goal += receivers
        if not crowd.pump(partial(_has, crowd, goal), 30):
            raise RuntimeError(f"{crowd.counted} of {goal} were told")
        crowd.pump(lambda: False, max(PACE_S - (time.monotonic() - began), 0.0))
    return watch.read(POSTS)


def _has(crowd: Crowd, goal: int) -> bool:
    return crowd.counted >= goal


if __name__ == "__main__":
    main()
