"""Two servers that are started on one data directory: exactly one serves, and the other one says why it does not."""

import sys

import pytest

from tests.support.chat_cluster import ChatCluster
from tests.support.cluster import MACHINERY
from tests.support.ports import is_listening, wait_for
from tests.support.server import LiveServer

pytestmark = pytest.mark.cluster

LONE = (sys.executable, "-m", "tests.support.run_lone")


@pytest.mark.parametrize("commands", [(MACHINERY, MACHINERY), (MACHINERY, LONE), (LONE, LONE)], ids=str)
def test_of_two_that_start_in_the_same_second_exactly_one_serves(own, commands):
    """With ports of their own both served, each with its own idea of who was online."""
    both = [own(command=command) for command in commands]
    wait_for(lambda: any(each.process.poll() is not None for each in both), 20, "one to give up")
    refused, serving = sorted(both, key=lambda each: each.process.poll() is None)
    assert refused.wait_exit(1) == 1
    assert f"Another server works in {serving.directory} (process {serving.process.pid}, port" in refused.said()
    serving.wait_serving()
    assert serving.who()["worker"]
    assert not is_listening(refused.port)


def test_a_killed_one_leaves_room_for_the_next(own):
    first = own().wait_serving()
    first.process.kill()
    first.wait_exit(5)
    assert own().wait_serving().who()["worker"]


def test_the_development_server_is_refused_beside_a_cluster(chat: ChatCluster):
    beside = LiveServer(chat.directory)
    with pytest.raises(RuntimeError, match=r"Another server works in .* Give each server a DATA_DIR of its own"):
        beside.start()


def test_a_plain_server_beside_a_cluster_answers_503(chat: ChatCluster):
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", "reaktor.asgi:application"]
    beside = LiveServer(chat.directory, command=command)
    try:
        with pytest.raises(RuntimeError, match="Another server works in"):
            beside.start(5)
    finally:
        beside.stop()
