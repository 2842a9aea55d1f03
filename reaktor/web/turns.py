"""Who may have a thread: so many at once, of one peer fewer, and all others wait for their turn.

A peer is a user, or an address. Whoever asks much waits behind itself, not in front of the others: turns go round the
peers that wait. On the loop.
"""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict, deque

from reaktor.errors import UnavailableError

RETRY_AFTER_S = 1.0


class Turns:
    """`running` have a turn, of one peer `per_peer`; `waiting` wait, half of them of one peer at most."""

    def __init__(self, *, running: int, per_peer: int, waiting: int) -> None:
        self._free = running
        self._per_peer = per_peer
        self._places = waiting
        self._running: Counter[str] = Counter()
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self._waiting_count = 0

    @property
    def running(self) -> int:
        """How many have a turn now."""
        return self._running.total()

    async def take(self, peer: str) -> None:
        """Wait for a turn; give_back() ends it. Raises UnavailableError at once where too many wait."""
        if self._may_run(peer):
            self._start(peer)
            return
        queue = self._waiting.get(peer, ())
        if self._waiting_count >= self._places or len(queue) >= max(self._places // 2, 1):
            raise UnavailableError("Too many requests are waiting.", retry_after_s=RETRY_AFTER_S)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(peer, deque()).append(turn)
        self._waiting_count += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._forget(peer, turn)
            else:
                self.give_back(peer)
            raise

    def give_back(self, peer: str) -> None:
        """The turn of this peer is over; the next one has it."""
        self._free += 1
        self._running[peer] -= 1
        if not self._running[peer]:
            del self._running[peer]
        for waiting in list(self._waiting):
            if not self._free:
                return
            if self._may_run(waiting):
                self._hand_on(waiting)

    def _hand_on(self, peer: str) -> None:
        turn = self._waiting[peer][0]
        self._forget(peer, turn)
        if peer in self._waiting:
            self._waiting.move_to_end(peer)
        if not turn.cancelled():
            self._start(peer)
            turn.set_result(None)

    def _may_run(self, peer: str) -> bool:
        return self._free > 0 and self._running[peer] < self._per_peer

    def _start(self, peer: str) -> None:
        self._free -= 1
        self._running[peer] += 1

    def _forget(self, peer: str, turn: asyncio.Future[None]) -> None:
        """It waits no more; may be repeated."""
        queue = self._waiting.get(peer)
        if queue is None or turn not in queue:
            return
        queue.remove(turn)
        self._waiting_count -= 1
        if not queue:
            del self._waiting[peer]
