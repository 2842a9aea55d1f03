"""Where other hosts of the cluster bring requests for our workers: a listener on ADVERTISE alone, in the supervisor.

It reads the pass that comes first (reaktor.process.relay_pass), and hands the connection to the worker that the pass
names, which reads the rest (reaktor.cluster.relayed). So the supervisor carries no traffic, and who has no good pass
costs a read of PASS_BYTES. Whatever else comes to this port is closed without a word.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from reaktor.cluster.contract import Home
from reaktor.cluster.dispatcher import open_listeners
from reaktor.cluster.handoff import SupervisorEnd
from reaktor.observe.metrics import Metrics
from reaktor.process.relay_pass import GO_ON, MAGIC, PASS_BYTES, Doorkeeper, Pass, PassError, Refusal

logger = logging.getLogger(__name__)

PASS_S = 2.0
"""How long a pass may take to arrive."""
MAX_WAITING = 256
"""Connections whose pass has not come. One more sends the oldest away: a host's pass comes with its connection."""
BACKLOG = 1_024
EXHAUSTED_PAUSE_S = 0.5
COMPLAIN_S = 60.0
STRANGER = "stranger"
"""What is counted where there was no pass at all, or not in time."""

FindLink = Callable[[int, int], SupervisorEnd | None]


class RelayDoor:
    """listen() first; run() lets in until cancelled. `address`: that of ADVERTISE."""

    def __init__(self, address: str, port: int, doorkeeper: Doorkeeper) -> None:
        self._address, self._port, self._doorkeeper = address, port, doorkeeper
        self._listeners: list[socket.socket] = []
        self._waiting: dict[asyncio.Task[None], None] = {}
        self._complained_at = -COMPLAIN_S
        self.let_in = 0
        self.refused: Counter[str] = Counter()

    def listen(self) -> None:
        """Bind; what comes waits until run(). Raises ListenError."""
        self._listeners = open_listeners(self._address, self._port, BACKLOG)

    def close(self) -> None:
        """Listen no more; may be repeated."""
        for listener in self._listeners:
            listener.close()
        self._listeners = []

    async def run(self, home: Home, find_link: FindLink) -> None:
        """Let in until cancelled. `home`: this host; `find_link` leads to a worker by its slot and incarnation."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    try:
                        connection, _ = await loop.sock_accept(self._listeners[0])
                    except OSError as error:
                        # No descriptor left, most likely: the dispatcher says so.
                        logger.debug("relay door: can't accept (%s)", error)
                        await asyncio.sleep(EXHAUSTED_PAUSE_S)
                        continue
                    self._make_room()
                    task = tasks.create_task(self._meet(connection, home, find_link), name="relay door")
                    self._waiting[task] = None
                    task.add_done_callback(lambda done: self._waiting.pop(done, None))
                    # A task that is cancelled before it has begun would leave its connection open.
                    await asyncio.sleep(0)
        finally:
            self.close()

    def metrics(self) -> Metrics:
        """What it has counted."""
        refused = {f"host_relays_refused:{why}": count for why, count in self.refused.items()}
        return {"counters": {"host_relays_let_in": self.let_in, **refused}}

    def _make_room(self) -> None:
        if len(self._waiting) >= MAX_WAITING:
            oldest = next(iter(self._waiting))
            del self._waiting[oldest]
            oldest.cancel()

    async def _meet(self, connection: socket.socket, home: Home, find_link: FindLink) -> None:
        with connection:
            connection.setblocking(False)
            try:
                async with asyncio.timeout(PASS_S):
                    sealed = await _read_pass(connection)
            except (OSError, TimeoutError):
                sealed = None
            except asyncio.CancelledError:
                self.refused[STRANGER] += 1
                raise
            if sealed is None:
                self.refused[STRANGER] += 1
                return
            try:
                self._pass_on(connection, self._admit(sealed, home), find_link)
            except PassError as error:
                self.refused[error.refusal.word] += 1
                self._complain(connection, error.refusal)
                with suppress(OSError):
                    connection.send(error.refusal.byte)
            except Exception:
                logger.exception("relay door: a request failed")

    def _admit(self, sealed: bytes, home: Home) -> Pass:
        given = self._doorkeeper.admit(sealed, time.time(), time.monotonic())
        if given.worker[:2] != home:
            raise PassError(Refusal.GONE)
        return given

    def _pass_on(self, connection: socket.socket, given: Pass, find_link: FindLink) -> None:
        link = find_link(given.worker[2], given.worker[3])
        if link is None:
            raise PassError(Refusal.GONE)
        with suppress(OSError):
            # First, since from then on the worker speaks. If it does not take the connection, that ends here.
            connection.send(GO_ON)
        if link.pass_relayed(connection, _said_to_worker(given)):
            self.let_in += 1
        else:
            self.refused[Refusal.BUSY.word] += 1

    def _complain(self, connection: socket.socket, refusal: Refusal) -> None:
        now = time.monotonic()
        if refusal is not Refusal.GONE and now - self._complained_at >= COMPLAIN_S:
            self._complained_at = now
            with suppress(OSError):
                logger.warning(
                    "relay door: a request from %s is refused: %s", connection.getpeername()[0], refusal.word
                )


def _said_to_worker(given: Pass) -> dict[str, Any]:
    return {"worker": given.worker, "is_open": given.is_open, "size": given.size, "digest": given.digest.hex()}


async def _read_pass(connection: socket.socket) -> bytes | None:
    """The first PASS_BYTES, and not one more: they are the worker's. None: this is something else."""
    loop = asyncio.get_running_loop()
    found = b""
    while len(found) < PASS_BYTES:
        data = await loop.sock_recv(connection, PASS_BYTES - len(found))
        found += data
        if not data or not found.startswith(MAGIC[: len(found)]):
            return None
    return found
