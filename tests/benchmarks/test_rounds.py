"""Percentiles, rates, and the processor time of a process."""

from __future__ import annotations

import os

import pytest

from benchmarks.rounds import Middle, Round, Watch, cpu_s, middle, percentile, total


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(number) for number in range(100, 0, -1)]
    assert (percentile(values, 0.5), percentile(values, 0.99), percentile(values, 1.0)) == (51, 100, 100)
    assert percentile([], 0.5) == 0


def test_a_round_says_what_one_took() -> None:
    done = Round(200, wall_s=2.0, cpu_s=0.5)
    assert (done.per_s, done.cpu_us, done.core) == (100, 2_500, 0.25)


def test_rounds_of_the_same_add_up() -> None:
    assert total([Round(1, 2.0, 0.5), Round(3, 4.0, 0.25)]) == Round(4, 6.0, 0.75)


def test_a_watch_counts_the_processor_time_since_it_was_made() -> None:
    before = cpu_s([os.getpid()])
    watch = Watch([os.getpid()])
    while cpu_s([os.getpid()]) < before + 0.02:
        pass
    done = watch.read(1)
    assert done.cpu_s > 0.01
    assert done.wall_s > 0


def test_a_process_that_is_gone_has_used_nothing() -> None:
    assert cpu_s([2**22 + 1]) == pytest.approx(0)


def test_a_median_has_bounds_that_one_odd_round_does_not_move() -> None:
    values = [float(number) for number in range(1, 20)]
    assert middle([*values, 20.0]) == middle([*values, 1e9]) == Middle(10.5, 6, 15)
    assert middle([3.0, 1.0, 2.0]) == Middle(2, 2, 2), "so few say nothing of how sure they are"
    assert middle([1.0] * 6) == Middle(1, 1, 1)
    assert middle([6.0, 1.0, 2.0, 5.0, 3.0, 4.0]) == Middle(3.5, 1, 6)
