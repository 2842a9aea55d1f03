"""Figures of one process as plain data: what a worker puts into its beat, and how those of many are added up.

Metrics are JSON-ready: {"counters": {name: int}, "gauges": {name: number}, "flags": {name: bool}, "histograms":
{name: [count per bucket…, sum]}}. A name may carry one label's value behind a colon (`sessions:native`). What the
names mean stands in reaktor.observe.exposition. Pure; on the hot path there are plain integers and nothing else.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any

Metrics = dict[str, dict[str, Any]]

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
MESSAGES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Histogram:
    """How many observations fell into each bucket (its upper bound included; the last has none), and their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def as_data(self) -> list[float]:
        return [*self.counts, self.total]


def empty() -> Metrics:
    return {"counters": {}, "gauges": {}, "flags": {}, "histograms": {}}


def added(parts: Iterable[Mapping[str, Mapping[str, Any]]]) -> Metrics:
    """One for all: counters, gauges and buckets summed up, a flag up only where it is up everywhere.

    Parts may lack sections and names, as those of older or younger code do.
    """
    found = empty()
    for part in parts:
        for section in ("counters", "gauges"):
            into = found[section]
            for name, value in part.get(section, {}).items():
                into[name] = into.get(name, 0) + value
        for name, value in part.get("flags", {}).items():
            found["flags"][name] = bool(value) and found["flags"].get(name, True)
        for name, values in part.get("histograms", {}).items():
            known = found["histograms"].get(name, [])
            # Other buckets (code of another version): they can't be added, and the later ones are of the living.
            found["histograms"][name] = (
                [one + other for one, other in zip(known, values, strict=True)]
                if len(known) == len(values)
                else list(values)
            )
    return found


def lasting(metrics: Mapping[str, Mapping[str, Any]]) -> Metrics:
    """The part that outlives its process: counters and histograms, not what was true of it at one moment."""
    return {name: dict(metrics.get(name, {})) for name in ("counters", "histograms")}
