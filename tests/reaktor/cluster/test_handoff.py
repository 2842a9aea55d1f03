"""The socket pair: one packet, one descriptor; copies are kept until the other side has theirs.

All of it over both kinds of socket: the one that keeps packets apart, and the stream of the systems that have none.
"""

import asyncio
import os
import socket

import pytest

from reaktor.cluster import packets
from reaktor.cluster.contract import Neighbour, Place
from reaktor.cluster.handoff import MAX_IN_FLIGHT, SupervisorEnd, WorkerEnd, wait_for_place


class Pair:
    """Both ends on one loop, writing down what they hear."""

    def __init__(self):
        ours, theirs = packets.packet_pair()
        self.heard = []
        self.adopted = []
        self.hosts = []
        self.relayed = []
        self.supervisor = SupervisorEnd(
            ours,
            on_booted=lambda: self.heard.append("booted"),
            on_ready=lambda: self.heard.append("ready"),
            on_beat=self.heard.append,
            on_room=lambda: self.heard.append("room"),
            on_refused=lambda connection: self.heard.append("refused"),
            on_closed=lambda: self.heard.append("worker closed"),
        )
        self.worker_socket = theirs
        self.worker = None

    def start_worker(self):
        self.worker = WorkerEnd(
            self.worker_socket,
            on_socket=lambda descriptor, family: self.adopted.append((descriptor, family)) is None,
            on_drain=lambda seconds: self.heard.append(f"drain {seconds:g}"),
            on_closed=lambda: self.heard.append("supervisor closed"),
            on_hosts=self.hosts.extend,
            on_relayed=lambda descriptor, said: self.relayed.append((descriptor, said)),
        )

    def close(self):
        self.supervisor.close()
        if self.worker is not None:
            self.worker.close()
        else:
            self.worker_socket.close()
        for descriptor, _ in self.adopted:
            os.close(descriptor)
        for connection in self.supervisor.take_unadopted():
            connection.close()


@pytest.fixture(params=[socket.SOCK_SEQPACKET, socket.SOCK_STREAM], ids=["packets", "stream"])
async def pair(request, monkeypatch):
    monkeypatch.setattr(packets, "KIND", request.param)
    made = Pair()
    yield made
    made.close()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  what is waited for is any of many things
            await asyncio.sleep(0.005)


async def test_a_passed_connection_is_the_same_one_and_our_copy_is_closed_when_it_has_arrived(pair):
    pair.start_worker()
    ours, client = socket.socketpair()
    assert pair.supervisor.pass_socket(ours)
    await until(lambda: pair.adopted and ours.fileno() == -1)
    descriptor, family = pair.adopted[0]
    assert family == socket.AF_UNIX
    client.sendall(b"hello")
    assert os.read(descriptor, 10) == b"hello"
    client.close()


async def test_a_worker_that_takes_nothing_is_given_only_so_many_and_they_come_back_in_order(pair):
    connections = [socket.socketpair()[0] for _ in range(MAX_IN_FLIGHT + 20)]
    passed = [connection for connection in connections if pair.supervisor.pass_socket(connection)]
    assert passed == connections[:MAX_IN_FLIGHT]
    assert all(connection.fileno() >= 0 for connection in connections)
    assert pair.supervisor.take_unadopted() == passed
    for connection in connections:
        connection.close()


async def test_room_is_told_when_a_worker_that_was_behind_catches_up(pair):
    connections = [socket.socketpair()[0] for _ in range(MAX_IN_FLIGHT)]
    assert all(pair.supervisor.pass_socket(connection) for connection in connections)
    pair.start_worker()
    await until(lambda: len(pair.adopted) == MAX_IN_FLIGHT and pair.supervisor.in_flight == 0)
    assert "room" in pair.heard
    assert all(connection.fileno() == -1 for connection in connections)


async def test_ready_beats_and_drain_arrive(pair):
    pair.start_worker()
    pair.worker.ready()
    pair.worker.beat({"sessions": 3})
    pair.supervisor.drain(2.5)
    await until(lambda: len(pair.heard) == 3)
    assert set(map(str, pair.heard)) == {"ready", "{'sessions': 3}", "drain 2.5"}


async def test_a_drain_said_behind_a_full_pair_arrives_after_the_connections(pair):
    connections = [socket.socketpair()[0] for _ in range(MAX_IN_FLIGHT)]
    for connection in connections:
        pair.supervisor.pass_socket(connection)
    pair.supervisor.drain(1)
    pair.start_worker()
    await until(lambda: "drain 1" in pair.heard)
    assert len(pair.adopted) == MAX_IN_FLIGHT


async def test_a_worker_is_told_of_hosts_and_passed_what_they_relay(pair):
    pair.start_worker()
    hosts = [Neighbour(2, 7, "10.0.0.2", 8001)]
    pair.supervisor.tell_hosts(hosts)
    await until(lambda: pair.hosts == hosts)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert pair.supervisor.pass_relayed(theirs, {"size": 3})
        theirs.close()
        await until(lambda: pair.relayed)
        ((descriptor, said),) = pair.relayed
        assert said == {"size": 3}
        with socket.socket(fileno=descriptor) as passed:
            ours.sendall(b"abc")
            assert passed.recv(3) == b"abc"
    # Nobody waits for a word about it.
    assert pair.supervisor.in_flight == 0


async def test_nothing_is_relayed_to_a_worker_that_is_gone(pair):
    pair.start_worker()
    pair.worker.close()
    await until(lambda: "worker closed" in pair.heard)
    with socket.socket() as connection:
        assert not pair.supervisor.pass_relayed(connection, {})


async def test_each_side_notices_the_others_end(pair):
    pair.start_worker()
    pair.worker.close()
    await until(lambda: "worker closed" in pair.heard)
    other = Pair()
    other.start_worker()
    other.supervisor.close()
    await until(lambda: "supervisor closed" in other.heard)
    other.close()


async def test_a_beat_that_is_larger_than_what_the_kernel_takes_at_once_arrives_whole(pair):
    pair.worker_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
    pair.start_worker()
    large = {"sessions": 1, "filler": "x" * 60_000}
    if pair.worker_socket.type == socket.SOCK_SEQPACKET:
        large["filler"] = "x" * 1_000  # there a packet goes as a whole, or not at all
    for number in range(3):
        pair.worker.beat(large | {"number": number})
        await until(lambda: len(pair.heard) == number + 1)  # noqa: B023  awaited in the same turn
    assert pair.heard == [large | {"number": number} for number in range(3)]


async def test_packets_that_a_newer_version_might_send_are_skipped(pair):
    pair.start_worker()
    pair.worker._send(b"\x02?something new")
    pair.worker.beat({"sessions": 1})
    await until(lambda: pair.heard)
    assert pair.heard == [{"sessions": 1}]


async def test_a_worker_says_that_it_has_booted_and_waits_for_its_slot(pair):
    waiting = asyncio.create_task(asyncio.to_thread(wait_for_place, pair.worker_socket))
    await until(lambda: pair.heard == ["booted"])
    assert not waiting.done()
    pair.supervisor.assign(Place(2, 5, 3, 7))
    assert await waiting == Place(2, 5, 3, 7)
    pair.start_worker()
    pair.supervisor.drain(2)
    await until(lambda: "drain 2" in pair.heard)


async def test_a_spare_whose_supervisor_is_gone_is_given_no_slot(pair):
    pair.supervisor.close()
    assert await asyncio.to_thread(wait_for_place, pair.worker_socket) is None


async def test_a_connection_for_a_worker_that_is_gone_stays_with_its_owner(pair):
    pair.worker_socket.close()
    ours, client = socket.socketpair()
    assert not pair.supervisor.pass_socket(ours)
    pair.supervisor.drain(1)
    assert ours.fileno() >= 0
    assert pair.supervisor.take_unadopted() == []
    await until(lambda: "worker closed" in pair.heard)
    pair.supervisor.close()
    pair.supervisor.drain(1)
    assert not pair.supervisor.pass_socket(ours)
    ours.close()
    client.close()


async def test_a_reset_is_an_end_like_any_other(pair, monkeypatch):
    def reset():
        raise ConnectionResetError

    monkeypatch.setattr(pair.supervisor._end, "receive", reset)
    pair.worker_socket.send(b"anything")
    await until(lambda: "worker closed" in pair.heard)
    assert pair.supervisor.is_closed
