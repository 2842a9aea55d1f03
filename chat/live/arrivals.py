"""Arrivals: sessions that begin, so many at a time, on every transport.

When a worker dies, a thousand clients come at once. If all of them were served side by side, all would be served late:
they would give up, come again, and make the server do the work anew for nobody. place() lets them in one after the
other, in the order in which they came. Transports look inside it whether their client is still there.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from reaktor.errors import UnavailableError

PLACES = 16
"""More would be no quicker: what a session needs to begin is the loop's time."""
WAIT_S = 8.0
"""Clients give up after 10 s (the native protocol's) or 20 (Socket.IO's libraries), and come again for nothing. Who
hears `unavailable` before that knows when to."""
RETRY_AFTER_S = 5.0


class Arrivals:
    """place() for each session that begins. What waits is bounded by the connections that there may be."""

    def __init__(self, *, places: int = PLACES, wait_s: float = WAIT_S) -> None:
        self._places = asyncio.Semaphore(places)
        self._wait_s = wait_s

    @contextlib.asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and have it inside. Raises UnavailableError when that takes too long."""
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise UnavailableError("Too many are coming at once.", retry_after_s=RETRY_AFTER_S) from None
        try:
            yield
        finally:
            self._places.release()
