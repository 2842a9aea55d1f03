"""What a run says: tables, plots and verdicts as plain values, and the page of Markdown made of them.

A scenario (benchmarks.scenarios) returns a Section; results_page() makes benchmarks/RESULTS.md of all of them, and
tables_text() what the terminal shows. Pure: no clock, no file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from benchmarks.plots import Plot

T = TypeVar("T")
FAILED = "failed"
NOTHING = "–"


@dataclass(frozen=True)
class Table:
    """Cells as they are shown; the first column names the row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def text(self) -> str:
        lines = [f"**{self.title}**", ""] if self.title else []
        lines += [_line(self.columns), _line(["---"] * len(self.columns)), *map(_line, self.rows)]
        return "\n".join([*lines, "", self.note] if self.note else lines)


@dataclass(frozen=True)
class Verdict:
    """One target, and what came of it; `is_reached` None: it was not measured, or there is nothing to compare with."""

    target: str
    what: str
    wanted: str
    found: str
    is_reached: bool | None


@dataclass(frozen=True)
class Section:
    """What one scenario found. `failures`: what could not be measured, and why."""

    title: str
    text: str = ""
    tables: Sequence[Table] = ()
    plots: Sequence[Plot] = ()
    verdicts: Sequence[Verdict] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def rows(columns: int, found: Mapping[str, T | None], cells: Callable[[T], Sequence[str]]) -> list[list[str]]:
    """A row for each name; one that could not be measured is marked as failed."""
    return [
        [name, FAILED, *[NOTHING] * (columns - 2)] if each is None else [name, *cells(each)]
        for name, each in found.items()
    ]


def at_least(target: str, what: str, least: float, found: float | None, *, unit: str = " ×") -> Verdict:
    """A figure that should be large; None: not measured."""
    return _verdict(target, what, f"≥ {least:g}{unit}", found, unit, found is not None and found >= least)


def at_most(target: str, what: str, most: float, found: float | None, *, unit: str = " ×") -> Verdict:
    """A figure that should be small; None: not measured."""
    return _verdict(target, what, f"≤ {most:g}{unit}", found, unit, found is not None and found <= most)


def _verdict(target: str, what: str, wanted: str, found: float | None, unit: str, is_reached: bool) -> Verdict:
    if found is None:
        return Verdict(target, what, wanted, "not measured", None)
    return Verdict(target, what, wanted, f"{short(found)}{unit}", is_reached)


def short(value: float) -> str:
    """Three digits that count, without an exponent."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def ratio(value: float | None, base: float | None) -> float | None:
    """How many times the base; None where one of them was not measured."""
    return None if value is None or not base else value / base


def of(found: T | None, figure: Callable[[T], float]) -> float | None:
    """One figure of what was found; None where nothing was."""
    return None if found is None else figure(found)


def beside(value: float, base: float | None) -> str:
    """A figure per second, and in brackets how many times the base."""
    times = ratio(value, base)
    return f"{value:,.0f}" + ("" if times is None else f" ({times:.2f})")


def verdicts_table(verdicts: Sequence[Verdict], limits: str = "") -> Table:
    """In the order of the targets. What is not reached is linked to the heading of its target in `limits`, if any."""
    explained = set(re.findall(r"^### (P\d+)$", limits, re.MULTILINE))

    def said(each: Verdict) -> str:
        if each.is_reached is None:
            return NOTHING
        if each.is_reached:
            return "reached"
        why = f": [what limits it](#{each.target.lower()})" if each.target in explained else ""
        return f"**not reached**{why}"

    ordered = sorted(verdicts, key=lambda each: int(each.target[1:]))
    return Table(
        "",
        ("target", "what", "wanted", "found", ""),
        [(each.target, each.what, each.wanted, each.found, said(each)) for each in ordered],
    )


def tables_text(section: Section) -> str:
    """A section as the terminal shows it."""
    parts = [f"\n## {section.title}", *(table.text() for table in section.tables)]
    if section.verdicts:
        parts.append(verdicts_table(section.verdicts).text())
    return "\n\n".join([*parts, *_failures(section)]) + "\n"


def _failures(section: Section) -> list[str]:
    return [f"Failed: {name}: {why}" for name, why in section.failures.items()]


def results_page(sections: Sequence[Section], about: str, limits: str, plot_folder: str) -> str:
    """The page. `about`: where and when it was measured; `limits`: the text kept by hand on what is not reached."""
    verdicts = [verdict for section in sections for verdict in section.verdicts]
    parts = ["# Results", about, "## The targets", verdicts_table(verdicts, limits).text(), limits]
    for section in sections:
        parts += [f"## {section.title}", section.text, *(table.text() for table in section.tables)]
        parts += [f"![{plot.title}]({plot_folder}/{plot.name}.svg)" for plot in section.plots]
        parts += _failures(section)
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"
