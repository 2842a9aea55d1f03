"""P9: two workers beside one, on PostgreSQL, with many channels whose members have many addresses."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

from benchmarks.databases import POSTGRESQL, new_database
from benchmarks.journal import Journal
from benchmarks.report import Section, Table, at_least, at_most, of, ratio, rows
from benchmarks.rounds import Round, per_s
from benchmarks.scale import Scale
from benchmarks.servers import Reaktor
from benchmarks.small_channels import ADDRESSES, small_channels

CHANNELS = 40
MEMBERS = 10
ONE, TWO = "one worker", "two workers"
COLUMNS = ("server", "posts/s", "deliveries/s", "deliveries per second of processor", "workers' processor, µs a post")


def run(scale: Scale, journal: Journal) -> Section:
    found = {
        name: journal.measure(f"spread, {name}", partial(measure, workers, scale.round_s))
        for name, workers in ((ONE, 1), (TWO, 2))
    }
    return section(found, journal)


def measure(workers: int, seconds: float) -> Round:
    with new_database(POSTGRESQL) as url, Reaktor(workers=workers, database_url=url) as server:
        for pid in server.worker_pids:
            os.sched_setaffinity(pid, range(os.cpu_count() or 1))
        with small_channels(server, CHANNELS, MEMBERS, is_spread=True) as small:
            small.post(seconds / 4, server.worker_pids)  # until the server's code is warm
            return small.post(seconds, server.worker_pids)


def _cost(done: Round) -> float:
    return done.cpu_us


def section(found: Mapping[str, Round | None], journal: Journal) -> Section:
    one, two = found.get(ONE), found.get(TWO)
    cost = ratio(of(two, _cost), of(one, _cost))

    def cells(each: Round) -> list[str]:
        deliveries = each.per_s * (MEMBERS - 1)
        return [f"{each.per_s:,.0f}", f"{deliveries:,.0f}", f"{deliveries / each.core:,.0f}", f"{each.cpu_us:.0f}"]

    wall = ratio(of(two, per_s), of(one, per_s))
    return Section(
        "Two workers beside one",
        f"{CHANNELS} channels of {MEMBERS} sessions, from {ADDRESSES} addresses, on PostgreSQL; one post of each "
        "channel not yet acknowledged. The load generator and PostgreSQL share the cores with the workers, so the "
        "processor time counts."
        + (f" By the clock two workers do {wall:.2f} times what one does." if wall is not None else ""),
        [Table("", COLUMNS, rows(len(COLUMNS), found, cells))],
        verdicts=[
            at_least(
                "P9", "deliveries of two workers, a core for each: × one worker", 1.6, of(cost, lambda times: 2 / times)
            ),
            at_most("P9", "workers' processor time of a post, two workers: × one worker", 1.1, cost),
        ],
        failures=journal.failures,
    )
