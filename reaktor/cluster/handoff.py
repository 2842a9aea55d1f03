"""The socket pair between the supervisor and one worker: accepted connections one way, life signs the other.

The worker says BOOTED and waits for ASSIGN. From then on SupervisorEnd passes connections and says DRAIN; WorkerEnd
answers ADOPTED or REFUSED and says READY and BEAT. With other hosts the worker is told of HOSTS, and passed the
connections on which these relay requests to it. A packet is a version byte, a tag byte, and a body; during a reload
the two ends may be of different versions of the code, so readers skip what they don't know. A closed end is noticed at
once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any

from reaktor.cluster.contract import Neighbour, Place
from reaktor.cluster.packets import FULL, PacketEnd

logger = logging.getLogger(__name__)

VERSION = 1
# The kernel takes 278 packets before it says EAGAIN; the rest is room for DRAIN.
MAX_IN_FLIGHT = 256
READS_PER_TURN = 64
COMPLAIN_S = 5.0
_ID_BYTES = 8


class Tag(bytes, Enum):
    """What a packet is."""

    BOOTED = b"I"
    ASSIGN = b"N"
    SOCKET = b"S"
    DRAIN = b"D"
    HOSTS = b"H"
    RELAYED = b"L"
    ADOPTED = b"A"
    REFUSED = b"X"
    READY = b"R"
    BEAT = b"B"


def wait_for_place(sock: socket.socket) -> Place | None:
    """Say BOOTED, and block until the supervisor gives a place; None when it is gone instead.

    For the worker's end, before its WorkerEnd is made. A spare waits for as long as nobody needs it.
    """
    sock.setblocking(True)
    end = PacketEnd.over(sock)
    try:
        end.send(bytes((VERSION,)) + Tag.BOOTED.value)
        while packet := end.receive()[0]:
            if packet[1:2] == Tag.ASSIGN.value:
                named = json.loads(packet[2:])
                return Place(*(int(named[name]) for name in Place._fields))
    except ConnectionError:
        pass
    finally:
        sock.setblocking(False)
    return None


class Link(ABC):
    """What both ends share: packets in order, a queue for what the kernel does not take at once, the end."""

    def __init__(self, sock: socket.socket, on_closed: Callable[[], None]) -> None:
        self._end = PacketEnd.over(sock)
        self._on_closed = on_closed
        self._loop = asyncio.get_event_loop()
        self._waiting: deque[bytes] = deque()
        self.is_closed = False
        self._loop.add_reader(sock.fileno(), self._on_readable)

    def close(self) -> None:
        """End the link from this side; may be repeated. on_closed is not called for it."""
        if self.is_closed:
            return
        self.is_closed = True
        self._loop.remove_reader(self._end.fileno())
        self._loop.remove_writer(self._end.fileno())
        self._end.close()

    def _send_json(self, tag: Tag, body: dict[str, Any]) -> None:
        self._send(bytes((VERSION,)) + tag.value + json.dumps(body).encode())

    def _send(self, packet: bytes) -> None:
        if self.is_closed:
            return
        self._waiting.append(packet)
        self._flush()

    def _flush(self) -> None:
        try:
            self._end.flush()
            while self._waiting and not self._end.is_behind:
                self._end.send(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            if error.errno not in FULL:
                self._waiting.clear()  # the other end is gone; reading says so too
                return
        if self._waiting or self._end.is_behind:
            self._call_when_writable()

    def _call_when_writable(self) -> None:
        self._loop.add_writer(self._end.fileno(), self._on_writable)

    def _on_writable(self) -> None:
        self._loop.remove_writer(self._end.fileno())
        self._flush()

    def _on_readable(self) -> None:
        for _ in range(READS_PER_TURN):
            try:
                packet, descriptor = self._end.receive()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                logger.debug("handoff: %s", error)
                packet, descriptor = b"", None
            if not packet:
                self.close()
                self._on_closed()
                return
            self._on_packet(packet, descriptor)
            if self.is_closed:
                return

    @abstractmethod
    def _on_packet(self, packet: bytes, descriptor: int | None) -> None:
        """One packet of the other end; its descriptor is the receiver's to close."""


class SupervisorEnd(Link):
    """Passes connections to one worker and keeps a copy of each until the worker has it."""

    def __init__(
        self,
        sock: socket.socket,
        *,
        on_booted: Callable[[], None],
        on_ready: Callable[[], None],
        on_beat: Callable[[dict[str, Any]], None],
        on_room: Callable[[], None],
        on_refused: Callable[[socket.socket], None],
        on_closed: Callable[[], None],
    ) -> None:
        super().__init__(sock, on_closed)
        self._on_booted, self._on_ready, self._on_beat = on_booted, on_ready, on_beat
        self._on_room, self._on_refused = on_room, on_refused
        self._next_id = 0
        self._unadopted: dict[int, socket.socket] = {}

    @property
    def in_flight(self) -> int:
        """Connections that the worker has not confirmed."""
        return len(self._unadopted)

    def pass_socket(self, connection: socket.socket) -> bool:
        """Give a connection to the worker; False: not now, the caller keeps it (on_room tells when to try again).

        On True the connection belongs to the link: closed here when the worker has adopted it, else given back by
        take_unadopted().
        """
        if self.is_closed or self._waiting or self.in_flight >= MAX_IN_FLIGHT:
            return False
        number = self._next_id
        body = number.to_bytes(_ID_BYTES, "big") + int(connection.family).to_bytes(2, "big")
        try:
            self._end.send(bytes((VERSION,)) + Tag.SOCKET.value + body, connection.fileno())
        except OSError as error:
            if error.errno not in FULL:
                logger.debug("handoff: can't pass a connection: %s", error)
            elif not self._unadopted or self._end.is_behind:
                # No ADOPTED will come to ask for more, so writability has to.
                self._call_when_writable()
            return False
        if self._end.is_behind:
            self._call_when_writable()
        self._next_id += 1
        self._unadopted[number] = connection
        return True

    def take_unadopted(self) -> list[socket.socket]:
        """The connections that the worker never confirmed, oldest first. Only for a worker that is dead: a living one
        may still adopt them, and two processes would read one connection."""
        taken = list(self._unadopted.values())
        self._unadopted.clear()
        return taken

    def assign(self, place: Place) -> None:
        """Say which place is the worker's; the first packet that it waits for."""
        self._send_json(Tag.ASSIGN, place._asdict())

    def tell_hosts(self, hosts: Sequence[Neighbour]) -> None:
        """Say which other hosts live and take relayed requests."""
        self._send_json(Tag.HOSTS, {"hosts": hosts})

    def pass_relayed(self, connection: socket.socket, said: dict[str, Any]) -> bool:
        """Give the worker a connection of another host, and what its pass said. False: not now.

        The caller closes its own in any case: the other host asks again, or its client comes back.
        """
        if self.is_closed or self._waiting:
            return False
        try:
            self._end.send(bytes((VERSION,)) + Tag.RELAYED.value + json.dumps(said).encode(), connection.fileno())
        except OSError as error:
            logger.debug("handoff: can't pass a relayed request: %s", error)
            return False
        if self._end.is_behind:
            self._call_when_writable()
        return True

    def drain(self, seconds: float) -> None:
        """Ask the worker to send its sessions away and end."""
        self._send_json(Tag.DRAIN, {"seconds": seconds})

    def _on_writable(self) -> None:
        super()._on_writable()
        self._on_room()

    def _on_packet(self, packet: bytes, descriptor: int | None) -> None:
        tag, body = packet[1:2], packet[2:]
        if tag in (Tag.ADOPTED.value, Tag.REFUSED.value):
            connection = self._unadopted.pop(int.from_bytes(body[:_ID_BYTES], "big"), None)
            if connection is not None and tag == Tag.ADOPTED.value:
                connection.close()
            elif connection is not None:
                self._on_refused(connection)
            self._on_room()
        elif tag == Tag.BOOTED.value:
            self._on_booted()
        elif tag == Tag.READY.value:
            self._on_ready()
        elif tag == Tag.BEAT.value:
            self._on_beat(json.loads(body))


class WorkerEnd(Link):
    """Takes connections; says READY once and BEAT each second.

    `on_socket(descriptor, family)` owns the descriptor from then on, and says whether there was room for it. So does
    `on_relayed(descriptor, what its pass said)`, which says nothing.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        on_socket: Callable[[int, int], bool],
        on_drain: Callable[[float], None],
        on_closed: Callable[[], None],
        on_hosts: Callable[[list[Neighbour]], None] = lambda hosts: None,
        on_relayed: Callable[[int, dict[str, Any]], None] = lambda descriptor, said: os.close(descriptor),
    ) -> None:
        super().__init__(sock, on_closed)
        self._on_socket, self._on_drain = on_socket, on_drain
        self._on_hosts, self._on_relayed = on_hosts, on_relayed
        self._complained_at = -COMPLAIN_S

    def ready(self) -> None:
        """Say that connections are welcome from now on."""
        self._send_json(Tag.READY, {})

    def beat(self, status: dict[str, Any]) -> None:
        """Say that the loop turns, and how things are. Dropped while the supervisor is behind with reading."""
        if not self._waiting:
            self._send_json(Tag.BEAT, status)

    def _on_packet(self, packet: bytes, descriptor: int | None) -> None:
        tag, body = packet[1:2], packet[2:]
        if tag == Tag.SOCKET.value:
            # The kernel drops a descriptor for which this process has no room left: then there is none.
            family = int.from_bytes(body[_ID_BYTES : _ID_BYTES + 2], "big")
            has_room = descriptor is not None and self._on_socket(descriptor, family)
            if not has_room:
                self._complain()
            self._send(bytes((VERSION,)) + (Tag.ADOPTED if has_room else Tag.REFUSED).value + body[:_ID_BYTES])
        elif tag == Tag.DRAIN.value:
            self._on_drain(float(json.loads(body)["seconds"]))
        elif tag == Tag.HOSTS.value:
            self._on_hosts([Neighbour(*host) for host in json.loads(body)["hosts"]])
        elif tag == Tag.RELAYED.value and descriptor is not None:
            self._on_relayed(descriptor, json.loads(body))

    def _complain(self) -> None:
        now = time.monotonic()
        if now - self._complained_at >= COMPLAIN_S:
            self._complained_at = now
            logger.error("handoff: no descriptor left for a connection; raise the limit of open files")
