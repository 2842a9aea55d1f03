"""Packets and their descriptors, over both kinds of socket; and what kernels do differently, played by the test."""

import errno
import os
import resource
import socket
import struct

import pytest

from reaktor.cluster import packets
from reaktor.cluster.packets import FULL, MAX_PACKET_BYTES, PacketEnd, packet_pair

KINDS = {"packets": socket.SOCK_SEQPACKET, "stream": socket.SOCK_STREAM}


@pytest.fixture(params=KINDS)
def ends(request, monkeypatch):
    monkeypatch.setattr(packets, "KIND", KINDS[request.param])
    made = [PacketEnd.over(sock) for sock in packet_pair()]
    yield made
    for end in made:
        end.close()


@pytest.fixture
def stream(monkeypatch):
    """(one end, the bare socket of the other)."""
    monkeypatch.setattr(packets, "KIND", socket.SOCK_STREAM)
    ours, theirs = packet_pair()
    end = PacketEnd.over(ours)
    yield end, theirs
    end.close()
    theirs.close()


def taken(end):
    """Everything that has come."""
    found = []
    while True:
        try:
            found.append(end.receive())
        except BlockingIOError:
            return found


@pytest.mark.parametrize("close_on_exec", [packets._CLOSE_ON_EXEC, 0], ids=["kernel marks", "kernel does not"])
def test_packets_arrive_one_by_one_each_with_its_own_descriptor(ends, monkeypatch, close_on_exec):
    monkeypatch.setattr(packets, "_CLOSE_ON_EXEC", close_on_exec)
    here, there = ends
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(2)]
    here.send(b"first")
    here.send(b"second", files[0])
    here.send(b"third")
    here.send(b"fourth", files[1])
    for file in files:
        os.close(file)
    came = taken(there)
    assert [packet for packet, _ in came] == [b"first", b"second", b"third", b"fourth"]
    assert [descriptor is None for _, descriptor in came] == [True, False, True, False]
    for _, descriptor in came:
        if descriptor is not None:
            assert not os.get_inheritable(descriptor)
            os.close(descriptor)


def test_a_descriptor_there_is_no_room_for_is_missed_by_its_own_packet_alone(ends):
    here, there = ends
    with open(os.devnull) as file:
        for name in (b"a", b"b", b"c"):
            here.send(name, file.fileno())
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    came = [there.receive()]
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        came.append(there.receive())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    came.append(there.receive())
    assert [packet for packet, _ in came] == [b"a", b"b", b"c"]
    assert [descriptor is None for _, descriptor in came] == [False, True, False]
    os.close(came[0][1])
    os.close(came[2][1])


def test_the_end_of_the_other_side_is_a_packet_without_bytes(ends):
    here, there = ends
    here.send(b"last words")
    here.close()
    assert there.receive() == (b"last words", None)
    assert there.receive() == (b"", None)
    with pytest.raises(ConnectionError):
        there.send(b"nobody hears it")


def test_when_there_is_no_room_nothing_is_taken_and_what_was_taken_arrives(ends):
    here, there = ends
    count, errors = 0, []
    while not errors:
        try:
            here.send(f"{count}".encode().ljust(1_000))
            count += 1
        except OSError as error:
            errors.append(error.errno)
    assert errors[0] in FULL
    came = []
    while len(came) < count:
        here.flush()
        came += [int(packet) for packet, _ in taken(there)]
    assert came == list(range(count))
    assert not here.is_behind
    assert taken(there) == []


def test_a_frame_that_comes_in_pieces_is_waited_for(stream):
    end, other = stream
    frame = struct.pack("!I", 5) + b"hello"
    for at in range(len(frame) - 1):
        other.send(frame[at : at + 1])
        with pytest.raises(BlockingIOError):
            end.receive()
    other.send(frame[-1:])
    assert end.receive() == (b"hello", None)


def test_a_length_that_cannot_be_ends_the_link(stream):
    end, other = stream
    other.send(struct.pack("!I", MAX_PACKET_BYTES + 1))
    with pytest.raises(ConnectionAbortedError, match="can't be"):
        end.receive()


def test_a_descriptor_of_a_frame_that_never_ends_is_closed_with_the_link(stream):
    end, other = stream
    ours, theirs = os.pipe()
    socket.send_fds(other, [struct.pack("!I", 5)], [ours])
    os.close(ours)
    with pytest.raises(BlockingIOError):
        end.receive()
    end.close()
    with pytest.raises(BrokenPipeError):
        os.write(theirs, b"nobody reads")
    os.close(theirs)


class FullTable:
    """A socket of the BSDs in a process that has no room for one more descriptor: it says so, and keeps the bytes."""

    type = socket.SOCK_STREAM

    def __init__(self, sock):
        self._sock, self.complains = sock, True
        self.recv = sock.recv

    def recvmsg(self, *arguments):
        if self.complains:
            self.complains = False
            raise OSError(errno.EMSGSIZE, "Message too long")
        return self._sock.recvmsg(*arguments)


def test_a_kernel_that_complains_of_a_descriptor_still_gives_the_packet():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    PacketEnd.over(ours).send(b"connection 7")
    assert PacketEnd.over(FullTable(theirs)).receive() == (b"connection 7", None)
    ours.close()
    theirs.close()
