"""Plots as SVG, readable on light and on dark pages: each brings its own ground, which follows the reader's theme.

draw() makes the text of a file of Bars (a value for each name) or of Lines (values over a logarithmic axis). Pure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, TOP = 760, 190, 90, 64
ROW, HEIGHT = 26, 280
STYLE = """
.ground{fill:#ffffff}.grid{stroke:#d8dce2;stroke-width:1}text{fill:#24292f;font:13px sans-serif}.title{font-weight:bold}
.f0{fill:#0a66c2}.f1{fill:#c2410c}.f2{fill:#15803d}.f3{fill:#7e22ce}.f4{fill:#a16207}.f5{fill:#be185d}
.s0{stroke:#0a66c2}.s1{stroke:#c2410c}.s2{stroke:#15803d}.s3{stroke:#7e22ce}.s4{stroke:#a16207}.s5{stroke:#be185d}
polyline{fill:none;stroke-width:2}.dashed{stroke-dasharray:5 4}
@media (prefers-color-scheme:dark){
.ground{fill:#0d1117}.grid{stroke:#30363d}text{fill:#e6edf3}
.f0{fill:#58a6ff}.f1{fill:#ff9458}.f2{fill:#56d364}.f3{fill:#c297ff}.f4{fill:#e3b341}.f5{fill:#ff7eb6}
.s0{stroke:#58a6ff}.s1{stroke:#ff9458}.s2{stroke:#56d364}.s3{stroke:#c297ff}.s4{stroke:#e3b341}.s5{stroke:#ff7eb6}}
"""
COLOURS = 6
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Bars:
    """`name` is that of the file; `groups`: for each thing compared, the value of each series (0: none)."""

    name: str
    title: str
    unit: str
    groups: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Lines:
    """Both axes are logarithmic. `lines`: points in the order of x, all positive; `dashed`: more of the same names."""

    name: str
    title: str
    x: str
    y: str
    lines: Mapping[str, Points]
    dashed: Mapping[str, Points]


Plot = Bars | Lines


def draw(plot: Plot) -> str:
    return _bars(plot) if isinstance(plot, Bars) else _lines(plot)


def _text(x: float, y: float, said: str, anchor: str = "start", kind: str = "") -> str:
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" class="{kind}">{escape(said)}</text>'


def _sheet(height: float, title: str, names: Sequence[str], parts: Sequence[str]) -> str:
    """The whole file: ground, title, a legend of the series, and what was drawn."""
    legend, x = [], 16.0
    for number, name in enumerate(names if len(names) > 1 else ()):
        legend.append(f'<rect x="{x:.0f}" y="36" width="12" height="12" class="f{number % COLOURS}"/>')
        legend.append(_text(x + 17, 47, name))
        x += 34 + 7.2 * len(name)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">',
            f"<title>{escape(title)}</title><style>{STYLE}</style>",
            f'<rect class="ground" width="{WIDTH}" height="{height:.0f}"/>',
            _text(16, 24, title, kind="title"),
            *legend,
            *parts,
            "</svg>\n",
        ]
    )


def _bars(plot: Bars) -> str:
    names = list(dict.fromkeys(name for group in plot.groups.values() for name in group))
    most = max((value for group in plot.groups.values() for value in group.values()), default=0) or 1
    parts, y = [], float(TOP)
    for group, values in plot.groups.items():
        parts.append(_text(LEFT - 8, y + ROW * len(names) / 2 + 4, group, "end"))
        for number, name in enumerate(names):
            value = values.get(name, 0)
            length = value / most * (WIDTH - LEFT - RIGHT)
            size = f'width="{length:.1f}" height="{ROW - 6}"'
            parts.append(f'<rect x="{LEFT}" y="{y + 3:.1f}" {size} class="f{number % COLOURS}"/>')
            parts.append(_text(LEFT + length + 6, y + ROW / 2 + 4, f"{value:,.0f} {plot.unit}" if value else "–"))
            y += ROW
        y += ROW / 2
    return _sheet(y, plot.title, names, parts)


def _lines(plot: Lines) -> str:
    drawn = [*plot.lines.items(), *plot.dashed.items()]
    points = [point for _, line in drawn for point in line]
    left, bottom = 70, TOP + HEIGHT
    across = _scale([x for x, _ in points], left, WIDTH - 30)
    up = _scale([y for _, y in points], bottom, TOP)
    parts = []
    for value in _ticks([x for x, _ in points]):
        parts.append(f'<line x1="{across(value):.1f}" x2="{across(value):.1f}" y1="{TOP}" y2="{bottom}" class="grid"/>')
        parts.append(_text(across(value), bottom + 18, f"{value:,g}", "middle"))
    for value in _ticks([y for _, y in points]):
        parts.append(f'<line x1="{left}" x2="{WIDTH - 30}" y1="{up(value):.1f}" y2="{up(value):.1f}" class="grid"/>')
        parts.append(_text(left - 6, up(value) + 4, f"{value:,g}", "end"))
    names = list(plot.lines)
    for place, (name, line) in enumerate(drawn):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line)
        kind = f"s{names.index(name) % COLOURS}{' dashed' if place >= len(names) else ''}"
        parts.append(f'<polyline points="{path}" class="{kind}"/>')
    parts.append(_text((left + WIDTH) / 2, bottom + 40, f"{plot.x}; upward: {plot.y}", "middle"))
    return _sheet(bottom + 52, plot.title, names, parts)


def _scale(values: Sequence[float], start: float, end: float) -> Callable[[float], float]:
    """From a value to its place between start and end, by the logarithm."""
    low, high = _bounds(values)
    return lambda value: start + (end - start) * math.log(value / low) / math.log(high / low)


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    ticks = _ticks(values)
    return ticks[0], ticks[-1]


def _ticks(values: Sequence[float]) -> list[float]:
    """1, 2, 5, 10 … from just below the least to just above the greatest: two at least."""
    low, high = min(values, default=1), max(values, default=10)
    steps = [base * 10.0**power for power in range(-4, 10) for base in (1, 2, 5)]
    first = max(number for number, step in enumerate(steps) if step <= low)
    last = next(number for number, step in enumerate(steps) if step >= high)
    return steps[first : max(last, first + 1) + 1]
