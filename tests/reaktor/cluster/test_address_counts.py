"""Counting connections by address: never below zero, never forgotten, never kept."""

from hypothesis import given
from hypothesis import strategies as st

from reaktor.cluster.address_counts import AddressCounts


def count_of(counts, address):
    """How many the address holds, as one that comes now learns."""
    hold = counts.take(address)
    hold.release()
    return hold.count - 1


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), st.booleans()), max_size=60))
def test_the_count_of_an_address_is_what_it_holds(steps):
    counts, held = AddressCounts(3), {}
    for address, takes in steps:
        if takes:
            held.setdefault(address, []).append(counts.take(address))
        elif held.get(address):
            hold = held[address].pop()
            hold.release()
            hold.release()
        assert count_of(counts, address) == len(held.get(address, []))
    for holds in held.values():
        for hold in holds:
            hold.release()
    assert all(count_of(counts, address) == 0 for address in held)


def test_a_hold_says_whether_it_is_over_the_bound_or_far_over():
    counts = AddressCounts(2)
    holds = [counts.take("192.0.2.1") for _ in range(5)]
    assert [hold.is_over for hold in holds] == [False, False, True, True, True]
    assert [hold.is_far_over for hold in holds] == [False, False, False, False, True]
    assert not counts.take("192.0.2.2").is_over


def test_what_is_held_elsewhere_counts_and_only_what_comes_near_the_bound_is_told():
    counts = AddressCounts(40)
    counts.elsewhere = {"192.0.2.1": 39}
    assert [counts.take("192.0.2.1").is_over for _ in range(2)] == [False, True]
    assert not counts.take("192.0.2.2").is_over
    assert counts.near_the_bound() == {"192.0.2.1": 2}
    assert AddressCounts(None).near_the_bound() == {}


def test_without_a_bound_nothing_is_over():
    counts = AddressCounts(None)
    assert not any(counts.take("192.0.2.1").is_over for _ in range(1000))
