"""Which hosts a worker relays to: those that live. Of one that does not answer, one request finds out when it does."""

from __future__ import annotations

from reaktor.engineio.neighbours import REFUSE_S, TRY_S, Neighbour, Neighbours

B = (2, 7, "10.0.0.2", 8001)
C = (3, 1, "10.0.0.3", 8001)


def known(hosts: Neighbours, number: int = 2, life: int = 7) -> Neighbour:
    found = hosts.find(number, life)
    assert found is not None
    return found


def told(*hosts: tuple[int, int, str, int]) -> Neighbours:
    neighbours = Neighbours()
    neighbours.tell(hosts)
    return neighbours


def test_only_the_life_that_lives_is_found() -> None:
    hosts = told(B)
    assert (known(hosts).address, known(hosts).port) == ("10.0.0.2", 8001)
    assert hosts.find(2, 6) is None
    assert hosts.find(3, 1) is None


def test_who_is_told_of_again_is_the_same_and_who_is_not_is_gone() -> None:
    hosts = told(B, C)
    b, c = known(hosts), known(hosts, 3, 1)
    b.failed(0.0)
    assert hosts.tell([B]) == [c]
    assert known(hosts) is b
    assert hosts.tell([(2, 8, "10.0.0.2", 8001)]) == [b]
    assert known(hosts, 2, 8).may_try(0.0)
    moved = known(hosts, 2, 8)
    assert hosts.tell([(2, 8, "10.0.0.9", 8001)]) == [moved]


def test_a_host_that_answers_is_asked_by_all() -> None:
    host = known(told(B))
    assert [host.may_try(0.0) for _ in range(3)] == [True] * 3
    host.succeeded()
    assert host.may_try(0.0)


def test_a_host_that_did_not_answer_is_left_alone_for_a_second_and_then_asked_by_one() -> None:
    host = known(told(B))
    host.failed(10.0)
    assert not host.may_try(10.0)
    assert not host.may_try(10.0 + REFUSE_S - 0.01)
    assert [host.may_try(10.0 + REFUSE_S) for _ in range(3)] == [True, False, False]
    # It never said how it went: its client went away.
    assert not host.may_try(10.0 + REFUSE_S + TRY_S - 0.01)
    assert host.may_try(10.0 + REFUSE_S + TRY_S)
    host.failed(20.0)
    assert not host.may_try(20.5)
    assert host.may_try(21.0)
    host.succeeded()
    assert [host.may_try(21.0) for _ in range(3)] == [True] * 3
