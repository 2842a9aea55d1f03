"""Files that are out of reach lose their bytes, in one process of the cluster at a time. Owned by the runtime.

What was deleted, what nobody sent with a message, what was broken off. What could not be removed is tried again, until
it is. What a moderator has yet to look at stays. The rows stay for a while as a record: see chat.files.replay.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db.models import Exists, OuterRef, Q

from chat.files.storage import FileStorage
from chat.models import File, Message, Report
from reaktor.config.model import Files
from reaktor.db.database import Database
from reaktor.errors import UnavailableError

logger = logging.getLogger(__name__)

LOOK_S = 1.0
EVERY_S = 30.0
SELDOM_S = 3_600.0
BATCH = 100
BROKEN_OFF = timedelta(minutes=10)
RECORD_KEPT = timedelta(days=90)
"""How old a backup may be whose deletions are still known."""


def files_forget_old(config: Files, now: datetime) -> int:
    """Out of reach: what nobody sent in time, and what is no longer being sent. How many."""
    waiting = File.objects.filter(message=None, deleted_at=None)
    unsent = Q(created_at__lt=now - timedelta(seconds=config.unsent_s))
    broken_off = Q(stored_at=None, alive_at__lt=now - BROKEN_OFF)
    File.objects.filter(gone_at__lt=now - RECORD_KEPT).delete()
    return waiting.filter(unsent & Q(stored_at__isnull=False) | broken_off).update(deleted_at=now)


def files_forget_bereft() -> int:
    """Out of reach: what belongs to a message that is deleted, or gone, without their saying so. How many.

    So it is where an older release ran beside this one.
    """
    there = Message.objects.filter(pk=OuterRef("message_id"), deleted_at=None)
    bereft = File.objects.filter(~Exists(there), message__isnull=False, deleted_at=None)
    return bereft.update(deleted_at=datetime.now(UTC))


def files_to_remove() -> list[uuid.UUID]:
    """The next ones whose bytes are to go."""
    reported = Report.objects.filter(message_id=OuterRef("message_id"), resolved_at=None)
    deleted = File.objects.filter(~Exists(reported), gone_at=None).exclude(deleted_at=None)
    return list(deleted.order_by("deleted_at").values_list("pk", flat=True)[:BATCH])


def files_note_gone(ids: list[uuid.UUID]) -> None:
    """Their bytes are gone."""
    File.objects.filter(pk__in=ids).update(gone_at=datetime.now(UTC))


def bytes_remove(storage: FileStorage, ids: list[uuid.UUID]) -> list[uuid.UUID]:
    """Remove the bytes of each; those that are gone now. What fails is logged: the next round tries again."""
    gone = []
    for file_id in ids:
        try:
            storage.remove(file_id)
        except OSError as error:
            logger.error("files: the bytes of %s were not removed; it will be tried again: %s", file_id, error)
        except Exception:
            logger.exception("files: the bytes of %s were not removed; it will be tried again", file_id)
        else:
            gone.append(file_id)
    return gone


class Sweeper:
    """run() until cancelled. `is_ours`: whether this process has the duty now."""

    def __init__(
        self,
        database: Database,
        storage: FileStorage,
        config: Files,
        *,
        is_ours: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database, self._storage, self._config = database, storage, config
        self._is_ours = is_ours
        self._clock = clock
        self._next_round = clock() + EVERY_S
        self._next_incoming = self._next_bereft = clock()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                await self._look()
            except UnavailableError:
                continue  # the database is away: everybody else says so
            except Exception:
                logger.exception("files: a round failed; it will be tried again")

    async def _look(self) -> None:
        now = self._clock()
        if now >= self._next_incoming:
            # Of this host: nobody else may see it.
            self._next_incoming = now + SELDOM_S
            await asyncio.to_thread(self._storage.sweep_incoming)
        if now < self._next_round or not self._is_ours():
            return
        self._next_round = now + EVERY_S
        if now >= self._next_bereft:
            self._next_bereft = now + SELDOM_S
            await self._database.write(files_forget_bereft)
        await self._database.write(files_forget_old, self._config, datetime.now(UTC))
        while self._is_ours() and (ids := await self._database.read(files_to_remove)):
            gone = await asyncio.to_thread(bytes_remove, self._storage, ids)
            if not gone:
                return
            await self._database.write(files_note_gone, gone)
