"""What the scenarios say of their figures: sections are made of whatever could be measured."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.hosts import Used
from benchmarks.journal import Journal
from benchmarks.people import Stretch
from benchmarks.report import Section, results_page
from benchmarks.rounds import Round
from benchmarks.scenarios import (
    back,
    connects,
    deliveries,
    growth,
    hosts,
    idle,
    joins,
    posts,
    rest,
    spread,
    storms,
    under_load,
)

FAST, SLOW = Round(1_000, 1.0, 0.5), Round(500, 1.0, 0.8)


def figures(alone: Round, p99_ms: float = 5.0) -> deliveries.Figures:
    return deliveries.Figures(alone, alone, 2.0, p99_ms, 30.0)


def test_deliveries_are_compared_with_the_original_and_with_the_floor() -> None:
    found = {deliveries.NATIVE: figures(FAST), deliveries.ORIGINAL: figures(SLOW), deliveries.BARE: figures(FAST)}
    section = deliveries.section({200: found}, 0.5, Journal())
    native = {verdict.what: verdict for verdict in section.verdicts if verdict.what.startswith("native")}
    assert native["native, 200 members, one at a time: × Node 1.7"].is_reached is True
    assert native["native, 200 members, 50 in flight: × Node 1.7"].is_reached is False
    assert native["native, 200 members, 50 in flight: × the bare loop"].found == "1.00 ×"
    assert native["native, 200 members: p50 at 50 posts/s"].wanted == "≤ 2.5 ms"
    assert section.tables[0].rows[0][1] == "1,000 (2.00)"


def test_of_three_rounds_the_median_counts_and_a_slow_server_is_asked_less() -> None:
    rounds = iter([Round(10, 1.0, 0), Round(30, 1.0, 0), Round(20, 1.0, 0)])
    assert deliveries._median(lambda: next(rounds)).per_s == 20
    slow = iter([Round(10, 9.0, 0)])
    assert deliveries._median(lambda: next(slow)).count == 10


def test_the_memory_of_a_connection_is_judged_in_the_largest_channel_alone() -> None:
    found = {200: {deliveries.NATIVE: figures(FAST)}, 1_000: {deliveries.NATIVE: figures(FAST)}}
    section = deliveries.section(found, 0.5, Journal())
    memory = {verdict.what: verdict.is_reached for verdict in section.verdicts if verdict.target == "P6"}
    assert memory["native, 1000 members: memory of a connection"] is False
    assert not any("200 members" in what for what in memory)


def test_a_server_that_failed_is_a_row_and_no_verdict_is_made_of_it() -> None:
    section = deliveries.section({200: {deliveries.NATIVE: figures(FAST), deliveries.ORIGINAL: None}}, None, Journal())
    assert section.tables[0].rows[1][1] == "failed"
    assert {v.is_reached for v in section.verdicts if "Node" in v.what} == {None}


def test_twice_the_processor_time_of_a_post_is_half_of_what_two_workers_could_do() -> None:
    section = spread.section({spread.ONE: Round(100, 1, 0.1), spread.TWO: Round(100, 1, 0.2)}, Journal())
    assert [(verdict.found, verdict.is_reached) for verdict in section.verdicts] == [
        ("1.00 ×", False),
        ("2.00 ×", False),
    ]


def test_what_a_second_host_brings_is_told_by_the_processor_time_of_the_workers() -> None:
    one = Stretch(120, 1_000, 4, Used((0.2,), (0.02,), 0.01, 0.1))
    two = Stretch(120, 1_000, 4, Used((0.12, 0.13), (0.02, 0.01), 0.015, 0.11))
    section = hosts.section({hosts.ONE: one, hosts.TWO: two}, hosts.CHANNELS, Journal())
    assert section.tables[0].rows[1][1:] == ["120", "1,000", "120 + 130", "20 + 10", "15", "110", "4,000"]
    assert "60% is gained" in section.text


def test_what_cost_more_before_is_gained() -> None:
    found = {each.name: Round(1_000, 1.0, 0.5) for each in (*rest.SEED, *rest.OTHERS)}
    section = rest.section(None, found, found, Journal())
    reached = {verdict.what: verdict.is_reached for verdict in section.verdicts}
    assert reached["POST join"] is False
    assert reached["GET channels: × Express on Node"] is True
    assert reached["POST a message: × as many for the processor as before"] is True


NOTHING: list[Callable[[], Section]] = [
    lambda: back.section(1, 1, {"native": None}, Journal()),
    lambda: connects.section(dict.fromkeys(connects.COMPARED), Journal()),
    lambda: deliveries.section({200: dict.fromkeys(deliveries.SERVERS)}, None, Journal()),
    lambda: growth.section(1, 1, {"SQLite": None}, Journal()),
    lambda: hosts.section({hosts.ONE: None, hosts.TWO: None}, hosts.CHANNELS, Journal()),
    lambda: idle.section({idle.EMPTY: None, "10": None}, 10, 20, Journal()),
    lambda: joins.section([200], dict.fromkeys(joins.COMPARED), Journal()),
    lambda: posts.section(dict.fromkeys(posts.TRANSPORT), None, Journal()),
    lambda: rest.section(None, {}, {}, Journal()),
    lambda: spread.section({spread.ONE: None, spread.TWO: None}, Journal()),
    lambda: storms.section(1, 1, {"native": None}, Journal()),
    lambda: under_load.section(200, [50], dict.fromkeys(under_load.COMPARED), Journal()),
]


@pytest.mark.parametrize("made", NOTHING)
def test_a_scenario_that_could_measure_nothing_still_makes_its_section(made: Callable[[], Section]) -> None:
    section = made()
    assert section.title in results_page([section], "", "", "plots")
    assert {verdict.is_reached for verdict in section.verdicts} <= {None}
