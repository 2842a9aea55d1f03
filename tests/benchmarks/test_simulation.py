"""What is reckoned from the costs of the parts: what grows with the hosts, what is full first, what is too far off."""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import fields, replace

import pytest

from benchmarks.hosts import Used
from benchmarks.people import Stretch
from benchmarks.scenarios import hosts
from benchmarks.simulation import parts
from benchmarks.simulation.__main__ import checked, main
from benchmarks.simulation.reckoning import (
    Costs,
    Habits,
    Load,
    Machine,
    Size,
    demand,
    full_first,
    holds,
    shares,
)

NOTHING = Costs(**{field.name: 0.0 for field in fields(Costs)})
HABITS = Habits(messages_per_minute=6, channels=2, members=10, stay_minutes=10, ping_s=20)
LOAD = Load(sessions=100, channels=20, members=10, posts_per_s=10, visits_per_s=1, joins=2)
MACHINE = Machine(memory_mib=1024, postgresql_cores=4)


def only(**costs: float) -> Costs:
    return replace(NOTHING, **costs)


def test_what_people_do_follows_from_how_many_there_are() -> None:
    load = HABITS.load(600)
    assert (load.posts_per_s, load.visits_per_s, load.channels) == (60, 1, 120)
    assert (load.deliveries_per_s, load.commands_per_s, load.told_per_s) == (540, 4, 36)
    assert HABITS.load(5).members == 5, "nobody is in a channel with more than there are"


def test_workers_share_deliveries_but_each_hears_of_every_change() -> None:
    one, four = (demand(only(delivery=10, change=0), LOAD, Size(hosts, 1)) for hosts in (1, 4))
    assert one.worker == pytest.approx(4 * four.worker)
    one, four = (demand(only(change=10), LOAD, Size(hosts, 1)) for hosts in (1, 4))
    assert one.worker == four.worker == pytest.approx(4 * 10 / 1e6)


def test_a_post_is_heard_by_the_workers_that_have_somebody_of_its_channel() -> None:
    assert Size(1, 1).present(10) == 1
    assert Size(2, 1).present(2) == 1.5
    assert Size(100, 1).present(2) == pytest.approx(1.99)
    alone = demand(only(heard=10), LOAD, Size(1, 1))
    many = demand(only(heard=10), LOAD, Size(100, 1))
    assert alone.worker == 0
    assert many.worker * 100 == pytest.approx(10 * 10 * (Size(100, 1).present(10) - 1) / 1e6)


def test_redis_and_memory_grow_with_the_hosts() -> None:
    costs = only(heard_by=1, picture_kib=1)
    assert demand(costs, LOAD, Size(8, 2)).redis > 2 * demand(costs, LOAD, Size(2, 2)).redis
    # A copy for each worker and for the supervisor, on each host.
    assert demand(costs, LOAD, Size(8, 2)).memory_mib == pytest.approx(3 * 100 / 1024)


def test_as_many_are_held_as_fill_one_part() -> None:
    costs = only(command=1_000, sql_post=100)
    users, part = holds(costs, HABITS, Size(4, 2), MACHINE)
    found = shares(demand(costs, HABITS.load(users), Size(4, 2)), MACHINE)
    assert found[part] == pytest.approx(1, rel=0.01)
    assert part == full_first(found) == "authority"


def test_a_part_that_is_far_from_what_was_measured_is_told() -> None:
    stretch = Stretch(100, 1_100, 4, Used((0.1,), (0.02,), 0.01, 0.05))
    costs = only(worker_s=110_000, holder_s=24_000, redis_host_s=14_000, sql_host_s=70_000)
    close = {check.what: check.is_close for check in checked(costs, 1, stretch)}
    assert close == {"the workers": True, "the supervisors": True, "Redis": True, "PostgreSQL": False, "all": True}


@pytest.mark.parametrize("workers_core", [0.1, 0.2])
def test_more_hosts_are_told_of_only_where_one_and_two_are_right(
    workers_core: float, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    costs = only(worker_s=100_000, holder_s=20_000, standby_s=20_000, redis_host_s=10_000, sql_host_s=50_000)
    one = Stretch(100, 1_100, 4, Used((workers_core,), (0.02,), 0.01, 0.05))
    two = Stretch(100, 1_100, 4, Used((0.1, 0.1), (0.02, 0.02), 0.02, 0.1))
    monkeypatch.setattr(parts, "measure", lambda *given: parts.Costly(costs, replace(costs, delivery=10)))
    monkeypatch.setattr(hosts, "measure", lambda *given: (one, two))
    monkeypatch.setattr(os, "sched_setaffinity", lambda *given: None)
    monkeypatch.setattr(signal, "signal", lambda *given: None)
    monkeypatch.setattr(sys, "argv", ["simulation", "--users", "1000", "--hosts", "1,2"])
    if workers_core == 0.1:
        main()
        assert "How many users so many hosts hold" in capsys.readouterr().out
        return
    with pytest.raises(SystemExit, match="Nothing more is printed: the workers of one host, all of one host differ"):
        main()
    assert "too far" in (said := capsys.readouterr().out)
    assert "How" not in said
