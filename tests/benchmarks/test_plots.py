"""Plots are whole SVG files, and each value stands where it belongs."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from benchmarks.plots import Bars, Lines, Plot, draw

SVG = "{http://www.w3.org/2000/svg}"
BARS = Bars("bars", "Deliveries <a second>", "/s", {"ours": {"alone": 50, "many": 100}, "theirs": {"many": 25}})
LINES = Lines("lines", "Latency", "posts/s", "ms", {"ours": [(10, 1), (100, 10)]}, {"ours": [(10, 2), (100, 100)]})


def drawn(plot: Plot) -> ElementTree.Element:
    return ElementTree.fromstring(draw(plot))


@pytest.mark.parametrize(
    "plot", [BARS, LINES, Bars("none", "Nothing", "", {}), Lines("none", "Nothing", "", "", {}, {})]
)
def test_each_plot_is_well_formed_and_follows_the_readers_theme(plot: Plot) -> None:
    assert drawn(plot).tag == f"{SVG}svg"
    assert "prefers-color-scheme:dark" in draw(plot)


def test_a_bar_is_as_long_as_its_value() -> None:
    lengths = {
        bar.get("class"): float(bar.get("width", "0"))
        for bar in drawn(Bars("one", "", "", {"ours": {"alone": 50, "many": 100}})).iter(f"{SVG}rect")
        if bar.get("height") == "20"
    }
    assert lengths["f1"] == pytest.approx(2 * lengths["f0"])


def test_a_value_that_is_not_there_is_shown_as_such() -> None:
    said = [text.text for text in drawn(BARS).iter(f"{SVG}text")]
    assert {"50 /s", "100 /s", "25 /s", "–", "ours", "theirs", "alone", "many"} <= set(said)


def test_both_axes_of_lines_are_logarithmic() -> None:
    line = next(drawn(LINES).iter(f"{SVG}polyline"))
    (x1, y1), (x2, y2) = (map(float, point.split(",")) for point in line.get("points", "").split())
    assert x1 < x2
    assert y1 > y2
    ten = Lines("ten", "", "", "", {"ours": [(10, 1), (20, 2), (40, 4)]}, {})
    points = [float(point.split(",")[0]) for point in next(drawn(ten).iter(f"{SVG}polyline")).get("points", "").split()]
    assert points[1] - points[0] == pytest.approx(points[2] - points[1], abs=0.2)


def test_a_dashed_line_has_the_colour_of_its_name() -> None:
    kinds = [line.get("class", "") for line in drawn(LINES).iter(f"{SVG}polyline")]
    assert kinds == ["s0", "s0 dashed"]
    assert re.search(r"\.dashed\{stroke-dasharray", draw(LINES))
