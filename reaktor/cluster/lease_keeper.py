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
from typing import Any, TypeVar

from reaktor.cluster.lease import LEASE_S, LOOK_S, RENEW_SHARE, LeaseAwayError, LeaseStore, Standby, Tenure

logger = logging.getLogger(__name__)
T = TypeVar("T")


def boot_clock() -> float:
    """Seconds that go on while the machine is suspended, where the system can tell: a lease runs out meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class LeaseKeeper:
    """One duty of one process."""

    def __init__(
        self,
        store: LeaseStore,
        duty: str,
        holder: str,
        *,
        is_alone: bool = False,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self._store, self._duty, self._holder = store, duty, holder
        self._is_alone, self._lease_s, self._clock = is_alone, lease_s, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"lease-{duty}")
        self._asked: asyncio.Future[Any] | None = None
        self._term = ""

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
        while True:
            with suppress(LeaseAwayError):
                row = await self._ask(self._store.read)
                now = self._clock()
                if row.holder == self._holder and row.term == self._term:
                    # Ours, though we were not told so in time.
                    if await self._ask(self._store.renew, self._holder, self._term):
                        return Tenure(row, now, self._lease_s)
                elif standby.may_take(row, now):
                    self._term = secrets.token_hex(8)
                    if (taken := await self._ask(self._store.take, row, self._holder, self._term)) is not None:
                        return Tenure(taken, now, self._lease_s)
            await asyncio.sleep(LOOK_S)

    async def _keep(self, tenure: Tenure, duty: asyncio.Task[None]) -> None:
        """Renew until the lease is lost. While the database is away it stands, and a late renewal keeps it."""
        while True:
            await asyncio.wait({duty}, timeout=RENEW_SHARE * self._lease_s)
            if duty.done():
                duty.result()
                raise RuntimeError(f"{self._duty} ended by itself")
            sent_at = self._clock()
            with suppress(LeaseAwayError):
                if not await self._ask(self._store.renew, self._holder, tenure.term):
                    return
                tenure.renewed(sent_at)

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

    async def _ask(self, question: Callable[..., T], *arguments: Any) -> T:
        """In our thread. Raises LeaseAwayError, also while an earlier question has not come back."""
        if self._asked is not None and not self._asked.done():
            raise LeaseAwayError
        self._asked = asyncio.get_running_loop().run_in_executor(self._thread, question, *arguments)
        # Nobody may be left to hear how it ended.
        self._asked.add_done_callback(_heard)
        try:
            async with asyncio.timeout(RENEW_SHARE * self._lease_s):
                found: T = await asyncio.shield(self._asked)
                return found
        except TimeoutError:
            raise LeaseAwayError from None


def _heard(asked: asyncio.Future[Any]) -> None:
    if not asked.cancelled():
        asked.exception()
