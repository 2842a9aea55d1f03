"""Which authority of this cluster is heard on this bus already. Asked once, before a supervisor starts.

Clusters of other databases have mailboxes and groups of other names, and are not heard. The same cluster is, whatever
database number its URL names: Redis numbers keys, and these are messages. An authority that the lease in our database
does not name belongs to a copy of it: workers of one name would read each other's mail, and no user could rely on who
is shown. Serves the flow supervisor start.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets

from chat.membership import wire
from chat.membership.protocol import Mandate
from reaktor.process.bus import Bus, BusError

RETRY_S = 0.02


async def heard_authority(bus: Bus, heartbeat_s: float) -> Mandate | None:
    """Whoever is heard first within two heartbeats' time. A bus that is away for all of it has nobody serving on it."""
    mailbox = f"membership.newcomer.{secrets.token_hex(8)}"
    listening = asyncio.create_task(_hear_an_authority(bus, mailbox), name="membership newcomer")
    try:
        async with asyncio.timeout(2 * heartbeat_s):
            await _subscribe(bus, mailbox)
            return await listening
    except TimeoutError:
        return None
    finally:
        with contextlib.suppress(BusError):
            await bus.unsubscribe(wire.CHANGES_GROUP, mailbox)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _hear_an_authority(bus: Bus, mailbox: str) -> Mandate | None:
    async with contextlib.aclosing(bus.listen(mailbox)) as messages:
        async for kind, body in messages:
            if kind == wire.BATCH:
                # One of another version, which can't be read, is nobody's whom our lease names.
                with contextlib.suppress(wire.WireError):
                    return wire.read_batch(body).mandate
                return Mandate(0, "")
    return None


async def _subscribe(bus: Bus, mailbox: str) -> None:
    """A mailbox must be read before it can be subscribed, which the task beside this does in a moment."""
    while True:
        try:
            await bus.subscribe(wire.CHANGES_GROUP, mailbox)
        except BusError:
            await asyncio.sleep(RETRY_S)
        else:
            return
