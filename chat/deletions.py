"""Removes messages that nobody waits for, a batch at a time, as long as there are some. Owned by the runtime.

Those of deleted accounts, and what purges have left over. It looks every few seconds, so that what a crash interrupted
is taken up by whoever looks next.
"""

from __future__ import annotations

import asyncio
import logging

from chat.services import leaving, purge
from reaktor.db.database import Database
from reaktor.errors import UnavailableError

logger = logging.getLogger(__name__)

LOOK_S = 5.0
BETWEEN_S = 0.05
"""Posts share the writing thread: they come first, most of the time."""


class Deletions:
    """run() until cancelled."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._remove_all()
            except UnavailableError:
                continue  # the database is away: everybody else says so
            except Exception:
                logger.exception("deletions: a batch was not removed; it will be tried again")

    async def _remove_all(self) -> None:
        for user_id in await self._database.read(leaving.accounts_to_empty):
            is_left = True
            while is_left:
                is_left = await self._database.write(leaving.account_messages_remove, user_id=user_id)
                await asyncio.sleep(BETWEEN_S)
        for purge_id in await self._database.read(purge.purges_waiting):
            is_left = True
            while is_left:
                is_left = await self._database.write(purge.purge_batch, purge_id=purge_id) is not None
                await asyncio.sleep(BETWEEN_S)
