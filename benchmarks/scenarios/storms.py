"""P10: the clients of a killed worker come back at once, having missed messages; beside them a worker that lives on."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from multiprocessing.synchronize import Event
from typing import Any

from benchmarks.journal import Journal
from benchmarks.quiet import Quiet
from benchmarks.report import Section, Table, Verdict, at_most, of, ratio, rows
from benchmarks.rounds import percentile
from benchmarks.scale import Scale
from benchmarks.storm import Storm, Stormy
from benchmarks.storm import measure as measure_storm

CHARACTERS = 100
QUIET_USERS = 10
QUIET_CHANNEL = "random"
PIECE_S = 0.5
STOP_S = 20.0
LONGEST_S = 200.0
NAMES = {"native": "native", "sio4": "Socket.IO 4", "sio2": "Socket.IO 1 and 2", "sio3": "Socket.IO 3"}
COLUMNS = (
    "clients", "back, s: median / last", "complete, s", "incomplete", "repeats", "worker, MiB", "worker's processor, s",
    "p99 on the other worker, ms: calm / meanwhile",
)  # fmt: skip
Timed = tuple[float, list[float]]
"""When (time.monotonic()), and the latencies of the moment before."""


@dataclass(frozen=True)
class Beside:
    """A storm, and the p99 of those on the other worker before it and meanwhile, in milliseconds."""

    storm: Storm
    calm_ms: float
    meanwhile_ms: float


def run(scale: Scale, journal: Journal) -> Section:
    found = {
        NAMES[kind]: journal.measure(f"storm, {kind}", partial(measure, kind, scale.storm_clients, scale.storm_missed))
        for kind in scale.storm_kinds
    }
    return section(scale.storm_clients, scale.storm_missed, found, journal)


def measure(kind: str, clients: int, missed: int) -> Beside:
    """The storm is made by a child of a low priority, so that those who are measured beside it do not wait for it."""
    with Stormy(CHARACTERS, workers=2) as server:
        context = multiprocessing.get_context("fork")
        mine = server.place_of("127.0.0.1")
        source = next(each for each in (f"127.0.0.{n}" for n in range(2, 255)) if server.place_of(each) != mine)
        stop, heard, done = context.Event(), context.Queue(), context.Queue()
        others = context.Process(
            target=_talk, args=(server.port, server.users(QUIET_USERS), source, stop, heard), daemon=True
        )
        storm = context.Process(target=_storm, args=(server, kind, clients, missed, done), daemon=True)
        try:
            others.start()
            storm.start()
            result = done.get(timeout=LONGEST_S)
            stop.set()
            latencies: list[Timed] = heard.get(timeout=STOP_S)
        finally:
            for child in (each for each in (storm, others) if each.pid is not None):
                child.kill()
                child.join(STOP_S)
    if not isinstance(result, Storm):
        raise RuntimeError(result)
    return Beside(result, _p99_ms(latencies, result.calm), _p99_ms(latencies, result.storm))


def _storm(server: Stormy, kind: str, clients: int, missed: int, done: Any) -> None:
    os.nice(10)
    try:
        done.put(asyncio.run(measure_storm(server, kind, clients, missed, "kill")))
    except Exception as error:  # noqa: BLE001  the parent says it
        done.put(f"{type(error).__name__}: {error}")


def _talk(port: int, tokens: list[str], source: str, stop: Event, heard: Any) -> None:
    """From that address, until it is told to stop."""
    quiet, found = Quiet(port, tokens, channel=QUIET_CHANNEL, source=source), []
    while not stop.is_set():
        latencies = quiet.latencies(PIECE_S)
        found.append((time.monotonic(), latencies))
    heard.put(found)


def _p99_ms(latencies: list[Timed], span: tuple[float, float]) -> float:
    inside = [each for at, some in latencies for each in some if span[0] <= at <= span[1] + PIECE_S]
    return percentile(inside, 0.99) * 1000


def section(clients: int, missed: int, found: Mapping[str, Beside | None], journal: Journal) -> Section:
    def cells(each: Beside) -> list[str]:
        storm = each.storm
        return [
            _pair(storm.back),
            _pair(storm.full),
            f"{storm.incomplete}",
            f"{storm.repeats}",
            f"{storm.peak_mib:.0f}",
            f"{storm.worker_s:.1f}",
            f"{each.calm_ms:.1f} / {each.meanwhile_ms:.1f}",
        ]

    return Section(
        "A storm",
        f"{clients:,} clients of a killed worker, ten of each user, all in one channel, with {missed} messages of "
        f"{CHARACTERS} characters missed by each. The clock starts at a client's first attempt.",
        [Table("", COLUMNS, rows(len(COLUMNS), found, cells))],
        verdicts=[verdict for name, each in found.items() for verdict in _verdicts(name, each, clients * missed)],
        failures=journal.failures,
    )


def _pair(times: tuple[float, float]) -> str:
    return f"{times[0]:.1f} / {times[1]:.1f}"


def _verdicts(name: str, found: Beside | None, missed: int) -> list[Verdict]:
    repeats = of(found, lambda it: 100 * it.storm.repeats / missed)
    later = ratio(of(found, lambda it: it.meanwhile_ms), of(found, lambda it: it.calm_ms))
    return [
        at_most("P10", f"storm, {name}: the last is back after", 5, of(found, lambda it: it.storm.back[1]), unit=" s"),
        at_most(
            "P10", f"storm, {name}: the last is complete after", 8, of(found, lambda it: it.storm.full[1]), unit=" s"
        ),
        at_most("P10", f"storm, {name}: repeats, of what was missed", 1, repeats, unit=" %"),
        at_most(
            "P10", f"storm, {name}: memory of the worker", 250, of(found, lambda it: it.storm.peak_mib), unit=" MiB"
        ),
        at_most("P10", f"storm, {name}: p99 on the other worker, × calm", 3, later),
    ]
