"""The table of clusterctl: a replica is equal, behind or different, and never called equal for want of a figure."""

import pytest

from reaktor.cluster.contract import Home
from reaktor.cluster.status import as_table, gather
from reaktor.cluster.supervisor import Supervisor
from reaktor.cluster.worker_process import Listener, WorkerProcess, WorkerState
from reaktor.config.model import Cluster

LISTENER = Listener(print, print, print, print)
AUTHORITY = {"phase": "serving", "epoch": 5, "revision": 40, "digest": "abc", "sessions": 3}


def test_the_hosts_are_shown_with_who_lives_and_who_decides():
    status = shown({"epoch": 5, "revision": 40, "digest": "abc"})
    own = {"number": 1, "name": "east", "life": 3, "version": "1.0", "is_alive": True, "is_own": True}
    other = {"number": 2, "name": "west", "life": 9, "version": "1.0", "is_alive": False, "is_own": False}
    status["hosts"] = [
        {**own, "decides": False, "last_seen": None},
        {**other, "decides": True, "last_seen": "yesterday", "advertise": "10.0.0.2:8001"},
    ]
    assert as_table(status).splitlines()[-3:-1] == [
        "host east, number 1, life 3, 1.0, alive, this one",
        "host west, number 2, life 9, 1.0, relayed to at 10.0.0.2:8001, not heard of since yesterday, decides",
    ]
    status["hosts"][1]["decides"] = False
    assert as_table(status).splitlines()[-2] == "no host decides at this moment"


def shown(worker_says, authority=AUTHORITY, spares=()):
    supervisor = Supervisor(Cluster(), None, Home(1, 1), environment={})
    worker = WorkerProcess(LISTENER, 1, 3, state=WorkerState.READY, status=worker_says)
    supervisor.slots.ensure(1, is_routed=True)
    supervisor.slots.workers.add(worker)
    supervisor.spares.workers += spares
    return gather(supervisor, authority, {"accepted": 7, "waiting": 0})


@pytest.mark.parametrize(
    ("says", "lag", "equal"),
    [
        ({"epoch": 5, "revision": 40, "digest": "abc", "sessions": 3}, 0, True),
        ({"epoch": 5, "revision": 40, "digest": "xyz"}, 0, False),
        ({"epoch": 5, "revision": 38, "digest": "old"}, 2, None),
        ({"epoch": 4, "revision": 40, "digest": "abc"}, None, None),
        ({}, None, None),
    ],
)
def test_a_replica_is_compared_at_the_same_position_only(says, lag, equal):
    worker = shown(says)["workers"][0]
    assert (worker["revision_lag"], worker["equals_authority"]) == (lag, equal)


def test_the_table_names_slots_and_what_the_authority_holds():
    table = as_table(shown({"epoch": 5, "revision": 40, "digest": "xyz", "sessions": 12, "version": "0.2.0"}))
    header, row = table.splitlines()[:2]
    assert header.split()[:3] == ["slot", "pid", "inc"]
    assert row.split()[-3:] == ["DIFFERS", "0.2.0", "ready"]
    assert "authority: phase serving, epoch 5, revision 40, sessions 3, digest abc" in table
    assert "connections: 7 accepted, 0 waiting" in table


def test_a_spare_has_a_row_without_a_slot_and_is_no_worker():
    status = shown({}, spares=[WorkerProcess(LISTENER, pid=77, state=WorkerState.SPARE), WorkerProcess(LISTENER)])
    assert len(status["workers"]) == 1
    spare, booting = as_table(status).splitlines()[2:4]
    assert spare.split()[:2] == ["-", "77"]
    assert spare.split()[-2:] == ["-", "spare"]
    assert booting.split()[-3:] == ["-", "spare,", "starting"]


def test_without_an_authority_nothing_is_called_equal():
    status = shown({"digest": None}, authority={})
    assert status["workers"][0]["equals_authority"] is None
    assert "authority: none" in as_table(status)


def test_the_table_says_why_a_spare_is_missing():
    status = shown({})
    assert "a spare is missing: one is started when every slot serves" in as_table(status)
    assert "spare" not in as_table({**status, "spare_missing": ""})
