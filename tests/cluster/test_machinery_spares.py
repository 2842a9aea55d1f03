"""A spare takes the place of a worker that dies; it never serves old code, and whatever becomes of it hurts nobody."""

import os
import signal

import pytest

import reaktor
from tests.support.cluster import clusterctl
from tests.support.ports import wait_for

pytestmark = pytest.mark.cluster


def spare(cluster):
    """The pid of the cluster's spare, once it has booted."""
    cluster.remember_family()
    waiting = [found["pid"] for found in cluster.status()["spares"] if found["state"] == "spare"]
    return waiting[0] if len(waiting) == 1 else None


def wait_spare(cluster, other_than=None):
    return wait_for(lambda: (pid := spare(cluster)) != other_than and pid, 20, "a spare")


@pytest.fixture
def cluster(own):
    return own(WORKERS="2", SPARE_WORKERS="1").wait_serving()


def test_the_spare_takes_the_place_of_a_dead_worker_and_has_a_successor(cluster):
    waiting = wait_spare(cluster)
    status = clusterctl(cluster, "status")[1]
    assert " spare\n" in status
    assert status.startswith(f"Reaktor {reaktor.__version__} on port ")
    before = cluster.workers()
    os.kill(before[1]["pid"], signal.SIGKILL)
    after = wait_for(lambda: len(found := cluster.workers()) == 2 and found[1]["pid"] != before[1]["pid"] and found)
    assert after[1]["pid"] == waiting
    assert after[1]["incarnation"] == before[1]["incarnation"] + 1
    assert f"worker 1.2 ({waiting}) is ready" in cluster.said()
    os.kill(wait_spare(cluster), signal.SIGKILL)
    wait_for(lambda: "the spare worker" in cluster.said(), what="a word on the dead spare")
    assert cluster.workers().keys() == {1, 2}
    assert cluster.status()["slots_given_up"] == {}


@pytest.mark.long
def test_a_new_slot_is_served_by_the_spare_and_a_reload_never_is(cluster):
    waiting = wait_spare(cluster)
    assert clusterctl(cluster, "scale", "3")[0] == 0
    assert cluster.workers()[3]["pid"] == waiting
    old = wait_spare(cluster)
    before = cluster.workers()
    assert clusterctl(cluster, "reload")[0] == 0
    after = cluster.wait_workers(3, newer_than=before)
    assert old not in {worker["pid"] for worker in after.values()}
    wait_spare(cluster, other_than=old)


@pytest.mark.long
def test_while_new_code_is_broken_the_old_spare_still_helps(own, tmp_path):
    broken = tmp_path / "broken"
    cluster = own(WORKERS="2", SPARE_WORKERS="1", TEST_BROKEN_IF=str(broken)).wait_serving()
    old = wait_spare(cluster)
    broken.touch()
    code, _, said = clusterctl(cluster, "reload")
    assert code == 1
    assert "SyntaxError: broken on purpose" in said
    assert "The old workers go on" in said
    before = cluster.workers()
    assert before.keys() == {1, 2}
    os.kill(before[1]["pid"], signal.SIGKILL)
    wait_for(lambda: cluster.workers().get(1, {}).get("pid") == old, what="the spare in the dead worker's place")
    wait_for(lambda: "the spare worker" in cluster.said(), what="a word on the spare that can't boot")
    assert "broken on purpose" in cluster.said()
    assert cluster.workers().keys() == {1, 2}
    code, _, said = clusterctl(cluster, "scale", "3")
    assert code == 1
    assert "slot 3: its worker exited with code 1: SyntaxError: broken on purpose" in said


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_the_spare_ends_with_the_supervisor(cluster, end):
    wait_spare(cluster)
    cluster.process.send_signal(end)
    assert cluster.wait_exit(15) == (0 if end == signal.SIGTERM else -signal.SIGKILL)
    cluster.wait_nothing_left(5)


def test_a_spare_that_stands_still_is_found_out_when_it_is_needed(own):
    cluster = own(WORKERS="1", SPARE_WORKERS="1", HANG_TIMEOUT="2.5s", TERM_TIMEOUT="0.5s").wait_serving()
    stopped = wait_spare(cluster)
    os.kill(stopped, signal.SIGSTOP)
    os.kill(cluster.workers()[1]["pid"], signal.SIGKILL)
    assert cluster.who()["worker"] == "1.3"
    assert f"worker 1.2 ({stopped}) hangs: no beat for 2.5 s" in cluster.said()
