"""The cluster's sums: workers die and come again, and no sum goes backwards."""

import pytest

from reaktor.cluster.cluster_metrics import ClusterMetrics
from reaktor.cluster.control import ask_metrics
from reaktor.cluster.rundir import RunDir
from reaktor.cluster.worker_process import Listener, WorkerProcess, WorkerState
from reaktor.errors import UnavailableError

AUTHORITY = {"epoch": 5, "revision": 40, "metrics": {"counters": {"authority_commands": 9}}}
CONNECTIONS = {"accepted": 3, "passed": 2, "refused": 1, "waiting": 0}


def worker(slot, incarnation, joins=0, sessions=0, state=WorkerState.READY, **says):
    made = WorkerProcess(Listener(print, print, print, print), slot, incarnation, state=state)
    made._on_beat({"metrics": {"counters": {"joins": joins}, "gauges": {"sessions:native": sessions}}, **says})
    return made


def test_a_new_incarnation_begins_where_the_old_one_ended():
    totals = ClusterMetrics()
    first, neighbour = worker(1, 1, joins=10, sessions=4), worker(2, 1, joins=1)
    assert totals.of_slots({first, neighbour}, {})["1"]["counters"]["joins"] == 10
    totals.retire(first, is_expected=False)
    between = totals.of_slots({neighbour}, {})
    assert between["1"]["counters"] == {"joins": 10, "worker_crashes": 1}
    assert "sessions:native" not in between["1"]["gauges"], "nobody is there now"
    second = WorkerProcess(Listener(print, print, print, print), 1, 2)
    assert totals.of_slots({second, neighbour}, {})["1"]["counters"]["joins"] == 10, "it has not said anything yet"
    second._on_beat({"metrics": {"counters": {"joins": 2}}})
    assert totals.of_slots({second, neighbour}, {})["1"]["counters"]["joins"] == 12


def test_during_a_reload_old_and_new_count_together():
    old, new = worker(1, 1, joins=5, sessions=3, state=WorkerState.DRAINING), worker(1, 2, joins=1, sessions=2)
    found = ClusterMetrics().of_slots({old, new}, {})["1"]
    assert found["counters"]["joins"] == 6
    assert found["gauges"]["sessions:native"] == 5
    assert found["gauges"]["workers_ready"] == 1


def test_a_beat_without_figures_keeps_the_last_ones():
    one = worker(1, 1, joins=7)
    one._on_beat({})
    assert ClusterMetrics().of_slots({one}, {})["1"]["counters"]["joins"] == 7


def test_the_lag_is_that_of_ready_replicas_of_this_epoch():
    found = ClusterMetrics().of_slots(
        {worker(1, 1, epoch=5, revision=38), worker(2, 1, epoch=4, revision=38), worker(3, 1, epoch=5, revision=41)},
        AUTHORITY,
    )
    assert found["1"]["gauges"]["replica_lag"] == 2
    assert "replica_lag" not in found["2"]["gauges"]
    assert found["3"]["gauges"]["replica_lag"] == 0


def test_the_picture_has_every_slot_and_what_the_supervisor_knows_itself():
    totals = ClusterMetrics()
    totals.retire(worker(7, 3, joins=2), is_expected=True)
    picture = totals.picture({worker(1, 4)}, {1: 4}, AUTHORITY, CONNECTIONS)
    assert picture["workers"]["1"]["counters"]["worker_restarts"] == 3
    assert picture["workers"]["7"]["counters"] == {"joins": 2, "worker_crashes": 0}, "a slot that was scaled away"
    assert picture["server"]["counters"]["connections_accepted"] == 3
    assert picture["server"]["counters"]["authority_commands"] == 9
    assert picture["server"]["gauges"]["supervisor_memory_bytes"] > 1_000_000


async def test_without_a_supervisor_a_worker_has_no_metrics_of_the_cluster(tmp_path):
    with pytest.raises(UnavailableError):
        await ask_metrics(RunDir(tmp_path))
