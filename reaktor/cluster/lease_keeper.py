"""Takes a lease, keeps it, and runs the duty that goes with it for as long as it is kept.

LeaseStore goes in, and what to do with a Tenure. The store is asked in a thread of its own, one question at a time,
so that neither the loop nor the database's other users ever stand in its way. Used by the supervisor's companion.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from reaktor.cluster.lease import LEASE_S, LOOK_S, RENEW_SHARE, LeaseAwayError, LeaseRow, LeaseStore, Standby, Tenure

logger = logging.getLogger(__name__)
T = TypeVar("T")


def boot_clock() -> float:
    """Seconds that go on while the machine is suspended, where the system can tell: a lease runs out meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def _ignore(row: LeaseRow) -> None:
    """Somebody else has the lease, and keeps it."""


class LeaseKeeper:
    """One duty of one process.

    `on_rival`: called with the row before the lease was ever ours, when somebody else is seen to keep it; may raise.
    """

    def __init__(
        self,
        store: LeaseStore,
        duty: str,
        holder: str,
        *,
        is_alone: bool = False,
        on_rival: Callable[[LeaseRow], None] = _ignore,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self._store, self._duty, self._holder = store, duty, holder
        self._is_alone, self._on_rival = is_alone, on_rival
        self._lease_s, self._clock = lease_s, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"lease-{duty}")
        self._asked: asyncio.Future[Any] | None = None
        self._term = ""
        self._is_away = False

    async def run(self, serve: Callable[[Tenure], Coroutine[Any, Any, None]]) -> None:
        """Whenever the lease is ours, serve(tenure), which is cancelled when it is lost. Until cancelled.

        Raises what serve raises. The lease is released at the end.
        """
        try:
            while True:
                tenure = await self._take()
                logger.info("%s: taken, epoch %d", self._duty, tenure.epoch)
                duty = asyncio.create_task(serve(tenure), name=self._duty)
                try:
                    await self._keep(tenure, duty)
                finally:
                    duty.cancel()
                    await asyncio.gather(duty, return_exceptions=True)
                logger.warning("%s: lost to another holder", self._duty)
        finally:
            await self._let_go()

    async def _take(self) -> Tenure:
        standby = Standby(self._holder, self._lease_s, is_alone=self._is_alone)
        seen: LeaseRow | None = None
        while True:
            with suppress(LeaseAwayError):
                row = await self._ask(self._store.read)
                now = self._clock()
                if self._term and (row.holder, row.term) == (self._holder, self._term):
                    # Ours, though we were not told so in time.
                    if await self._ask(self._store.renew, self._holder, self._term):
                        return Tenure(row, now, self._lease_s)
                elif standby.may_take(row, now):
                    self._term = secrets.token_hex(8)
                    if (taken := await self._ask(self._store.take, row, self._holder, self._term)) is not None:
                        return Tenure(taken, now, self._lease_s)
                elif not self._term and seen is not None and row != seen:
                    self._on_rival(row)
                seen = row
            await asyncio.sleep(LOOK_S)

    async def _keep(self, tenure: Tenure, duty: asyncio.Task[None]) -> None:
        """Renew until the lease is lost. While the database is away it stands, and a late renewal keeps it."""
        pause_s = RENEW_SHARE * self._lease_s
        while True:
            await asyncio.wait({duty}, timeout=pause_s)
            if duty.done():
                duty.result()
                raise RuntimeError(f"{self._duty} ended by itself")
            sent_at = self._clock()
            # At once where it failed: one renewal that is slow shall not cost the time to decide.
            pause_s = min(LOOK_S, RENEW_SHARE * self._lease_s)
            with suppress(LeaseAwayError):
                if not await self._ask(
                    self._store.renew, self._holder, tenure.term, on_answer=partial(_note_renewal, tenure, sent_at)
                ):
                    return
                pause_s = RENEW_SHARE * self._lease_s

    async def _let_go(self) -> None:
        if self._asked is not None and not self._asked.done():
            await asyncio.wait({self._asked}, timeout=RENEW_SHARE * self._lease_s)
        if self._term:
            # Also where the taking was cancelled: the row may name us all the same.
            with suppress(LeaseAwayError):
                await self._ask(self._store.release, self._holder, self._term)
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._store.close)
        await asyncio.wait({closing}, timeout=RENEW_SHARE * self._lease_s)
        self._thread.shutdown(wait=False)

    async def _ask(
        self, question: Callable[..., T], *arguments: Any, on_answer: Callable[[T], None] | None = None
    ) -> T:
        """In our thread. `on_answer` is called with the answer, however late it comes.

        Raises LeaseAwayError, also while an earlier question has not come back.
        """
        if self._asked is not None and not self._asked.done():
            raise LeaseAwayError
        self._asked = asked = asyncio.get_running_loop().run_in_executor(self._thread, question, *arguments)
        asked.add_done_callback(partial(self._heard, on_answer))
        try:
            async with asyncio.timeout(RENEW_SHARE * self._lease_s):
                found: T = await asyncio.shield(asked)
                return found
        except TimeoutError:
            self._tell_away("no answer in time")
            raise LeaseAwayError from None

    def _heard(self, on_answer: Callable[[T], None] | None, asked: asyncio.Future[T]) -> None:
        if asked.cancelled():
            return
        if (error := asked.exception()) is not None:
            self._tell_away(str(error).strip())
            return
        if self._is_away:
            self._is_away = False
            logger.info("%s: the database answers again", self._duty)
        if on_answer is not None:
            on_answer(asked.result())

    def _tell_away(self, why: str) -> None:
        if not self._is_away:
            self._is_away = True
            logger.warning("%s: the lease can't be had or renewed: %s", self._duty, why)


def _note_renewal(tenure: Tenure, sent_at: float, is_ours: bool) -> None:
    if is_ours:
        tenure.renewed(sent_at)
