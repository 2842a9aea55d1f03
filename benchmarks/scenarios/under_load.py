"""P3 beyond its target: latency as the rate of posts rises, until a server no longer keeps up."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.fanout import gathered, pace, settle
from benchmarks.journal import Journal
from benchmarks.plots import Lines
from benchmarks.report import NOTHING, Section, Table, rows
from benchmarks.rounds import percentile
from benchmarks.scale import Scale
from benchmarks.scenarios.deliveries import EIO3, NATIVE, NEWER, ORIGINAL, SERVERS
from benchmarks.servers import Server

MOST_MEMBERS = 200
COMPARED = (NATIVE, EIO3, ORIGINAL, NEWER)
TOO_LATE_MS = 1_000.0
"""Whoever is so late at p99 is not asked for more."""


@dataclass(frozen=True)
class Latency:
    """At one rate: what was asked for, what the load generator could send, and how late the posts were."""

    rate: int
    sent_per_s: float
    p50_ms: float
    p99_ms: float
    core: float


def run(scale: Scale, journal: Journal) -> Section:
    members = min(MOST_MEMBERS, *scale.members)
    found = {
        name: journal.measure(f"latency under load, {name}", partial(measure, SERVERS[name], members, scale))
        for name in scale.chosen(COMPARED)
    }
    return section(members, scale.rates, found, journal)


def measure(make: Callable[[], Server], members: int, scale: Scale) -> list[Latency]:
    found: list[Latency] = []
    with make() as server, gathered(server, members) as crowd:
        for rate in scale.rates:
            gc.collect()
            latencies, done = pace(server, crowd, rate, scale.round_s / 2)
            settle(crowd)
            p50, p99 = (percentile(latencies, share) * 1000 for share in (0.5, 0.99))
            found.append(Latency(rate, done.per_s, p50, p99, done.core))
            if p99 > TOO_LATE_MS:
                break
    return found


def _behind(at: Latency) -> str:
    """Where the load generator could not post as often as it should."""
    return f" at {at.sent_per_s:.0f}/s" if at.sent_per_s < 0.95 * at.rate else ""


def section(members: int, rates: Sequence[int], found: Mapping[str, list[Latency] | None], journal: Journal) -> Section:
    columns = ("server", *(f"{rate}/s" for rate in rates))

    def cells(each: list[Latency]) -> list[str]:
        said = [f"{at.p50_ms:.1f} / {at.p99_ms:.1f} ({at.core:.0%}){_behind(at)}" for at in each]
        return [*said, *[NOTHING] * (len(rates) - len(said))]

    known = {name: [at for at in each if at.p50_ms > 0] for name, each in found.items() if each}
    plot = Lines(
        "latency",
        f"Latency of a post to {members} members: p50, dashed p99",
        "posts a second",
        "ms",
        {name: [(at.sent_per_s, at.p50_ms) for at in each] for name, each in known.items()},
        {name: [(at.sent_per_s, at.p99_ms) for at in each] for name, each in known.items()},
    )
    return Section(
        "Latency as the load rises",
        f"{members} members; p50 / p99 in ms, in brackets the share of a core that the server's processes used.",
        [Table("", columns, rows(len(columns), found, cells))],
        [plot] if known else [],
        failures=journal.failures,
    )
