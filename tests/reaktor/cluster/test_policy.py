"""Slots: the same client, the same slot."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaktor.cluster.policy import slot_for

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
slot_sets = st.sets(st.integers(1, 64), min_size=1, max_size=12)


@given(addresses, slot_sets, st.randoms())
def test_the_slot_of_an_address_does_not_depend_on_the_order_of_the_slots(address, slots, random):
    shuffled = list(slots)
    random.shuffle(shuffled)
    assert slot_for(address, sorted(slots)) == slot_for(address, shuffled)


@given(addresses, slot_sets, st.integers(65, 99))
def test_a_new_slot_takes_addresses_only_for_itself(address, slots, added):
    assert slot_for(address, [*slots, added]) in {slot_for(address, list(slots)), added}


@given(addresses, slot_sets)
def test_a_slot_that_goes_moves_only_its_own_addresses(address, slots):
    before = slot_for(address, list(slots))
    for gone in slots - {before}:
        assert slot_for(address, list(slots - {gone})) == before


@pytest.mark.parametrize("count", [2, 3, 8])
def test_neighbouring_addresses_spread_over_all_slots(count):
    slots = list(range(1, count + 1))
    chosen = [slot_for(f"192.0.{high}.{low}", slots) for high in range(16) for low in range(250)]
    for slot in slots:
        assert chosen.count(slot) / len(chosen) == pytest.approx(1 / count, rel=0.15)
