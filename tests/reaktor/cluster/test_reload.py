"""The order in which workers are replaced: one slot at a time, and no further than the first that can't be."""

from __future__ import annotations

import pytest

from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.reload import Reload
from reaktor.cluster.slots import Slot, Slots
from reaktor.cluster.worker_process import Listener, WorkerProcess

LISTENER = Listener(print, print, print, print)


class Cluster:
    """Three slots with a worker each, and what has been started since."""

    def __init__(self):
        self.slots = Slots()
        for number in (1, 2, 3):
            slot = self.slots.ensure(number, is_routed=True)
            slot.current = WorkerProcess(LISTENER, number, 1)
        self.started = []
        self.done = 0
        self.reload = Reload(self.slots, self.start, self.on_done)

    def on_done(self):
        self.done += 1

    def start(self, slot: Slot) -> WorkerProcess:
        self.started.append(slot.number)
        return WorkerProcess(LISTENER, slot.number, 2, exit_code=1)

    def slot(self, number):
        return self.slots.by_number[number]


@pytest.fixture
def cluster():
    return Cluster()


async def test_the_next_slot_waits_until_the_new_worker_of_the_one_before_has_taken_over(cluster):
    result = cluster.reload.begin([1, 2, 3])
    for number in (1, 2, 3):
        assert cluster.started == list(range(1, number + 1))
        assert cluster.reload.is_running
        cluster.reload.took_over(cluster.slot(number))
        cluster.reload.took_over(cluster.slot(number))
    assert await result == [1, 2, 3]
    assert not cluster.reload.is_running
    assert cluster.done == 1


async def test_a_worker_that_cannot_boot_ends_it_and_the_rest_is_left_alone(cluster):
    result = cluster.reload.begin([1, 2, 3])
    cluster.reload.took_over(cluster.slot(1))
    cluster.reload.failed(cluster.slot(2), cluster.slot(2).incoming)
    with pytest.raises(SupervisorError, match=r"worker 2\.2 exited with code 1\. The old workers go on"):
        await result
    assert cluster.started == [1, 2]
    assert not cluster.reload.is_running
    assert cluster.done == 0


async def test_slots_that_go_are_passed_over_and_empty_ones_are_started_now(cluster):
    cluster.slot(1).is_retiring = True
    cluster.slot(2).current, cluster.slot(2).restart_at = None, 1e9
    result = cluster.reload.begin([1, 2, 3, 4])
    assert cluster.started == [3]
    assert cluster.slot(2).restart_at < 1e9
    cluster.reload.took_over(cluster.slot(3))
    assert await result == [2, 3]


async def test_a_stop_is_told_to_whoever_waits(cluster):
    result = cluster.reload.begin([1])
    cluster.reload.stop("The server is stopping.")
    with pytest.raises(SupervisorError, match="stopping"):
        await result
    cluster.reload.took_over(cluster.slot(1))
    assert cluster.started == [1]
