"""Which hosts count as lost: only what was not heard while we did hear."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from chat.membership.silence import GAP_S, LOST_S, Silence

OWN, OTHER, THIRD = 1, 2, 3
BEAT_S = 0.5


def hear_own(silence: Silence, first: float, last: float) -> None:
    """Own beats from `first` to `last`, each half second."""
    for number in range(round((last - first) / BEAT_S) + 1):
        silence.note_own_beat(first + number * BEAT_S)
        silence.note(OWN, first + number * BEAT_S)


def test_a_host_that_falls_silent_is_lost_once_and_again_when_it_was_heard_again() -> None:
    silence = Silence(OWN)
    hear_own(silence, 0.0, 10.0)
    silence.note(OTHER, 5.0)
    silence.note(THIRD, 9.0)
    assert silence.lost(9.9) == []
    assert silence.lost(10.0) == [OTHER]
    assert silence.lost(10.0) == []
    assert silence.hosts == 2
    silence.note(OTHER, 10.1)
    hear_own(silence, 10.5, 14.0)
    silence.note(OTHER, 14.0)
    hear_own(silence, 14.5, 19.0)
    assert silence.lost(19.0) == [THIRD, OTHER]


def test_one_that_ended_in_order_is_not_missed() -> None:
    silence = Silence(OWN)
    hear_own(silence, 0.0, 10.0)
    silence.note(OTHER, 1.0)
    silence.forget(OTHER)
    assert silence.lost(10.0) == []


def test_our_own_pause_and_an_outage_of_the_bus_start_the_count_anew() -> None:
    silence = Silence(OWN)
    hear_own(silence, 0.0, 3.0)
    silence.note(OTHER, 3.0)
    # Nothing is heard, also not of us.
    assert silence.lost(20.0) == []
    hear_own(silence, 20.0, 24.5)
    assert silence.lost(24.9) == []
    hear_own(silence, 25.0, 25.0)
    assert silence.lost(25.0) == [OTHER]


def test_who_says_no_beats_loses_nobody() -> None:
    silence = Silence(OWN)
    silence.note(OTHER, 0.0)
    assert silence.lost(1_000.0) == []


@given(
    st.lists(st.tuples(st.sampled_from(["own", "other", "look"]), st.floats(0.01, 4.0, allow_nan=False)), max_size=120)
)
def test_nobody_is_lost_but_after_so_long_without_a_word_while_we_were_heard(steps: list[tuple[str, float]]) -> None:
    silence, now = Silence(OWN), 0.0
    own: list[float] = []
    heard: float | None = None
    for what, later in steps:
        now += later
        if what == "own":
            silence.note_own_beat(now)
            own.append(now)
        elif what == "other":
            silence.note(OTHER, now)
            heard = now
        elif OTHER in silence.lost(now):
            assert heard is not None
            assert now - heard >= LOST_S
            since = now - LOST_S
            # All that time our own beats came: no gap between them, up to now.
            inside = [at for at in own if at >= since - GAP_S]
            marks = [*inside, now]
            assert inside
            assert inside[0] <= since
            assert all(after - before <= GAP_S for before, after in itertools.pairwise(marks))
            heard = None
