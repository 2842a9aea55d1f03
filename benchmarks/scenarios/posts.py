"""P4: many small channels. 50 channels of 5, one post of each not yet acknowledged; on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from benchmarks.databases import POSTGRESQL, SQLITE, new_database, postgresql_commit_ms
from benchmarks.journal import Journal
from benchmarks.peer_servers import NodeSocketIO
from benchmarks.report import Section, Table, at_least, beside, of, ratio, rows
from benchmarks.rounds import Round, per_s
from benchmarks.scale import Scale
from benchmarks.scenarios.deliveries import EIO3, NATIVE, NEWER, ORIGINAL
from benchmarks.servers import Reaktor, Server
from benchmarks.small_channels import small_channels

CHANNELS = 50
MEMBERS = 5
ON_SQLITE, SOCKETIO, ON_POSTGRESQL = f"{NATIVE}, SQLite", f"{EIO3}, SQLite", f"{NATIVE}, PostgreSQL"
TRANSPORT = {ON_SQLITE: "native", SOCKETIO: "eio3", ON_POSTGRESQL: "native"}
LIBRARY = {ORIGINAL: "sio17", NEWER: "sio48"}
LEAST = {ON_SQLITE: 1.2, SOCKETIO: 1.2, ON_POSTGRESQL: 0.5}
"""Times the original, which stores nothing. That for PostgreSQL was set when it was measured first."""
COLUMNS = ("server", "posts/s (times Node 1.7)", "processor, µs a post", "share of a core")


def run(scale: Scale, journal: Journal) -> Section:
    found = {
        name: journal.measure(f"small channels, {name}", partial(measure_ours, name, scale.round_s))
        for name in scale.chosen(TRANSPORT)
    }
    for name in scale.chosen(LIBRARY):
        found[name] = journal.measure(f"small channels, {name}", partial(measure_node, LIBRARY[name], scale.round_s))
    commit_ms = journal.measure("a commit of PostgreSQL", postgresql_commit_ms)
    return section(found, commit_ms, journal)


def measure_ours(name: str, seconds: float) -> Round:
    with (
        new_database(POSTGRESQL if name == ON_POSTGRESQL else SQLITE) as url,
        Reaktor(TRANSPORT[name], database_url=url) as server,
    ):
        return measure(server, seconds)


def measure_node(library: str, seconds: float) -> Round:
    with NodeSocketIO(library) as server:
        return measure(server, seconds)


def measure(server: Server, seconds: float) -> Round:
    with small_channels(server, CHANNELS, MEMBERS) as small:
        small.post(seconds / 4, server.pids)  # until the server's code is warm
        return small.post(seconds, server.pids)


def section(found: Mapping[str, Round | None], commit_ms: float | None, journal: Journal) -> Section:
    base = found.get(ORIGINAL)

    def cells(each: Round) -> list[str]:
        return [beside(each.per_s, of(base, per_s)), f"{each.cpu_us:.0f}", f"{each.core:.0%}"]

    verdicts = []
    for name, least in LEAST.items():
        times = ratio(of(found.get(name), per_s), of(base, per_s))
        verdicts.append(at_least("P4", f"posts/s in small channels, {name}: × Node 1.7", least, times))
    floor = ""
    if commit_ms is not None:
        most = CHANNELS / commit_ms * 1000
        floor = (
            f" A transaction of one row takes PostgreSQL {commit_ms:.2f} ms. A worker writes one after the other, each "
            f"of at most {CHANNELS} posts: so it stores at most {most:,.0f} a second."
        )
    return Section(
        "Posts in many small channels",
        f"{CHANNELS} channels of {MEMBERS} sessions, {CHANNELS} posts not yet acknowledged. Ours acknowledges after "
        "the commit, Node stores nothing. The processor time of PostgreSQL's own processes is not in it." + floor,
        [Table("", COLUMNS, rows(len(COLUMNS), found, cells))],
        verdicts=verdicts,
        failures=journal.failures,
    )
