"""Accepts every connection of the cluster and decides which slot it belongs to. Carries no traffic.

accept → client address (policy, forwarded) → lane → handoff. Nothing a client does or leaves undone costs more than one
descriptor for a bounded time; running out of descriptors pauses accepting and is said in the log.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from reaktor.addresses import address_group, is_trusted, normalise, parse_address
from reaktor.cluster.failures import ListenError
from reaktor.cluster.forwarded import ForwardedLook
from reaktor.cluster.handoff import SupervisorEnd
from reaktor.cluster.lanes import FarewellBox, Lane, WaitingRoom, is_reset
from reaktor.cluster.policy import slot_for
from reaktor.config.model import Cluster
from reaktor.web.edge import Edge

logger = logging.getLogger(__name__)

ACCEPTS_PER_TURN = 128
SWEEP_S = 0.25
EXHAUSTED_PAUSE_S = 0.5
EXHAUSTED_LOG_S = 5.0
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


def open_listeners(bind: str, port: int, backlog: int) -> list[socket.socket]:
    """Listening sockets for a host, several separated by commas, or `::` (IPv6 and IPv4 in one). Raises ListenError."""
    opened: list[socket.socket] = []
    try:
        for host in filter(None, (part.strip() for part in bind.split(","))):
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, address in {(info[0], info[4]) for info in found}:
                listener = socket.socket(family, socket.SOCK_STREAM)
                opened.append(listener)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, host != "::")
                listener.setblocking(False)
                listener.bind(address)
                listener.listen(backlog)
    except OSError as error:
        for listener in opened:
            listener.close()
        reason = "the port is already in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        raise ListenError(f"Can't listen on {bind} port {port}: {reason}.") from error
    return opened


def check_port(config: Cluster) -> None:
    """Whether it can be listened on, for whoever has long things to do before. Raises ListenError."""
    for listener in open_listeners(config.bind, config.port, 1):
        listener.close()


class Dispatcher:
    """Listening sockets, lanes, and the way between them.

    listen() first, then run() for as long as the server lives; attach(), detach() and set_slots() follow the workers.
    """

    def __init__(self, config: Cluster, edge: Edge | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._config, self._clock = config, clock
        self._room = WaitingRoom(config.hold_count, config.hold_s)
        self._farewells = FarewellBox(edge or Edge())
        self._look = ForwardedLook(
            config.trusted_proxies,
            max_bytes=config.peek_bytes,
            max_seconds=config.peek_s,
            max_count=config.peek_count,
        )
        self._listeners: list[socket.socket] = []
        self._lanes: dict[int, Lane] = {}
        self._slots: tuple[int, ...] = ()
        self._reserve = -1
        self._exhausted_said = -EXHAUSTED_LOG_S
        self.accepted = 0

    def listen(self) -> None:
        """Bind and start accepting; connections are held until workers come. Raises ListenError."""
        config = self._config
        self._listeners = open_listeners(config.bind, config.port, config.listen_backlog)
        self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        for listener in self._listeners:
            self._watch(listener)

    async def run(self) -> None:
        """Keep the time limits, until cancelled; then stop accepting and close what is left."""
        try:
            while True:
                await asyncio.sleep(SWEEP_S)
                now = self._clock()
                for lane in self._lanes.values():
                    lane.flush()
                    lane.expire(now)
                self._farewells.sweep(now)
        finally:
            self.stop_accepting()
            self._farewells.close()

    def stop_accepting(self) -> None:
        """Close the port and refuse what still waits; may be repeated."""
        loop = asyncio.get_event_loop()
        for listener in self._listeners:
            loop.remove_reader(listener.fileno())
            listener.close()
        self._listeners = []
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1
        for connection in self._look.close():
            self._refuse(connection)
        for lane in self._lanes.values():
            for held in lane.take_all():
                self._refuse(held.connection)

    # What the supervisor says

    def set_slots(self, slots: Iterable[int]) -> None:
        """The slots that addresses are spread over from now on. What waits for one that went is sent another way."""
        self._slots = tuple(sorted(slots))
        for slot in self._slots:
            self._lane(slot)
        for slot, lane in self._lanes.items():
            if slot not in self._slots:
                for held in lane.take_all():
                    self._route(held.connection, held.address)

    def attach(self, slot: int, link: SupervisorEnd) -> None:
        """A worker of this slot is ready."""
        self._lane(slot).attach(link)

    def detach(self, slot: int, link: SupervisorEnd) -> None:
        """That worker is given nothing more."""
        self._lane(slot).detach(link)

    def on_room(self, slot: int) -> None:
        """The worker of this slot has taken something; there may be room for more."""
        lane = self._lane(slot)
        if len(lane):
            lane.flush()

    def put_back(self, slot: int, connections: Sequence[socket.socket]) -> None:
        """What a dead worker of this slot had not adopted."""
        if slot in self._slots and self._listeners:
            self._lane(slot).put_back(connections, self._clock())
        else:
            for connection in connections:
                self._refuse(connection)

    def on_refused(self, connection: socket.socket) -> None:
        """A worker had no descriptor left for this connection."""
        self._refuse(connection)

    def status(self) -> dict[str, int]:
        """Counters: connections accepted, passed and refused so far; waiting now."""
        return {
            "accepted": self.accepted,
            "passed": sum(lane.passed for lane in self._lanes.values()),
            "refused": self._farewells.refused,
            "waiting": self._room.waiting + len(self._look),
        }

    # Accepting

    def _watch(self, listener: socket.socket) -> None:
        if listener.fileno() >= 0:
            asyncio.get_event_loop().add_reader(listener.fileno(), self._on_acceptable, listener)

    def _on_acceptable(self, listener: socket.socket) -> None:
        for _ in range(ACCEPTS_PER_TURN):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._on_exhausted(listener, error)
                    return
                continue  # the client of this one is gone already; accept(2) asks to treat it as a retry
            # macOS gives out connections without an address when the client is gone already.
            if not address or is_reset(connection):
                connection.close()
                continue
            self.accepted += 1
            self._on_accepted(connection, normalise(address[0]))

    def _on_accepted(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        parsed = parse_address(peer)
        if parsed is not None and is_trusted(parsed, self._config.trusted_proxies):
            self._look.examine(connection, peer, self._route)
        else:
            self._route(connection, peer)

    def _on_exhausted(self, listener: socket.socket, error: OSError) -> None:
        """No descriptor left: send one client away through the reserve, then leave the rest in the backlog a while."""
        now = self._clock()
        if now - self._exhausted_said >= EXHAUSTED_LOG_S:
            self._exhausted_said = now
            logger.error("dispatcher: can't accept (%s); raise the limit of open files. Pausing.", error.strerror)
        loop = asyncio.get_event_loop()
        loop.remove_reader(listener.fileno())
        loop.call_later(EXHAUSTED_PAUSE_S, self._watch, listener)
        if self._reserve >= 0:
            os.close(self._reserve)
            self._reserve = -1
            with suppress(OSError):
                connection, _ = listener.accept()
                connection.close()
        with suppress(OSError):
            self._reserve = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def _route(self, connection: socket.socket, address: str) -> None:
        # By group: what limits count together is counted in one process, so that a site with 2^64 addresses has no
        # more connections than one that has one.
        if self._slots:
            self._lane(slot_for(address_group(address), self._slots)).offer(connection, address, self._clock())
        else:
            self._refuse(connection)

    def _refuse(self, connection: socket.socket) -> None:
        self._farewells.refuse(connection, self._clock())

    def _lane(self, slot: int) -> Lane:
        lane = self._lanes.get(slot)
        if lane is None:
            lane = self._lanes[slot] = Lane(self._room, self._refuse)
        return lane
