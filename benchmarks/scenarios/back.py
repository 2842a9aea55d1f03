"""What a caught-up message costs: clients go away, messages are posted, the clients come back and are sent them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from benchmarks.journal import Journal
from benchmarks.report import Section, Table, rows
from benchmarks.scale import Scale
from benchmarks.scenarios.storms import CHARACTERS, NAMES
from benchmarks.storm import Storm, Stormy
from benchmarks.storm import measure as measure_storm

NOISE = "below the noise"
COLUMNS = (
    "clients",
    "come back, worker's processor, ms each",
    "with missed messages, ms each",
    "µs a caught-up message",
)


@dataclass(frozen=True)
class Back:
    """As many clients come back, in turns having missed nothing and much."""

    plain: list[Storm]
    behind: list[Storm]

    @property
    def message_us(self) -> float:
        messages = sum(storm.clients * storm.missed for storm in self.behind)
        return (_worker_s(self.behind) - _worker_s(self.plain)) / messages * 1e6


def run(scale: Scale, journal: Journal) -> Section:
    found = {
        NAMES[kind]: journal.measure(
            f"caught up, {kind}", partial(measure, kind, scale.back_clients, scale.back_missed, scale.back_rounds)
        )
        for kind in scale.storm_kinds
    }
    return section(scale.back_clients, scale.back_missed, found, journal)


def measure(kind: str, clients: int, missed: int, rounds: int) -> Back:
    with Stormy(CHARACTERS) as server:
        found = [
            asyncio.run(measure_storm(server, kind, clients, some, "away"))
            for _ in range(rounds)
            for some in (0, missed)
        ]
        return Back(found[::2], found[1::2])


def _worker_s(storms: list[Storm]) -> float:
    return sum(storm.worker_s for storm in storms)


def section(clients: int, missed: int, found: Mapping[str, Back | None], journal: Journal) -> Section:
    def cells(each: Back) -> list[str]:
        each_ms = [_worker_s(some) / (clients * len(some)) * 1000 for some in (each.plain, each.behind)]
        return [*(f"{ms:.1f}" for ms in each_ms), f"{each.message_us:.2f}" if each.message_us > 0 else NOISE]

    return Section(
        "Catching up",
        f"{clients} clients come back within a second, {missed} messages of {CHARACTERS} characters behind.",
        [Table("", COLUMNS, rows(len(COLUMNS), found, cells))],
        failures=journal.failures,
    )
