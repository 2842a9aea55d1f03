"""A look at what a trusted proxy says about its client, before the connection is passed on.

The bytes stay in the kernel (MSG_PEEK): the worker reads the whole request. The look is a hint for balance alone, so
it is bounded in bytes, time and number, and beyond any bound the peer's own address decides.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from reaktor.addresses import IpNetwork, client_address

LOOK_AGAIN_S = 0.05
_END = b"\r\n\r\n"
_HEADER = b"x-forwarded-for"
Decide = Callable[[socket.socket, str], None]


def forwarded_for(head: bytes) -> str:
    """The joined X-Forwarded-For header in the beginning of a request; empty when there is none."""
    values = []
    for line in head.partition(_END)[0].split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == _HEADER:
            values.append(value.decode("latin1").strip())
    return ",".join(values)


@dataclass
class _Waiting:
    """One connection that is waited for: until when, and how many bytes of it were there at the last look."""

    limit: asyncio.TimerHandle
    seen: int


class ForwardedLook:
    """Waits for the headers of a proxy's first request; calls back with the client's address, or the peer's."""

    def __init__(self, trusted: Sequence[IpNetwork], *, max_bytes: int, max_seconds: float, max_count: int) -> None:
        self._trusted = trusted
        self._max_bytes, self._max_seconds, self._max_count = max_bytes, max_seconds, max_count
        self._waiting: dict[socket.socket, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def examine(self, connection: socket.socket, peer: str, decide: Decide) -> None:
        """Decide at once when the headers are there (or the bound is reached), else when they come."""
        if len(self._waiting) >= self._max_count:
            decide(connection, peer)
            return
        found = self._look(connection, peer)
        if isinstance(found, str):
            decide(connection, found)
            return
        limit = asyncio.get_running_loop().call_later(self._max_seconds, self._finish, connection, peer, decide)
        self._waiting[connection] = _Waiting(limit, found)
        self._watch(connection, peer, decide)

    def close(self) -> list[socket.socket]:
        """Stop looking; the connections that were waited for."""
        waiting = list(self._waiting)
        for connection in waiting:
            self._forget(connection)
        return waiting

    def _watch(self, connection: socket.socket, peer: str, decide: Decide) -> None:
        if connection in self._waiting:  # else it was decided during a pause
            loop = asyncio.get_running_loop()
            loop.add_reader(connection.fileno(), self._on_readable, connection, peer, decide)

    def _on_readable(self, connection: socket.socket, peer: str, decide: Decide) -> None:
        found = self._look(connection, peer)
        waiting = self._waiting[connection]
        if isinstance(found, str):
            self._finish(connection, found, decide)
        elif found > waiting.seen:
            waiting.seen = found
        else:
            # Readable, but nothing has come: the kernel minds no low-water mark, or the client says nothing more.
            loop = asyncio.get_running_loop()
            loop.remove_reader(connection.fileno())
            loop.call_later(LOOK_AGAIN_S, self._watch, connection, peer, decide)

    def _finish(self, connection: socket.socket, address: str, decide: Decide) -> None:
        self._forget(connection)
        decide(connection, address)

    def _forget(self, connection: socket.socket) -> None:
        self._waiting.pop(connection).limit.cancel()
        asyncio.get_running_loop().remove_reader(connection.fileno())
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _look(self, connection: socket.socket, peer: str) -> str | int:
        """The address to go by, or how many bytes are there so far: more has to come first."""
        try:
            head = connection.recv(self._max_bytes, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            return peer  # reset; the worker finds out and closes it
        if _END in head:
            return client_address(peer, forwarded_for(head), self._trusted)
        if not head or len(head) >= self._max_bytes:
            return peer
        with suppress(OSError):
            # Unread bytes keep the socket readable; without this the loop would peek at them 300,000 times a second.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(head) + 1)
        return len(head)
