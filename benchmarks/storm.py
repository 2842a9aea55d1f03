"""A storm: many clients lose their worker at once and come back, having missed messages.

`python -m benchmarks.storm [--clients 300] [--missed 0,500] [--kinds sio2,sio4,native] [--fault kill|restart|away]`

One worker; ten clients a user, all in one channel. The worker is killed (or the server is stopped and started, or only
the clients go away), and messages are posted meanwhile. Then all try again within a second, while a few more are
posted. Printed per kind: seconds from a client's first attempt until it is greeted, until it has all that it missed,
and until it hears what is posted now; how many tries, time-outs and repeats that took; the worker's memory and
processor time.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.rounds import cpu_s, percentile
from benchmarks.servers import CHANNEL, Reaktor, pin
from benchmarks.visitors import KINDS, Visitor

SESSIONS_PER_USER = 10
AT_ONCE = 50
SPREAD_S = 1.0
LONGEST_S = 180.0
CALM_S = 2.5
"""Two beats: what was seen is known to the others."""
GONE_S = 1.0
OTHER_CORE = min(2, (os.cpu_count() or 1) - 1)
"""Of the worker beside; with two cores that of the load generator."""
FAULTS = ("kill", "restart", "away")
PROBE_S = 0.25


@dataclass
class Storm:
    """What one storm did to its clients and its worker. Times in seconds: median and last."""

    kind: str
    missed: int
    clients: int
    back: tuple[float, float]
    full: tuple[float, float]
    entered: tuple[float, float]
    incomplete: int
    deaf: int
    tries: int
    timeouts: int
    cut: int
    repeats: int
    disorder: int
    peak_mib: float
    worker_s: float
    workers: int
    calm: tuple[float, float]
    """From when until when nothing happened, and below, the storm: by time.monotonic()."""
    storm: tuple[float, float]


class Stormy(Reaktor):
    """A server whose worker may be killed. Of two workers the clients of 127.0.0.1 have one, the first of the pids."""

    def __init__(self, posts: int, workers: int = 1) -> None:
        super().__init__(workers=workers)
        self.text = "x" * posts
        self.environment |= {"SPARE_WORKERS": "1", "LOG_LEVEL": "WARNING"}

    def start(self) -> None:
        super().start()
        stormy = self.place_of("127.0.0.1")
        self.worker_pids = [self.worker_pids[stormy], *(p for n, p in enumerate(self.worker_pids) if n != stormy)]
        for pid in self.worker_pids[1:]:
            pin(pid, OTHER_CORE)

    def kill(self) -> None:
        """The worker dies; returns when another one serves in its place."""
        known = self.worker_pids
        os.kill(known[0], signal.SIGKILL)
        self._wait_for_others(known)

    def restart(self) -> None:
        """The whole server is stopped and started."""
        dead = self.worker_pids
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.spawn([sys.executable, "manage.py", "runcluster", "--bind", "127.0.0.1"], **self.environment)
        self.wait_for_port()
        self._wait_for_others(dead)

    def _wait_for_others(self, dead: list[int]) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            found = [pid for pid in self.serving() if pid not in dead]
            if found:
                self.worker_pids = found
                pin(found[0], 0)
                return
            time.sleep(0.2)
        raise RuntimeError("no other worker came up")


async def post(server: Stormy, visitor: Visitor, count: int) -> None:
    """Post so many messages as a native client, and wait until it has seen the last."""
    goal = visitor.newest + count
    for number in range(count):
        visitor.post(server.text, f"{time.monotonic_ns()}-{number}")
    await settled(lambda: visitor.newest >= goal, 60)


async def settled(condition, deadline_s: float) -> bool:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(0.02)
    return True


async def gather(visitors: list[Visitor], server: Stormy) -> None:
    """Everybody connects and joins, some at once."""
    for first in range(0, len(visitors), AT_ONCE):
        some = visitors[first : first + AT_ONCE]
        for visitor in some:
            visitor.start()
        if not await settled(lambda some=some: all(visitor.back_at for visitor in some), 60):
            raise RuntimeError("not everybody could connect")
    if visitors[0].kind != "native":
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=60) as http:
            for token in {visitor.token for visitor in visitors}:
                joined = await http.post(f"/channels/{CHANNEL}/join", headers={"Authorization": f"Bearer {token}"})
                joined.raise_for_status()


async def measure(server: Stormy, kind: str, clients: int, missed: int, fault: str) -> Storm:
    tokens = server.users(clients // SESSIONS_PER_USER + 1)
    author = Visitor("native", server.port, tokens[-1], CHANNEL)
    author.start()
    visitors = [Visitor(kind, server.port, tokens[n // SESSIONS_PER_USER], CHANNEL) for n in range(clients)]
    try:
        await settled(lambda: author.back_at > 0, 30)
        await gather(visitors, server)
        await post(server, author, 5)
        if not await settled(lambda: all(each.newest == author.newest for each in visitors), 60):
            raise RuntimeError("not everybody was in the channel before the storm")
        await asyncio.sleep(CALM_S)
        calm = (time.monotonic() - CALM_S, time.monotonic())
        for visitor in visitors:
            visitor.stay_away()
        if fault == "away":
            for visitor in visitors:
                visitor.cut_off()
            await asyncio.sleep(GONE_S)
        else:
            author.back_at = 0.0
            await asyncio.to_thread(server.kill if fault == "kill" else server.restart)
            await settled(lambda: author.back_at > 0, 60)
        first = author.newest + 1
        await post(server, author, missed)
        wanted = range(first, first + missed)
        before_s = cpu_s(server.worker_pids)
        for visitor in visitors:
            visitor.return_from(random.uniform(0, SPREAD_S), wanted)
        began = time.monotonic()
        while time.monotonic() - began < LONGEST_S and not all(each.full_at and each.entered_at for each in visitors):
            await post(server, author, 1)
            await asyncio.sleep(PROBE_S)
        # 0 when it was ended in the middle of the storm.
        worker_s = max(cpu_s(server.worker_pids) - before_s, 0.0)
        await post(server, author, 1)
        await settled(lambda: all(author.newest in each.seen for each in visitors), 20)
        now = time.monotonic()

        def times(name: str) -> tuple[float, float]:
            took = [(getattr(each, name) or now) - each.began_at for each in visitors]
            return percentile(took, 0.5), max(took)

        return Storm(
            kind, missed, clients, times("back_at"), times("full_at"), times("entered_at"),
            sum(not each.full_at for each in visitors),
            sum(author.newest not in each.seen for each in visitors),
            sum(each.tries for each in visitors),
            sum(each.timeouts for each in visitors),
            sum(each.cut + each.refused for each in visitors),
            sum(each.repeats for each in visitors),
            sum(each.disorder for each in visitors),
            max(map(peak_mib, serving := server.serving())),
            worker_s,
            len({*server.worker_pids, *serving}),
            calm,
            (began, now),
        )  # fmt: skip
    finally:
        for visitor in [author, *visitors]:
            await visitor.leave()


def peak_mib(pid: int) -> float:
    """The most that a process had resident."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def print_row(storm: Storm) -> None:
    def pair(times: tuple[float, float]) -> str:
        return f"{times[0]:.1f} / {times[1]:.1f}"

    print(
        f"| {storm.kind} | {storm.clients} × {storm.missed} | {pair(storm.back)} | {pair(storm.full)} "
        f"| {pair(storm.entered)} | {storm.incomplete} / {storm.deaf} | {storm.tries} / {storm.timeouts} / {storm.cut} "
        f"| {storm.repeats} / {storm.disorder} | {storm.peak_mib:.0f} | {storm.worker_s:.1f} | {storm.workers} |",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--missed", default="0,500")
    parser.add_argument("--kinds", default="sio2,sio4,native", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--fault", choices=FAULTS, default="kill")
    parser.add_argument("--characters", type=int, default=100, help="of each message")
    options = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    print("| clients | number × missed | greeted, s | complete, s | live, s | incomplete / deaf "
          "| tries / time-outs / cut | repeats / out of order | peak, MiB | worker, s | workers |")  # fmt: skip
    print("| --- |" + " --- |" * 10)
    for kind in options.kinds.split(","):
        for missed in map(int, options.missed.split(",")):
            with Stormy(options.characters) as server:
                print_row(asyncio.run(measure(server, kind, options.clients, missed, options.fault)))


if __name__ == "__main__":
    main()
