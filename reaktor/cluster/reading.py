"""How bytes are read from a client's socket: into one room of the process, and what came is copied out of it.

Room for each read by itself makes holes in the heap, and the process grows; or, where no hole is large enough, it is
mapped and unmapped (LARGE_BYTES in heap.py), which takes six times as long as the read.
"""

from __future__ import annotations

import socket
from functools import partial
from typing import Any

from twisted.internet.main import CONNECTION_LOST

ROOM_BYTES = 64 * 1024


class Room:
    """One for all connections of a server, which is in one thread."""

    def __init__(self) -> None:
        self._room = memoryview(bytearray(ROOM_BYTES))

    def read(self, sock: socket.socket) -> bytes:
        """What is there, up to ROOM_BYTES; empty at the end. Raises OSError: BlockingIOError when nothing is there."""
        return bytes(self._room[: sock.recv_into(self._room)])

    def serve(self, transport: Any) -> None:
        """A TCP connection of Twisted reads this way from now on, until leave()."""
        transport.doRead = partial(self._do_read, transport)

    @staticmethod
    def leave(transport: Any) -> None:
        """May be repeated, or said of others. The transport would be in a circle that only the collector finds."""
        vars(transport).pop("doRead", None)

    def _do_read(self, transport: Any) -> Any:
        """As Twisted's own."""
        try:
            data = self.read(transport.socket)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        return transport._dataReceived(data)
