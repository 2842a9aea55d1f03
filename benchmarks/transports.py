"""What a fan-out costs by transport: `python -m benchmarks.transports`.

200 native sessions beside 200 of Socket.IO 3 and 4 and 200 of Socket.IO 1 and 2 in one worker, a channel for each kind.
They are posted to in turn, in short bursts, so that what else the machine does strikes all alike. Printed: deliveries
per second of the worker's processor, the median of the bursts, and that of the ratios to the native burst beside it.
"""

from __future__ import annotations

import os
import select
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.fanout import TEXT, settle
from benchmarks.load import RECV_BYTES, Client, Crowd
from benchmarks.rounds import cpu_s
from benchmarks.servers import Reaktor

CHANNELS = {"native": "general", "eio4": "programming", "eio3": "random"}
MEMBERS = 200
SENDERS = 8
"""So many take turns, so that none of them passes ENGINEIO_PACKET_RATE."""
ROUNDS = 15
LONE_POSTS = 60
POSTS = 400
IN_FLIGHT = 50


@dataclass
class Kind:
    """The sessions of one transport, and what their bursts were worth: name of the burst → deliveries per second."""

    transport: str
    crowd: Crowd
    found: dict[str, list[float]] = field(default_factory=dict)

    @property
    def senders(self) -> list[Client]:
        return self.crowd.clients[:SENDERS]

    @property
    def receivers(self) -> list[Client]:
        return self.crowd.clients[SENDERS:]


def one_at_a_time(server: Reaktor, kind: Kind) -> int:
    """Each post is sent when the one before was read by all; returns the number of posts.

    Only the last receiver is waited for, the others are read after it. A generator that sleeps between two deliveries
    is woken by the worker's send(), which then takes twice as long; whether it does hangs on who of the two is faster.
    """
    last = kind.receivers[-1]
    for number in range(LONE_POSTS):
        server.post(kind.senders[number % SENDERS], TEXT, number)
        deadline = time.monotonic() + 30
        while last.seen <= number:
            if not select.select([last.sock], (), (), max(deadline - time.monotonic(), 0))[0]:
                raise RuntimeError(f"{kind.transport}: post {number} was not delivered")
            last.take(last.sock.recv(RECV_BYTES))
        _read(kind, number + 1)
    return LONE_POSTS


def many_in_flight(server: Reaktor, kind: Kind) -> int:
    """IN_FLIGHT posts not yet delivered to all; returns the number of posts."""
    sent = 0
    while (delivered := kind.crowd.counted // len(kind.receivers)) < POSTS:
        while sent < POSTS and sent - delivered < IN_FLIGHT:
            server.post(kind.senders[sent % SENDERS], TEXT, sent)
            sent += 1
        _read(kind, delivered + 1)
    return POSTS


BURSTS: tuple[Callable[[Reaktor, Kind], int], ...] = (one_at_a_time, many_in_flight)


def _read(kind: Kind, posts: int) -> None:
    wanted = posts * len(kind.receivers)
    if not kind.crowd.pump(lambda: kind.crowd.counted >= wanted, 30):
        raise RuntimeError(f"{kind.transport}: delivered {kind.crowd.counted} of {wanted}, then nothing")


def main() -> None:
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    with Reaktor() as server:
        kinds = [Kind(transport, Crowd()) for transport in CHANNELS]
        for kind in kinds:
            server.speak(kind.transport)
            server.use(CHANNELS[kind.transport])
            for _ in range(MEMBERS):
                server.connect(kind.crowd)
            server.join_all()
        for kind in kinds:
            settle(kind.crowd)
        for _ in range(ROUNDS):
            for burst in BURSTS:
                for kind in kinds:
                    server.speak(kind.transport)
                    server.use(CHANNELS[kind.transport])
                    kind.crowd.count(kind.receivers, server.marker)
                    before = cpu_s(server.worker_pids)
                    posts = burst(server, kind)
                    spent_s = cpu_s(server.worker_pids) - before
                    kind.found.setdefault(burst.__name__, []).append(posts * len(kind.receivers) / spent_s)
        print_table(kinds)


def print_table(kinds: list[Kind]) -> None:
    names = (burst.__name__.replace("_", " ") for burst in BURSTS)
    print(f"| sessions | {' | '.join(f'{name} (beside native)' for name in names)} |\n| --- |" + " --- |" * len(BURSTS))
    native = kinds[0].found
    for kind in kinds:
        cells = []
        for name, values in kind.found.items():
            beside = statistics.median(own / base for own, base in zip(values, native[name], strict=True))
            cells.append(f"{statistics.median(values):,.0f} ({beside:.2f})")
        print(f"| {MEMBERS} {kind.transport} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
