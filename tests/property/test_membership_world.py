"""The five invariants of the membership, on a cluster whose lines lose, repeat and reorder."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.membership_world import World

QUICK = settings(max_examples=500, deadline=None)


@QUICK
@given(st.binary(min_size=30, max_size=300))
def test_whatever_is_lost_repeated_or_reordered_everybody_comes_in_step(program: bytes) -> None:
    world = World()
    world.run(program)
    world.settle()


@settings(max_examples=170, deadline=None)
@given(st.integers(0, 2**32))
def test_long_lives_end_in_step_too(seed: int) -> None:
    world = World()
    world.run(random.Random(seed).randbytes(900))
    world.settle()
