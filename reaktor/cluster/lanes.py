"""Connections on their way to the workers: one lane for each slot, and the waiting room they share.

A lane without a worker, or whose worker is behind, holds its connections in order; what waits too long, or comes when
the room is full, is told to come back. A connection that its client has reset takes nobody's place. Fed by the
dispatcher; the supervisor attaches and detaches workers.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus

from reaktor.addresses import normalise
from reaktor.cluster.handoff import SupervisorEnd
from reaktor.cluster.replies import error_bytes
from reaktor.errors import ErrorCode
from reaktor.web.edge import Edge, asked_of

RETRY_AFTER_S = 2
LINGER_S = 1.0
LINGER_COUNT = 256
PEEK_BYTES = 8 * 1024
NO_WORKER = "No worker can serve you right now."


@dataclass(slots=True)
class Held:
    """A connection that waits: for whom (the client's address), and until when (the clock's seconds)."""

    connection: socket.socket
    address: str
    until: float


class FarewellBox:
    """Connections that were told to come back.

    They stay open for a moment without costing anything: closing while the client's request is unread would reset
    the connection, and the client would never see the answer.
    """

    def __init__(self, edge: Edge) -> None:
        self._edge = edge
        self._leaving: deque[tuple[float, socket.socket]] = deque()
        self.refused = 0

    def refuse(self, connection: socket.socket, now: float) -> None:
        """Say 503 and let the connection go."""
        self.refused += 1
        with suppress(OSError):
            connection.send(self._farewell(connection))
            connection.shutdown(socket.SHUT_WR)
        self._leaving.append((now + LINGER_S, connection))
        if len(self._leaving) > LINGER_COUNT:
            _close(self._leaving.popleft()[1])

    def _farewell(self, connection: socket.socket) -> bytes:
        """503 as a page of another origin may read it, as far as the request is there to say whose it is."""
        head = b""
        with suppress(OSError):
            head = connection.recv(PEEK_BYTES, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        path, origin = asked_of(head)
        return error_bytes(
            HTTPStatus.SERVICE_UNAVAILABLE,
            ErrorCode.UNAVAILABLE,
            NO_WORKER,
            RETRY_AFTER_S,
            *self._edge.headers(path, origin),
            is_flat=self._edge.has_flat_errors(path),
        )

    def sweep(self, now: float) -> None:
        """Close those whose moment is over."""
        while self._leaving and self._leaving[0][0] <= now:
            _close(self._leaving.popleft()[1])

    def close(self) -> None:
        """Close all of them now."""
        while self._leaving:
            _close(self._leaving.popleft()[1])


class WaitingRoom:
    """How many connections may wait, all lanes together, and for how long."""

    def __init__(self, count: int, seconds: float) -> None:
        self.limit, self.seconds = count, seconds
        self.waiting = 0


class Lane:
    """The way to one slot."""

    def __init__(self, room: WaitingRoom, refuse: Callable[[socket.socket], None]) -> None:
        self._room, self._refuse = room, refuse
        self._held: deque[Held] = deque()
        self._link: SupervisorEnd | None = None
        self.passed = 0

    def __len__(self) -> int:
        return len(self._held)

    def offer(self, connection: socket.socket, address: str, now: float) -> None:
        """Pass a connection on, or hold it, or refuse it."""
        if not self._held and self._pass(connection):
            return
        if self._room.waiting >= self._room.limit:
            self._refuse(connection)
            return
        self._room.waiting += 1
        self._held.append(Held(connection, address, now + self._room.seconds))

    def attach(self, link: SupervisorEnd) -> None:
        """From now on this worker serves the slot; what waits goes to it first."""
        self._link = link
        self.flush()

    def detach(self, link: SupervisorEnd) -> None:
        """That worker takes nothing more; another one that was attached since stays."""
        if self._link is link:
            self._link = None

    def flush(self) -> None:
        """Pass on what waits, for as long as the worker takes it."""
        while self._held and self._pass(self._held[0].connection):
            self._held.popleft()
            self._room.waiting -= 1

    def put_back(self, connections: Iterable[socket.socket], now: float) -> None:
        """Connections that a dead worker had not adopted: first in the lane again, with a full time to wait."""
        for connection in reversed(list(connections)):
            self._held.appendleft(Held(connection, _peer_of(connection), now + self._room.seconds))
            self._room.waiting += 1
        self.flush()

    def take_all(self) -> list[Held]:
        """Everything that waits, for whoever sends it another way."""
        taken = list(self._held)
        self._held.clear()
        self._room.waiting -= len(taken)
        return taken

    def expire(self, now: float) -> None:
        """Refuse what has waited for too long, and let go what its client has reset."""
        waiting = len(self._held)
        kept: deque[Held] = deque()
        for held in self._held:
            if is_reset(held.connection):
                held.connection.close()
            elif held.until <= now:
                self._refuse(held.connection)
            else:
                kept.append(held)
        self._held = kept
        self._room.waiting -= waiting - len(kept)

    def _pass(self, connection: socket.socket) -> bool:
        done = self._link is not None and self._link.pass_socket(connection)
        self.passed += done
        return done


def is_reset(connection: socket.socket) -> bool:
    """Whether the client has taken the connection back. Asked once: the kernel forgets it with the answer."""
    return connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def _peer_of(connection: socket.socket) -> str:
    try:
        return normalise(connection.getpeername()[0])
    except OSError:
        return ""  # reset meanwhile; whichever worker gets it will see


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setblocking(False)
        connection.recv(65_536)
    with suppress(OSError):
        connection.close()
