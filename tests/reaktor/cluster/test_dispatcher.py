"""Accepting, holding and refusing, with real sockets and real ends of the handoff; workers are played by the test."""

import asyncio
import contextlib
import ipaddress
import json
import os
import socket
import struct
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from reaktor.cluster import forwarded
from reaktor.cluster.dispatcher import Dispatcher, open_listeners
from reaktor.cluster.failures import ListenError
from reaktor.cluster.handoff import SupervisorEnd, WorkerEnd
from reaktor.cluster.packets import packet_pair
from reaktor.cluster.policy import slot_for
from reaktor.config.model import Cluster, Config
from reaktor.web.edge import edge_of
from tests.support.ports import free_port
from tests.support.waiting import until

CONFIG = Cluster(bind="127.0.0.1", hold_s=0.6, hold_count=3, peek_s=0.5)
PROXY = ipaddress.ip_network("127.0.0.9/32")


class PlayedWorker:
    """A worker's end: answers each adopted connection with its name."""

    def __init__(self, name, dispatcher, slot):
        ours, theirs = packet_pair()
        self.name, self.count = name, 0
        self.supervisor = SupervisorEnd(
            ours,
            on_booted=lambda: None,
            on_ready=lambda: None,
            on_beat=lambda status: None,
            on_room=lambda: dispatcher.on_room(slot),
            on_refused=dispatcher.on_refused,
            on_closed=lambda: None,
        )
        self.worker = WorkerEnd(theirs, on_socket=self.adopt, on_drain=lambda seconds: None, on_closed=lambda: None)

    def adopt(self, descriptor, family):
        self.count += 1
        with socket.socket(fileno=descriptor) as connection, contextlib.suppress(OSError):
            with contextlib.suppress(BlockingIOError):
                connection.recv(65_536)  # closing with unread bytes would reset the connection
            connection.send(self.name.encode())
        return True

    def close(self):
        self.supervisor.close()
        self.worker.close()


class Stage:
    def __init__(self, dispatcher, port):
        self.dispatcher, self.port, self.workers = dispatcher, port, []

    def worker(self, slot):
        played = PlayedWorker(f"worker {slot}", self.dispatcher, slot)
        self.workers.append(played)
        self.dispatcher.attach(slot, played.supervisor)
        return played

    async def waits_for(self, count):
        """Until so many connections wait."""
        await until(lambda: self.dispatcher.status()["waiting"] == count)

    async def ask(self, source="127.0.0.1", data=b"", seconds=3):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0))
        try:
            writer.write(data)
            async with asyncio.timeout(seconds):
                return await reader.read()
        finally:
            writer.close()


@pytest.fixture
async def stage(request):
    config = replace(CONFIG, port=free_port(), **getattr(request, "param", {}))
    dispatcher = Dispatcher(config, edge_of(Config(Path("."))))
    dispatcher.set_slots([1, 2])
    dispatcher.listen()
    running = asyncio.create_task(dispatcher.run())
    made = Stage(dispatcher, config.port)
    yield made
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    for worker in made.workers:
        worker.close()


@pytest.fixture
def looks(stage, monkeypatch):
    """One entry for each look at what a proxy says."""
    found = []
    original = stage.dispatcher._look._look
    monkeypatch.setattr(stage.dispatcher._look, "_look", lambda *args: (found.append(1), original(*args))[1])
    return found


async def test_each_address_reaches_its_own_slot_every_time(stage):
    stage.worker(1)
    stage.worker(2)
    for number in range(1, 20):
        source = f"127.0.0.{number}"
        expected = f"worker {slot_for(source, [1, 2])}".encode()
        assert {await stage.ask(source) for _ in range(3)} == {expected}


async def test_connections_wait_for_a_worker_that_starts(stage):
    asking = asyncio.create_task(stage.ask())
    await stage.waits_for(1)
    stage.worker(slot_for("127.0.0.1", [1, 2]))
    assert (await asking).startswith(b"worker")
    assert stage.dispatcher.status()["waiting"] == 0


async def test_a_connection_that_waits_too_long_is_told_to_come_back(stage):
    answer = await stage.ask(data=b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: " in head
    assert b'"unavailable"' in body


@pytest.mark.parametrize("stage", [{"hold_s": 60.0}], indirect=True)
async def test_a_connection_that_was_reset_takes_nobodys_place(stage):
    """After some thousand resets the waiting room was full of them, and the next client was sent away."""
    for _ in range(CONFIG.hold_count):
        client = socket.create_connection(("127.0.0.1", stage.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stage.waits_for(1)
        client.close()
        await stage.waits_for(0)
    asking = asyncio.create_task(stage.ask())
    await stage.waits_for(1)
    stage.worker(slot_for("127.0.0.1", [1, 2]))
    assert (await asking).startswith(b"worker")
    assert stage.dispatcher.status()["refused"] == 0


async def test_whoever_is_told_to_come_back_may_read_it_on_any_page_that_may_read_the_rest(stage):
    """While no worker served, a page of another origin saw a network error instead of 503, and did not wait."""
    answer = await stage.ask(data=b"POST /channels/x/join HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    for said in (b"\r\nAccess-Control-Allow-Origin: *", b"\r\nDate: ", b"\r\nX-Content-Type-Options: nosniff"):
        assert said in head
    assert isinstance(json.loads(body)["error"], str)
    answer = await stage.ask(data=b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n")
    assert b"Access-Control-Allow-Origin" not in answer


async def test_only_so_many_wait_and_the_next_is_refused_at_once(stage):
    waiting = [asyncio.create_task(stage.ask()) for _ in range(3)]
    await stage.waits_for(3)
    assert (await stage.ask(seconds=0.3)).startswith(b"HTTP/1.1 503 ")
    stage.worker(1)
    stage.worker(2)
    assert {answer[:6] for answer in await asyncio.gather(*waiting)} == {b"worker"}


async def test_what_a_dead_worker_had_not_adopted_goes_to_the_next_one(stage):
    slot = slot_for("127.0.0.1", [1, 2])
    dead = stage.worker(slot)
    asyncio.get_running_loop().remove_reader(dead.worker._end.fileno())  # it hangs
    asking = asyncio.create_task(stage.ask())
    await until(lambda: dead.supervisor.in_flight == 1)
    stage.dispatcher.detach(slot, dead.supervisor)
    left = dead.supervisor.take_unadopted()
    dead.close()
    stage.dispatcher.put_back(slot, left)
    stage.worker(slot)
    assert await asking == f"worker {slot}".encode()


async def test_what_waits_for_a_slot_that_goes_is_served_by_another(stage):
    slot = slot_for("127.0.0.1", [1, 2])
    other = 3 - slot
    asking = asyncio.create_task(stage.ask())
    await stage.waits_for(1)
    stage.worker(other)
    stage.dispatcher.set_slots([other])
    assert await asking == f"worker {other}".encode()


async def test_a_worker_without_descriptors_left_costs_the_client_a_503(stage):
    slot = slot_for("127.0.0.1", [1, 2])
    worker = stage.worker(slot)
    worker.worker._on_packet = lambda packet, descriptor: (
        os.close(descriptor),
        WorkerEnd._on_packet(worker.worker, packet, None),
    )
    assert (await stage.ask(data=b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 503 ")


async def test_two_thousand_resets_and_silences_leave_nothing_behind(stage):
    stage.worker(1)
    stage.worker(2)
    this = psutil.Process()
    before = this.num_fds()
    for number in range(2000):
        client = socket.create_connection(("127.0.0.1", stage.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        if number % 50 == 0:
            await asyncio.sleep(0)
    assert (await stage.ask()).startswith(b"worker")
    await until(lambda: this.num_fds() <= before + 2)


@pytest.mark.parametrize("stage", [{"trusted_proxies": (PROXY,), "peek_count": 2}], indirect=True)
async def test_a_trusted_proxys_connection_goes_by_the_client_that_it_names(stage):
    stage.worker(1)
    stage.worker(2)
    for number in range(1, 12):
        client = f"203.0.113.{number}"
        head = f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 198.51.100.1, {client}\r\n\r\n".encode()
        expected = f"worker {slot_for(client, [1, 2])}".encode()
        assert await stage.ask("127.0.0.9", head) == expected
    liar = f"worker {slot_for('127.0.0.8', [1, 2])}".encode()
    assert {await stage.ask("127.0.0.8", head), liar} == {liar}


@pytest.mark.parametrize("stage", [{"trusted_proxies": (PROXY,), "peek_count": 2}], indirect=True)
async def test_headers_that_come_in_pieces_are_waited_for_without_spinning(stage, looks):
    stage.worker(1)
    stage.worker(2)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, local_addr=("127.0.0.9", 0))
    for part in (b"GET / HTTP/1.1\r\nX-Forwar", b"ded-For: 203.0.113.7\r\n", b"Host: x\r\n\r\n"):
        writer.write(part)
        await asyncio.sleep(0.1)
    assert await reader.read() == f"worker {slot_for('203.0.113.7', [1, 2])}".encode()
    assert len(looks) <= 6
    writer.close()


@pytest.mark.parametrize("stage", [{"trusted_proxies": (PROXY,)}], indirect=True)
async def test_a_kernel_that_minds_no_low_water_mark_is_looked_at_now_and_then(stage, looks, monkeypatch):
    monkeypatch.setattr(forwarded.socket, "SO_RCVLOWAT", -1)
    stage.worker(1)
    stage.worker(2)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, local_addr=("127.0.0.9", 0))
    started = time.monotonic()
    writer.write(b"GET / HTTP/1.1\r\n")
    await until(lambda: len(looks) >= 6)
    assert time.monotonic() - started > forwarded.LOOK_AGAIN_S
    writer.write(b"X-Forwarded-For: 203.0.113.7\r\n\r\n")
    assert await reader.read() == f"worker {slot_for('203.0.113.7', [1, 2])}".encode()
    writer.close()


@pytest.mark.parametrize("stage", [{"trusted_proxies": (PROXY,)}], indirect=True)
async def test_a_proxy_that_ends_in_the_middle_of_its_headers_costs_few_looks(stage, looks):
    """Its end keeps the socket readable whatever the low-water mark, until the time for the look is over."""
    stage.worker(1)
    stage.worker(2)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.port, local_addr=("127.0.0.9", 0))
    writer.write(b"GET / HTTP/1.1\r\n")
    writer.write_eof()
    assert await reader.read() == f"worker {slot_for('127.0.0.9', [1, 2])}".encode()
    assert len(looks) <= 20
    writer.close()


async def test_a_connection_without_an_address_is_closed_and_the_next_one_served(stage):
    """macOS: accept() gives them out for clients that are gone already."""
    worker = stage.worker(slot_for("127.0.0.1", [1, 2]))
    ours, theirs = socket.socketpair()
    (listener,) = stage.dispatcher._listeners

    class Listener:
        answers = [(ours, None)]

        def accept(self):
            return self.answers.pop() if self.answers else listener.accept()

    stage.dispatcher._on_acceptable(Listener())
    assert theirs.recv(1) == b""
    theirs.close()
    assert await stage.ask() == worker.name.encode()
    assert stage.dispatcher.status()["accepted"] == 1


@pytest.mark.parametrize("stage", [{"trusted_proxies": (PROXY,), "peek_count": 2}], indirect=True)
async def test_a_proxy_that_says_nothing_or_too_much_or_too_often_goes_by_its_own_address(stage):
    stage.worker(1)
    stage.worker(2)
    own = f"worker {slot_for('127.0.0.9', [1, 2])}".encode()
    assert await stage.ask("127.0.0.9") == own
    assert await stage.ask("127.0.0.9", b"x" * 9000) == own
    silent = [asyncio.create_task(stage.ask("127.0.0.9")) for _ in range(2)]
    await stage.waits_for(2)
    assert await stage.ask("127.0.0.9", seconds=0.3) == own
    assert await asyncio.gather(*silent) == [own, own]


async def test_after_stopping_the_port_is_free_and_waiting_clients_have_an_answer(stage):
    asking = asyncio.create_task(stage.ask(data=b"GET / HTTP/1.1\r\n\r\n"))
    await stage.waits_for(1)
    stage.dispatcher.stop_accepting()
    assert (await asking).startswith(b"HTTP/1.1 503 ")
    for listener in open_listeners("127.0.0.1", stage.port, 1):
        listener.close()


def test_a_port_in_use_is_said_in_a_sentence():
    port = free_port()
    held = open_listeners("127.0.0.1", port, 1)
    with pytest.raises(ListenError, match=rf"port {port}: the port is already in use\."):
        open_listeners("127.0.0.1", port, 1)
    held[0].close()


def test_two_colons_listen_on_both_families():
    port = free_port()
    (listener,) = open_listeners("::", port, 5)
    for host in ("127.0.0.1", "::1"):
        socket.create_connection((host, port), timeout=2).close()
    listener.close()


@pytest.mark.parametrize("stage", [{"trusted_proxies": (PROXY,)}], indirect=True)
async def test_the_addresses_of_one_ipv6_site_share_a_slot_as_they_share_their_limits(stage):
    stage.worker(1)
    stage.worker(2)
    answers = set()
    for number in range(1, 12):
        head = f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 2001:db8:0:1::{number:x}\r\n\r\n".encode()
        answers.add(await stage.ask("127.0.0.9", head))
    assert len(answers) == 1
