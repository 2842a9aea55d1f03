"""Whether another authority of this cluster serves on this bus already. Asked once, before its supervisor starts.

Two authorities would both answer every command, and workers of one name would read each other's mail: no user could
rely on who is shown. Clusters of other databases have mailboxes and groups of other names, and are not heard. The same
cluster is, whatever database number its URL names: Redis numbers keys, and these are messages. Serves the flow
supervisor start.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from chat.membership import wire
from reaktor.process.bus import Bus, BusError

RETRY_S = 0.02


async def is_anyone_serving(bus: Bus, heartbeat_s: float) -> bool:
    """Listen for two heartbeats' time. A bus that is away for all of it has nobody serving on it."""
    mailbox = f"membership.newcomer.{secrets.token_hex(8)}"
    listening = asyncio.create_task(_hear_an_authority(bus, mailbox), name="membership newcomer")
    try:
        async with asyncio.timeout(2 * heartbeat_s):
            await _subscribe(bus, mailbox)
            await listening
    except TimeoutError:
        return False
    finally:
        with contextlib.suppress(BusError):
            await bus.unsubscribe(wire.CHANGES_GROUP, mailbox)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
    return True


async def _hear_an_authority(bus: Bus, mailbox: str) -> None:
    async with contextlib.aclosing(bus.listen(mailbox)) as messages:
        async for kind, _ in messages:
            if kind == wire.BATCH:
                return


async def _subscribe(bus: Bus, mailbox: str) -> None:
    """A mailbox must be read before it can be subscribed, which the task beside this does in a moment."""
    while True:
        try:
            await bus.subscribe(wire.CHANGES_GROUP, mailbox)
        except BusError:
            await asyncio.sleep(RETRY_S)
        else:
            return
