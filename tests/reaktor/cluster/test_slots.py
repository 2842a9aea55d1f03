"""Slots come and go with the number of workers; what a (slot, incarnation) names never comes back."""

from __future__ import annotations

from reaktor.cluster.slots import Slots


def test_a_slot_that_was_scaled_away_goes_on_counting_when_it_comes_again():
    """It began at 1 again: the authority took the new worker for the dead one, and it never became ready."""
    slots = Slots()
    slots.ensure(2, is_routed=True).incarnation = 3
    slots.by_number[2].is_retiring = True
    slots.forget_retired()
    assert slots.wanted == []
    assert slots.ensure(2, is_routed=False).incarnation == 3
    assert slots.ensure(3, is_routed=False).incarnation == 0
