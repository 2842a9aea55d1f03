"""P6: what a worker costs that has nothing to do, alone and with many sessions that only answer pings."""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks.journal import Journal
from benchmarks.load import Crowd
from benchmarks.report import Section, Table, at_most, of, rows
from benchmarks.rounds import Watch
from benchmarks.scale import Scale
from benchmarks.scenarios.connects import greeted
from benchmarks.servers import NOWHERE, Reaktor, Server, memory_kib

AT_ONCE = 50
PER_USER = 50
SPARE_FILES = 1_000
"""Files that a process has open beside its connections, generously."""
EMPTY = "no session"
LIMIT_S = 420.0
PINGS = {"PING_INTERVAL": "25s", "PONG_TIMEOUT": "20s"}
COLUMNS = ("sessions", "worker's processor, ms a second", "worker, MiB", "KiB a session", "connects/s")


@dataclass(frozen=True)
class Idle:
    """`connects`: how fast the sessions came, 0 for none."""

    sessions: int
    cpu_ms_per_s: float
    memory_mib: float
    kib_each: float
    connects: float


def run(scale: Scale, journal: Journal) -> Section:
    held = min(scale.held, files() - SPARE_FILES)
    found = {
        EMPTY: journal.measure("idle, no session", partial(measure, 0, scale.idle_s)),
        f"{held:,}": journal.measure(f"idle, {held:,} sessions", partial(measure, held, scale.idle_s), LIMIT_S),
    }
    return section(found, held, scale.held, journal)


def files() -> int:
    """So many files a process may have open; as many as the system lets us."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def measure(sessions: int, seconds: float) -> Idle:
    server = Reaktor()
    server.environment |= PINGS
    with server:
        before, crowd = memory_kib(server.worker_pid), Crowd()
        try:
            started = time.monotonic()
            if sessions:
                _connect(server, crowd, sessions)
            took = time.monotonic() - started
            _answer_pings(crowd, 2.0)
            watch = Watch(server.worker_pids)
            _answer_pings(crowd, seconds)
            spent = watch.read(1)
            memory = memory_kib(server.worker_pid)
        finally:
            crowd.close()
    each = (memory - before) / sessions if sessions else 0.0
    return Idle(sessions, spent.core * 1000, memory / 1024, each, sessions / took if sessions else 0.0)


def _connect(server: Server, crowd: Crowd, sessions: int) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for token in server.users(-(-sessions // PER_USER)):
            server.use(NOWHERE, token)
            count = min(PER_USER, sessions - len(crowd.clients))
            for sock in threads.map(greeted, [server] * count):
                crowd.add((sock, b""), b'"event":"ping"')


def _answer_pings(crowd: Crowd, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        for client in crowd.read(left):
            if client.seen:
                client.seen = 0
                client.send(b'{"op":"pong"}')


def _cost(idle: Idle) -> float:
    return idle.cpu_ms_per_s


def section(found: Mapping[str, Idle | None], held: int, wanted: int, journal: Journal) -> Section:
    def cells(each: Idle) -> list[str]:
        return [
            f"{each.cpu_ms_per_s:.1f}",
            f"{each.memory_mib:.0f}",
            f"{each.kib_each:.0f}" if each.sessions else "",
            f"{each.connects:,.0f}" if each.sessions else "",
        ]

    alone, many = found.get(EMPTY), found.get(f"{held:,}")
    verdicts = [
        at_most("P6", "processor of an idle worker a second", 2.5, of(alone, _cost), unit=" ms"),
        at_most("P6", f"the same with {held:,} sessions", 30, of(many, _cost), unit=" ms"),
    ]
    note = "" if held == wanted else f" This machine lets a process open {held + SPARE_FILES:,} files, so no more."
    return Section(
        "Idle sessions",
        "Native sessions in no channel, pinged every 25 s; they answer, and do nothing else." + note,
        [Table("", COLUMNS, rows(len(COLUMNS), found, cells))],
        verdicts=verdicts,
        failures=journal.failures,
    )
