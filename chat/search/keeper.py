"""The keeper: has the index follow the messages, in one process of the cluster at a time.

New messages, edits and deletions come first: they are found within a second. What was said before there was an index is
indexed when there is nothing else to do, a batch at a time, with a rest as long as the work. What is missing is in the
database: a keeper that dies is followed by one that goes on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from chat.search import indexing
from chat.search.indexing import CHANGES, CHANNELS, Behind, Step
from chat.services.duty import RENEW_S, Duty
from reaktor.db.database import Database
from reaktor.errors import UnavailableError

logger = logging.getLogger(__name__)

LOOK_S = 0.5
RESTS = 3
"""So many rounds look at hints alone, where a slice had nothing to index: a quiet server is asked little."""
FLOOD_PER_S = 300
"""Where more messages come than that, no more are indexed: posting comes first. What is missing then comes later."""
SLICE_S = 0.5
"""How long a round works on what a slice has brought, before it looks for new messages again."""


class Keeper:
    """run() is owned by the runtime. `may_act`: whether this process is to have the duty."""

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        may_act: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._may_act = may_act
        self._clock = clock
        self._now = now
        self._duty = Duty("search", holder, clock)
        self._next_look = 0.0
        self._slice_after = 0
        self._older_after = 0
        self._rests = 0
        # What was there at the last look at new messages: when, and how far their channels had come.
        self._looked_at = clock()
        self._heads: dict[int, int] = {}
        self._flooded_after = 0
        self.indexed_total = 0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            began = self._clock()
            is_busy = await self._round()
            # As long as it worked, so that posts come first half of the time.
            await asyncio.sleep(min(self._clock() - began, LOOK_S) if is_busy else LOOK_S)

    async def give_back(self) -> None:
        """The process ends soon: another one may begin at once."""
        if self._duty.is_held:
            with suppress(UnavailableError):
                await self._database.write(self._duty.release)

    async def _round(self) -> bool:
        """Whether there may be more to do at once."""
        try:
            if not await self._has_duty():
                return False
            behind = await self._database.read(indexing.behind_by_newest, self._now())
            if self._is_flood(behind):
                await self._index_some(behind)
                return False
            await self._index(behind)
            if await self._database.read(indexing.journal_waits):
                await self._index(await self._database.write(indexing.journal_take))
            if self._rests > 0:
                self._rests -= 1
                return False
            if await self._index_slice() or await self._index_older():
                return True
            self._rests = RESTS
            return False
        except UnavailableError:
            return False  # the database is away: everybody else says so
        except Exception:
            logger.exception("search: a round failed; it will be tried again")
            return False

    async def _has_duty(self) -> bool:
        if not self._may_act():
            return False
        if (now := self._clock()) >= self._next_look:
            self._next_look = now + RENEW_S
            await self._database.write(self._duty.hold)
        return self._duty.is_held

    def _is_flood(self, behind: Sequence[Behind]) -> bool:
        """Whether more has come since the last look than the index is to follow at once."""
        before, now = self._looked_at, self._clock()
        come = sum(each.head - self._heads.get(each.channel_id, each.place or 0) for each in behind)
        self._looked_at, self._heads = now, {each.channel_id: each.head for each in behind}
        return come > FLOOD_PER_S * max(now - before, LOOK_S)

    async def _index_some(self, behind: Sequence[Behind]) -> None:
        """As much as a round may in a flood, of each channel in turn."""
        known = [each for each in behind if each.place is not None]
        new = [each.channel_id for each in behind if each.place is None]
        if new:
            await self._database.write(indexing.places_begin, new)
        turns = sorted(known, key=lambda each: (each.channel_id <= self._flooded_after, each.channel_id))[:CHANNELS]
        if turns:
            self._flooded_after = turns[-1].channel_id
            most = max(int(FLOOD_PER_S * LOOK_S) // len(turns), 1)
            await self._store(_parts(await self._database.read(indexing.changes_read, turns, most)))

    async def _index(self, behind: Sequence[Behind], until: float | None = None) -> bool:
        """Index what is missing in these channels; False: time was up before, or there is more."""
        new = [each.channel_id for each in behind if each.place is None]
        if new:
            await self._database.write(indexing.places_begin, new)
        left = [each for each in behind if each.place is not None]
        is_whole = not new
        waiting: list[Step] = []
        while left and await self._has_duty() and (until is None or self._clock() < until):
            steps = await self._database.read(indexing.changes_read, left[:CHANNELS])
            left = left[CHANNELS:]
            is_whole = is_whole and all(step.is_last for step in steps)
            *whole, waiting = _parts([*waiting, *steps])
            await self._store(whole)
        await self._store([waiting])
        return is_whole and not left

    async def _store(self, parts: Sequence[Sequence[Step]]) -> None:
        for part in parts:
            if part:
                self.indexed_total += await self._database.write(indexing.steps_store, part)

    async def _index_slice(self) -> bool:
        """Whether the next slice is to be looked at again, at once."""
        behind, following = await self._database.read(indexing.behind_in_slice, self._slice_after)
        if behind and not await self._index(behind, self._clock() + SLICE_S):
            return True
        self._slice_after = following
        return False

    async def _index_older(self) -> bool:
        step = await self._database.read(indexing.older_read, self._older_after)
        if step is None:
            return False
        self._older_after = step.channel_id
        self.indexed_total += await self._database.write(indexing.steps_store, [step])
        return True


def _parts(steps: Sequence[Step]) -> list[list[Step]]:
    """For one transaction each, of about CHANGES messages."""
    parts: list[list[Step]] = [[]]
    count = 0
    for step in steps:
        size = len(step.entries) + len(step.gone)
        if parts[-1] and count + size > CHANGES:
            parts.append([])
            count = 0
        parts[-1].append(step)
        count += size
    return parts
