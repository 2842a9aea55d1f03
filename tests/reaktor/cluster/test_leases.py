"""Counting connections by address: never below zero, never forgotten, never kept."""

from hypothesis import given
from hypothesis import strategies as st

from reaktor.cluster.leases import LeaseBook


@given(st.lists(st.tuples(st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]), st.booleans()), max_size=60))
def test_the_count_of_an_address_is_what_it_holds(steps):
    book, held = LeaseBook(3), {}
    for address, takes in steps:
        if takes:
            held.setdefault(address, []).append(book.take(address))
        elif held.get(address):
            lease = held[address].pop()
            lease.release()
            lease.release()
        assert book.count(address) == len(held.get(address, []))
    for leases in held.values():
        for lease in leases:
            lease.release()
    assert all(book.count(address) == 0 for address in held)


def test_a_lease_says_whether_it_is_over_the_bound_or_far_over():
    book = LeaseBook(2)
    leases = [book.take("192.0.2.1") for _ in range(5)]
    assert [lease.is_over for lease in leases] == [False, False, True, True, True]
    assert [lease.is_far_over for lease in leases] == [False, False, False, False, True]
    assert not book.take("192.0.2.2").is_over


def test_what_is_held_elsewhere_counts_and_only_what_comes_near_the_bound_is_told():
    book = LeaseBook(40)
    book.elsewhere = {"192.0.2.1": 39}
    assert [book.take("192.0.2.1").is_over for _ in range(2)] == [False, True]
    assert not book.take("192.0.2.2").is_over
    assert book.near_the_bound() == {"192.0.2.1": 2}
    assert LeaseBook(None).near_the_bound() == {}


def test_without_a_bound_nothing_is_over():
    book = LeaseBook(None)
    assert not any(book.take("192.0.2.1").is_over for _ in range(1000))
