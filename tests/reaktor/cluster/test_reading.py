"""What came is copied out of one room: no read makes room for itself."""

from __future__ import annotations

import socket
import tracemalloc
from collections.abc import Iterator

import pytest

from reaktor.cluster.reading import ROOM_BYTES, Room

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    here, there = socket.socketpair()
    here.setblocking(False)
    yield here, there
    here.close()
    there.close()


def test_what_came_is_read_and_stays_what_it_was(pair: Pair) -> None:
    here, there = pair
    room = Room()
    there.sendall(b"first")
    first = room.read(here)
    there.sendall(b"second")
    assert (room.read(here), first) == (b"second", b"first")


def test_of_much_so_much_is_read_as_there_is_room(pair: Pair) -> None:
    here, there = pair
    there.sendall(b"x" * (ROOM_BYTES + 1))
    room = Room()
    assert (len(room.read(here)), len(room.read(here))) == (ROOM_BYTES, 1)


def test_nothing_and_the_end_are_told_apart(pair: Pair) -> None:
    here, there = pair
    room = Room()
    with pytest.raises(BlockingIOError):
        room.read(here)
    there.shutdown(socket.SHUT_WR)
    assert room.read(here) == b""


def test_a_read_takes_no_more_memory_than_what_came(pair: Pair) -> None:
    """Each read of a small frame made room for 64 KiB, which left holes in the heap: the process grew."""
    here, there = pair
    room = Room()
    there.sendall(b"x" * 100)
    tracemalloc.start()
    try:
        assert len(room.read(here)) == 100
        assert tracemalloc.get_traced_memory()[1] < 4096
    finally:
        tracemalloc.stop()
