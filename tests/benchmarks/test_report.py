"""Tables, verdicts, and the page of results."""

from __future__ import annotations

import pytest

from benchmarks.plots import Bars
from benchmarks.report import (
    Section,
    Table,
    Verdict,
    at_least,
    at_most,
    beside,
    of,
    ratio,
    results_page,
    rows,
    short,
    tables_text,
    verdicts_table,
)


def test_a_table_is_one_of_markdown() -> None:
    table = Table("Speed", ("server", "a second"), [("ours", "1,000")], "On one core.")
    assert table.text().splitlines() == [
        "**Speed**", "", "| server | a second |", "| --- | --- |", "| ours | 1,000 |", "", "On one core.",
    ]  # fmt: skip


def test_what_could_not_be_measured_has_a_row_that_says_so() -> None:
    found: dict[str, int | None] = {"ours": 7, "theirs": None}
    assert rows(3, found, lambda each: [str(each), "x"]) == [["ours", "7", "x"], ["theirs", "failed", "–"]]


@pytest.mark.parametrize(("found", "is_reached"), [(1.3, True), (1.29, False), (None, None)])
def test_a_large_figure_reaches_what_is_wanted_at_least(found: float | None, is_reached: bool | None) -> None:
    assert at_least("P1", "deliveries", 1.3, found).is_reached is is_reached


@pytest.mark.parametrize(("found", "is_reached"), [(25.0, True), (25.1, False), (None, None)])
def test_a_small_figure_reaches_what_is_wanted_at_most(found: float | None, is_reached: bool | None) -> None:
    assert at_most("P6", "memory", 25, found, unit=" KiB").is_reached is is_reached


def test_a_verdict_says_what_was_wanted_and_found() -> None:
    verdict = at_most("P6", "memory", 25, 31.26, unit=" KiB")
    assert (verdict.wanted, verdict.found) == ("≤ 25 KiB", "31.3 KiB")
    assert at_least("P1", "deliveries", 2, None).found == "not measured"


def test_verdicts_stand_in_the_order_of_the_targets() -> None:
    said = verdicts_table([Verdict("P10", "b", "", "", None), Verdict("P2", "a", "", "", True)])
    assert [row[0] for row in said.rows] == ["P2", "P10"]


def test_what_is_not_reached_leads_to_what_limits_it() -> None:
    verdicts = [at_least(target, "deliveries", 2, found) for target, found in (("P1", 1), ("P2", 1), ("P3", 3))]
    said = verdicts_table(verdicts, "## Limits\n\n### P1\n\nThe disk.\n\n### P3\n\nNothing.")
    ends = [row[-1] for row in said.rows]
    assert ends == ["**not reached**: [what limits it](#p1)", "**not reached**", "reached"]


@pytest.mark.parametrize(("value", "said"), [(1234.5, "1,234"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23")])
def test_a_number_has_three_digits_that_count(value: float, said: str) -> None:
    assert short(value) == said


def test_there_is_no_ratio_to_what_was_not_measured() -> None:
    assert (ratio(6, 3), ratio(None, 3), ratio(6, None), ratio(6, 0)) == (2, None, None, None)
    assert (beside(1_200, 400), beside(1_200, None)) == ("1,200 (3.00)", "1,200")
    assert (of(3, float), of(None, float)) == (3.0, None)


def page(*sections: Section) -> str:
    return results_page(sections, "Measured on a day.", "## What limits the rest\n\nThe disk.", "plots")


def test_the_page_begins_with_all_targets_and_what_limits_them() -> None:
    first = Section("Fan-out", verdicts=[at_least("P1", "deliveries", 1, 2)])
    second = Section("Storm", verdicts=[at_most("P10", "back", 5, 7, unit=" s")])
    text = page(first, second)
    order = ["Measured on a day", "| P1 | deliveries |", "| P10 | back |", "The disk.", "## Fan-out", "## Storm"]
    assert sorted(order, key=text.index) == order
    assert "| reached |" in text
    assert "| **not reached** |" in text


def test_the_page_shows_the_plots() -> None:
    section = Section("Fan-out", plots=[Bars("fan-out", "Deliveries", "/s", {})])
    assert "![Deliveries](plots/fan-out.svg)" in page(section)


def test_what_failed_is_named_on_the_page_and_at_the_terminal() -> None:
    section = Section("Fan-out", failures={"theirs": "OSError: no Node"})
    for text in (page(section), tables_text(section)):
        assert "Failed: theirs: OSError: no Node" in text
