"""P1, P2, P3 and the memory of P6: one channel, everybody in it, one of them posts. Beside the peers and the floor."""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.fanout import flood, gathered, pace
from benchmarks.journal import Journal
from benchmarks.machine import commit_ms
from benchmarks.peer_servers import BareSend, ChannelsTutorial, NodeSocketIO
from benchmarks.plots import Bars
from benchmarks.report import Section, Table, Verdict, at_least, at_most, beside, of, ratio, rows
from benchmarks.rounds import Round, per_s, percentile
from benchmarks.scale import Scale
from benchmarks.servers import Reaktor, Server, memory_kib

IN_FLIGHT = 50
REPEATS = 3
"""The median counts: the first finds the server's code cold, and a virtual machine has its moments."""
SLOW_S = 8.0
RATE = 50
NATIVE, EIO4, EIO3 = "native", "Socket.IO 3 and 4", "Socket.IO 1 and 2"
OURS = (NATIVE, EIO4, EIO3)
ORIGINAL, NEWER = "Node, socket.io 1.7", "Node, socket.io 4.8"
BARE = "bare loop of send()"
SERVERS: Mapping[str, Callable[[], Server]] = {
    NATIVE: partial(Reaktor, "native"),
    EIO4: partial(Reaktor, "eio4"),
    EIO3: partial(Reaktor, "eio3"),
    ORIGINAL: partial(NodeSocketIO, "sio17"),
    NEWER: partial(NodeSocketIO, "sio48"),
    "Channels as its tutorial has it": ChannelsTutorial,
    BARE: BareSend,
}
COLUMNS = (
    "server", "one at a time, deliveries/s", "processor, µs each", "50 in flight, deliveries/s", "processor, µs each",
    "p50 / p99 ms at 50 posts/s", "KiB a connection",
)  # fmt: skip


@dataclass(frozen=True)
class Wanted:
    """Times the original's figures."""

    alone: float
    in_flight: float
    p99: float


WANTED = {200: Wanted(1.3, 12, 1.3), 1_000: Wanted(2, 18, 1)}
"""By members: for other sizes there are no targets."""


@dataclass(frozen=True)
class Figures:
    """What one server did with so many members."""

    alone: Round
    in_flight: Round
    p50_ms: float
    p99_ms: float
    memory_kib: float


Found = Mapping[str, Figures | None]


def run(scale: Scale, journal: Journal) -> Section:
    found: dict[int, dict[str, Figures | None]] = {}
    for members in scale.members:
        found[members] = {
            name: journal.measure(f"{members} members, {name}", partial(measure, SERVERS[name], members, scale))
            for name in scale.chosen(SERVERS)
        }
    disk_ms = journal.measure("a commit of the disk", measure_disk)
    return section(found, disk_ms, journal)


def measure(make: Callable[[], Server], members: int, scale: Scale) -> Figures:
    with make() as server:
        before = memory_kib(server.worker_pid)
        with gathered(server, members) as crowd:
            memory = (memory_kib(server.worker_pid) - before) / members
            # The garbage collection of the load generator would be counted as the server's latency.
            gc.collect()
            gc.disable()
            try:
                alone = _median(partial(flood, server, crowd, scale.posts, in_flight=1))
                in_flight = _median(partial(flood, server, crowd, scale.posts * 5, in_flight=IN_FLIGHT))
                latencies, _ = pace(server, crowd, RATE, scale.round_s) if server.tells_text else ([], alone)
            finally:
                gc.enable()
    p50, p99 = (percentile(latencies, share) * 1000 for share in (0.5, 0.99))
    return Figures(alone, in_flight, p50, p99, memory)


def _median(flooded: Callable[[], Round]) -> Round:
    """Of REPEATS rounds; of a slow server there are fewer."""
    rounds = [flooded()]
    while len(rounds) < REPEATS and rounds[-1].wall_s < SLOW_S:
        rounds.append(flooded())
    return sorted(rounds, key=per_s)[len(rounds) // 2]


def measure_disk() -> float:
    with tempfile.TemporaryDirectory(prefix="reaktor-bench-") as folder:
        return commit_ms(Path(folder))


def section(found: Mapping[int, Found], disk_ms: float | None, journal: Journal) -> Section:
    tables = [Table(f"{members} members", COLUMNS, _rows(each)) for members, each in found.items()]
    verdicts = [verdict for members, each in found.items() for verdict in _verdicts(members, each, disk_ms)]
    disk = "" if disk_ms is None else f" A write that lasts takes this disk {disk_ms:.2f} ms (median of 200)."
    return Section(
        "Deliveries and latency in one channel",
        "Messages of 100 characters. In brackets: times the Node server with socket.io 1.7. Processor time is that of "
        "all processes of the server, its own Redis included. Ours stores each message before it acknowledges it, the "
        f"others store none. Of {REPEATS} rounds the median. The bare loop sends ready-made frames of the same "
        "length and does nothing else." + disk,
        tables,
        [_plot(members, each) for members, each in found.items()],
        verdicts,
        journal.failures,
    )


def _rows(found: Found) -> list[list[str]]:
    base = found.get(ORIGINAL)

    def cells(each: Figures) -> list[str]:
        return [
            beside(each.alone.per_s, of(base, _alone)),
            f"{each.alone.cpu_us:.1f}",
            beside(each.in_flight.per_s, of(base, _in_flight)),
            f"{each.in_flight.cpu_us:.1f}",
            f"{each.p50_ms:.1f} / {each.p99_ms:.1f}" if each.p50_ms else "",
            f"{each.memory_kib:.0f}",
        ]

    return rows(len(COLUMNS), found, cells)


def _plot(members: int, found: Found) -> Bars:
    groups = {
        name: {"one at a time": each.alone.per_s, "50 in flight": each.in_flight.per_s}
        for name, each in found.items()
        if each is not None
    }
    return Bars(f"deliveries-{members}", f"Deliveries a second, {members} members", "/s", groups)


def _verdicts(members: int, found: Found, disk_ms: float | None) -> list[Verdict]:
    base, bare = found.get(ORIGINAL), found.get(BARE)
    wanted = WANTED.get(members)
    if wanted is None:
        return []
    verdicts = []
    for name in OURS:
        each, what = found.get(name), f"{name}, {members} members"
        alone, in_flight = of(each, _alone), of(each, _in_flight)
        verdicts += [
            at_least("P1", f"{what}, one at a time: × Node 1.7", wanted.alone, ratio(alone, of(base, _alone))),
            at_least(
                "P2", f"{what}, 50 in flight: × Node 1.7", wanted.in_flight, ratio(in_flight, of(base, _in_flight))
            ),
            at_least("P2", f"{what}, 50 in flight: × the bare loop", 0.8, ratio(in_flight, of(bare, _in_flight))),
        ]
        if members == max(WANTED):
            most, kib = (25 if name == NATIVE else 32), of(each, lambda it: it.memory_kib)
            verdicts.append(at_most("P6", f"{what}: memory of a connection", most, kib, unit=" KiB"))
        if base is not None and disk_ms is not None:
            p50 = base.p50_ms + disk_ms
            p99 = base.p99_ms * wanted.p99
            verdicts += [
                at_most("P3", f"{what}: p50 at 50 posts/s", round(p50, 1), of(each, lambda it: it.p50_ms), unit=" ms"),
                at_most("P3", f"{what}: p99 at 50 posts/s", round(p99, 1), of(each, lambda it: it.p99_ms), unit=" ms"),
            ]
    return verdicts


def _alone(figures: Figures) -> float:
    return figures.alone.per_s


def _in_flight(figures: Figures) -> float:
    return figures.in_flight.per_s
