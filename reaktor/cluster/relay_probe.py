"""Asks another host whether it is there, as requests are relayed to it: with a pass to a worker that there never is.

Its door answers that such a worker is gone. A supervisor that stands still does not answer, nor does a host that is
off. Asked by the companion of the supervisor before a host counts as lost that is silent in the database.
"""

from __future__ import annotations

import asyncio
import time

from reaktor.cluster.contract import Neighbour
from reaktor.process.relay_pass import Refusal, seal
from reaktor.process.streams import closing

NO_WORKER = (0, 0)
"""Slots count from 1."""


async def answers(key: bytes, host: Neighbour, seconds: float) -> bool:
    """Whether that life of that host answers in so many seconds."""
    sealed = seal(key, (host.host, host.life, *NO_WORKER), b"", is_open=False, now=time.time())
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host.address, host.port)
            async with closing(writer):
                writer.write(sealed)
                return await reader.read(1) == Refusal.GONE.byte
    except (OSError, TimeoutError):
        return False
