"""Figures of many processes, added up."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reaktor.observe.metrics import SECONDS, Histogram, added, lasting

COUNTS = st.dictionaries(st.sampled_from(["a", "b:x", "b:y"]), st.integers(0, 1000))


def test_an_observation_falls_into_the_first_bucket_whose_bound_it_does_not_pass() -> None:
    histogram = Histogram((1, 5))
    for value in (0, 1, 2, 5, 6):
        histogram.observe(value)
    assert histogram.as_data() == [2, 2, 1, 14]


@given(st.lists(COUNTS, max_size=5))
def test_sums_do_not_depend_on_the_order_and_lose_nothing(parts: list[dict[str, int]]) -> None:
    forward = added({"counters": part} for part in parts)
    assert forward == added({"counters": part} for part in reversed(parts))
    assert sum(forward["counters"].values()) == sum(sum(part.values()) for part in parts)


def test_a_flag_is_up_only_where_it_is_up_everywhere() -> None:
    assert added([{"flags": {"bus": True}}, {"flags": {"bus": False}}, {}])["flags"] == {"bus": False}


def test_histograms_add_up_and_those_with_other_buckets_are_not_mixed() -> None:
    one = {"histograms": {"h": [1, 2, 0.5]}}
    assert added([one, one])["histograms"] == {"h": [2, 4, 1.0]}
    assert added([one, {"histograms": {"h": [1, 1, 1, 3.0]}}])["histograms"] == {"h": [1, 1, 1, 3.0]}


def test_what_was_true_of_a_process_goes_with_it_and_what_it_counted_stays() -> None:
    metrics = {"counters": {"n": 3}, "gauges": {"g": 9}, "flags": {"f": True}, "histograms": {"h": [1, 1.0]}}
    assert lasting(metrics) == {"counters": {"n": 3}, "histograms": {"h": [1, 1.0]}}


def test_the_bounds_of_seconds_reach_from_half_a_millisecond_to_the_time_a_client_gives_up() -> None:
    assert list(SECONDS) == sorted(SECONDS)
    assert (SECONDS[0], SECONDS[-1]) == (0.0005, 5.0)
