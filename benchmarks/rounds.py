"""What was done a number of times, by the clock and by the processor of those who did it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


@dataclass(frozen=True)
class Round:
    """So often, in so long, for so much processor time of the server."""

    count: int
    wall_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        return self.count / self.wall_s

    @property
    def cpu_us(self) -> float:
        """Processor time of one, in microseconds."""
        return self.cpu_s / self.count * 1e6

    @property
    def core(self) -> float:
        """The share of one core that was used."""
        return self.cpu_s / self.wall_s


def total(rounds: Sequence[Round]) -> Round:
    """Rounds of the same, as one."""
    return Round(*(sum(getattr(each, name) for each in rounds) for name in ("count", "wall_s", "cpu_s")))


def per_s(done: Round) -> float:
    return done.per_s


class Middle(NamedTuple):
    """The median of what was measured, and between which bounds that of very many such measurements is, 19 times in
    20. So few measurements have none: both are the median.
    """

    value: float
    low: float
    high: float


def middle(values: Sequence[float]) -> Middle:
    ordered, count = sorted(values), len(values)
    # Each value is below the true median as a coin falls: so many at either end may be left out.
    left_out, chance = 0, 1.0
    while (chance := chance + math.comb(count, left_out + 1)) <= 0.025 * 2**count:
        left_out += 1
    found = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
    if 2 / 2**count > 0.05:
        return Middle(found, found, found)
    return Middle(found, ordered[left_out], ordered[-1 - left_out])


class Watch:
    """Runs from its making on."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = list(pids)
        self._cpu_s, self._started = cpu_s(self._pids), time.perf_counter()

    def read(self, count: int) -> Round:
        """What came to pass since then, `count` times."""
        wall_s = time.perf_counter() - self._started
        return Round(count, wall_s, cpu_s(self._pids) - self._cpu_s)


def cpu_s(pids: Sequence[int]) -> float:
    """Processor time that the living threads of these processes have used, in seconds, to the nanosecond."""
    files = [file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0
