"""The listener on ADVERTISE: whose connection goes on to a worker, and who else may wait there."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from reaktor.cluster import relay_door
from reaktor.cluster.contract import Home, Neighbour
from reaktor.cluster.failures import ListenError
from reaktor.cluster.relay_door import RelayDoor
from reaktor.cluster.relay_probe import answers
from reaktor.process.relay_pass import GO_ON, MAGIC, Doorkeeper, Refusal, seal
from tests.support.ports import free_port
from tests.support.waiting import until

KEY = b"k" * 32
HOME = Home(1, 5)
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


class Link:
    """The link to worker 2.7: it keeps copies of what it is passed."""

    def __init__(self) -> None:
        self.passed: list[tuple[socket.socket, dict[str, Any]]] = []
        self.has_room = True

    def pass_relayed(self, connection: socket.socket, said: dict[str, Any]) -> bool:
        if self.has_room:
            self.passed.append((socket.socket(fileno=os.dup(connection.fileno())), said))
        return self.has_room


class Served:
    """A running door."""

    def __init__(self) -> None:
        self.port = free_port()
        self.link = Link()
        self.door = RelayDoor("127.0.0.1", self.port, Doorkeeper(KEY, max_bytes=1_000))

    def find(self, slot: int, incarnation: int) -> Any:
        return self.link if (slot, incarnation) == (2, 7) else None

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def say(self, said: bytes) -> bytes:
        """The first byte of the answer; none at the end."""
        reader, writer = await self.open()
        writer.write(said)
        async with asyncio.timeout(5):
            found = await reader.read(1)
        writer.close()
        return found


def sealed(worker: tuple[int, int, int, int] = (1, 5, 2, 7)) -> bytes:
    return seal(KEY, worker, REQUEST, is_open=True, now=time.time())


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    found = Served()
    found.door.listen()
    running = asyncio.create_task(found.door.run(HOME, found.find))
    yield found
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for connection, _ in found.link.passed:
        connection.close()
    with pytest.raises(ConnectionRefusedError):
        await found.open()


async def test_the_worker_gets_the_connection_with_all_that_follows_the_pass(served: Served) -> None:
    reader, writer = await served.open()
    given = sealed()
    for part in (given[:3], given[3:50], given[50:] + REQUEST[:5], REQUEST[5:]):
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.01)
    assert await reader.readexactly(1) == GO_ON
    await until(lambda: len(served.link.passed) == 1)
    connection, said = served.link.passed[0]
    await until(lambda: connection.recv(100, socket.MSG_PEEK) == REQUEST)
    assert (tuple(said["worker"]), said["is_open"], said["size"]) == ((1, 5, 2, 7), True, len(REQUEST))
    assert served.door.metrics() == {"counters": {"host_relays_let_in": 1}}
    writer.close()


@pytest.mark.parametrize("gone", [(1, 5, 2, 6), (1, 5, 1, 7), (1, 4, 2, 7), (2, 5, 2, 7)])
async def test_who_is_gone_is_told_so(served: Served, gone: tuple[int, int, int, int]) -> None:
    assert await served.say(sealed(gone)) == Refusal.GONE.byte
    assert served.door.refused == {"gone": 1}


async def test_a_worker_that_takes_nothing_right_now_ends_it(served: Served) -> None:
    served.link.has_room = False
    reader, writer = await served.open()
    writer.write(sealed())
    assert await reader.read() == GO_ON
    assert served.door.refused == {"busy": 1}
    writer.close()


async def test_who_says_nothing_or_not_enough_is_sent_away(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_door, "PASS_S", 0.1)
    for said in (b"", MAGIC, sealed()[:-1]):
        assert await served.say(said) == b""
    assert served.door.refused == {"stranger": 3}


async def test_those_who_wait_without_a_pass_keep_nobody_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_door, "MAX_WAITING", 3)
    monkeypatch.setattr(relay_door, "PASS_S", 60.0)
    waiting = [await served.open() for _ in range(5)]
    async with asyncio.timeout(5):
        # The oldest go first.
        assert [await reader.read() for reader, _ in waiting[:2]] == [b"", b""]
    assert await served.say(sealed()) == GO_ON
    assert served.door.refused["stranger"] == 3
    for _, writer in waiting:
        writer.close()


async def test_many_that_came_before_it_ran_are_met_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """None is sent away, and left open, before it was met."""
    monkeypatch.setattr(relay_door, "MAX_WAITING", 1)
    served = Served()
    served.door.listen()
    waiting = [await served.open() for _ in range(5)]
    running = asyncio.create_task(served.door.run(HOME, served.find))
    async with asyncio.timeout(5):
        assert [await reader.read() for reader, _ in waiting[:4]] == [b""] * 4
    assert served.door.refused == {"stranger": 4}
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    for _, writer in waiting:
        writer.close()


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        door = RelayDoor("127.0.0.1", taken.getsockname()[1], Doorkeeper(KEY, max_bytes=1))
        with pytest.raises(ListenError, match="already in use"):
            door.listen()


async def test_whoever_has_the_key_can_ask_whether_it_is_there(served: Served) -> None:
    there = Neighbour(*HOME, "127.0.0.1", served.port)
    assert await answers(KEY, there, 5.0)
    assert not await answers(b"x" * 32, there, 5.0)
    assert not await answers(KEY, there._replace(port=free_port()), 5.0)


async def test_a_door_that_stands_still_does_not_answer() -> None:
    served = Served()
    served.door.listen()
    assert not await answers(KEY, Neighbour(*HOME, "127.0.0.1", served.port), 0.1)
    served.door.close()
