"""Takes a lease, keeps it, and runs the duty that goes with it for as long as it is kept.

LeaseStore goes in, and what to do with a Tenure. The store is asked in a thread of its own, one question at a time,
so that neither the loop nor the database's other users ever stand in its way. Used by the supervisor's companion.
"""

from __future__ import annotations

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from reaktor.cluster.lease import LEASE_S, LOOK_S, RENEW_SHARE, LeaseAwayError, LeaseRow, LeaseStore, Standby, Tenure
from reaktor.cluster.lease_line import LeaseLine

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_ORDERS = 8
"""Hand-overs asked for at a time; one more is told that there is nothing to hand over."""
SETTLE_S = 0.5
"""How long what was decided may take to be said, before the lease is given back."""


def boot_clock() -> float:
    """Seconds that go on while the machine is suspended, where the system can tell: a lease runs out meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def stand_by(row: LeaseRow) -> None:
    """Somebody else has the lease, and keeps it."""


async def _nothing_to_settle() -> None:
    """All that was decided is said."""


@dataclass(slots=True)
class _HandOver:
    """Asked for by somebody who waits for `done`: who has the lease then. `is_last`: we do not want it again."""

    settle: Callable[[], Awaitable[None]]
    is_last: bool
    done: asyncio.Future[str]


class LeaseKeeper:
    """One duty of one process.

    `on_rival`: called with the row before the lease was ever ours, when somebody else is seen to keep it; may raise.
    `line`: the bus that whoever has the duty must be heard on; None: the duty needs none.
    """

    def __init__(
        self,
        store: LeaseStore,
        duty: str,
        holder: str,
        *,
        is_alone: bool = False,
        on_rival: Callable[[LeaseRow], None] = stand_by,
        line: LeaseLine | None = None,
        lease_s: float = LEASE_S,
        clock: Callable[[], float] = boot_clock,
    ) -> None:
        self._store, self._duty, self._holder = store, duty, holder
        self._is_alone, self._on_rival, self._line = is_alone, on_rival, line
        self._lease_s, self._clock = lease_s, clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"lease-{duty}")
        self._asked: asyncio.Future[Any] | None = None
        self._tenure: Tenure | None = None
        self._term = ""
        self._is_away = False
        self._not_before = -math.inf
        self._orders: asyncio.Queue[_HandOver] = asyncio.Queue(MAX_ORDERS)
        self._handing: list[_HandOver] = []

    async def run(self, serve: Callable[[Tenure], Coroutine[Any, Any, None]]) -> None:
        """Whenever the lease is ours, serve(tenure), which is cancelled when it is lost. Until cancelled.

        Raises what serve raises. The lease is released at the end.
        """
        try:
            while True:
                self._tenure = tenure = await self._take()
                logger.info("%s: taken, epoch %d", self._duty, tenure.epoch)
                duty = asyncio.create_task(serve(tenure), name=self._duty)
                try:
                    await self._keep(tenure, duty)
                finally:
                    self._tenure = None
                    self._end_orders()
                    duty.cancel()
                    await asyncio.gather(duty, return_exceptions=True)
                logger.warning("%s: lost to another holder", self._duty)
        finally:
            await self._let_go()

    async def hand_over(
        self, settle: Callable[[], Awaitable[None]] = _nothing_to_settle, *, is_last: bool = False
    ) -> str:
        """Give the lease to whoever stands by; their name, or ours where nobody took it in the time of a lease.

        `settle` returns when all that was decided is said, and nothing more is decided. `is_last`: we do not want it
        again; then this returns as soon as it is free. Raises LeaseAwayError: we don't have it.
        """
        if self._tenure is None or self._tenure.is_given_back:
            if is_last:
                self._not_before = math.inf
            raise LeaseAwayError("this server does not decide now")
        order = _HandOver(settle, is_last, asyncio.get_running_loop().create_future())
        try:
            self._orders.put_nowait(order)
        except asyncio.QueueFull:
            raise LeaseAwayError("it is being handed over") from None
        return await order.done

    async def _take(self) -> Tenure:
        standby = Standby(self._holder, self._lease_s, is_alone=self._is_alone)
        seen: LeaseRow | None = None
        before: LeaseRow | None = None
        while True:
            with suppress(LeaseAwayError):
                row = await self._ask(self._store.read)
                now = self._clock()
                if self._term and (row.holder, row.term) == (self._holder, self._term):
                    # Ours, though we were not told so in time.
                    if await self._ask(self._store.renew, self._holder, self._term):
                        return Tenure(row, now, self._lease_s, before=before)
                elif standby.may_take(row, now) and self._may_have(now):
                    self._term, before = secrets.token_hex(8), row
                    if (taken := await self._ask(self._store.take, row, self._holder, self._term)) is not None:
                        return Tenure(taken, now, self._lease_s, before=row)
                elif not self._term and seen is not None and row != seen:
                    self._on_rival(row)
                seen = row
            await self._look_again()

    def _may_have(self, now: float) -> bool:
        return now >= self._not_before and (self._line is None or self._line.may_take())

    async def _look_again(self) -> None:
        """In a moment, or as soon as somebody says that it is free."""
        if self._line is None:
            await asyncio.sleep(LOOK_S)
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._line.freed.wait()
        self._line.freed.clear()

    async def _keep(self, tenure: Tenure, duty: asyncio.Task[None]) -> None:
        """Renew until the lease is lost. While the database is away it stands, and a late renewal keeps it.

        Where the bus does not carry what we say it is given back, and had again if nobody took it meanwhile.
        """
        renew_at = self._clock() + RENEW_SHARE * self._lease_s
        while True:
            pause_s = LOOK_S if tenure.is_given_back else max(min(LOOK_S, renew_at - self._clock()), 0.0)
            order = await self._next_order(duty, pause_s)
            if duty.done():
                duty.result()
                raise RuntimeError(f"{self._duty} ended by itself")
            if order is not None:
                await self._give_to_others(tenure, order)
            elif not tenure.is_given_back and self._line is not None and self._line.must_give_back():
                logger.warning("%s: not heard on the bus; given back", self._duty)
                await self._give_back(tenure)
            elif tenure.is_given_back:
                if await self._is_taken(tenure):
                    return
            elif self._clock() >= renew_at:
                # At once where it fails: one renewal that is slow shall not cost the time to decide.
                renew_at = self._clock() + min(LOOK_S, RENEW_SHARE * self._lease_s)
                sent_at = self._clock()
                with suppress(LeaseAwayError):
                    if not await self._ask(
                        self._store.renew, self._holder, tenure.term, on_answer=partial(_note_renewal, tenure, sent_at)
                    ):
                        return
                    renew_at = self._clock() + RENEW_SHARE * self._lease_s

    async def _next_order(self, duty: asyncio.Task[None], pause_s: float) -> _HandOver | None:
        """An order if there is one within so long, or None; None as well at the end of the duty."""
        waiting = asyncio.ensure_future(self._orders.get())
        try:
            await asyncio.wait({duty, waiting}, timeout=pause_s)
            return waiting.result() if waiting.done() else None
        finally:
            waiting.cancel()

    async def _give_to_others(self, tenure: Tenure, order: _HandOver) -> None:
        self._not_before = math.inf if order.is_last else self._clock() + self._lease_s
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                await order.settle()
        await self._give_back(tenure)
        if self._line is not None:
            await self._line.say_free()
        logger.info("%s: given back", self._duty)
        self._handing.append(order)
        if order.is_last:
            self._tell_handed("")

    async def _give_back(self, tenure: Tenure) -> None:
        """Decide nothing more, then let others in. Where the row can't be had they wait for the lease to run out."""
        tenure.give_back()
        with suppress(LeaseAwayError):
            await self._ask(self._store.release, self._holder, tenure.term)

    async def _is_taken(self, tenure: Tenure) -> bool:
        """Whether somebody has what we gave back. If nobody has, and we may have it, it is ours as it was."""
        with suppress(LeaseAwayError):
            row = await self._ask(self._store.read)
            if row.term != tenure.term:
                self._tell_handed(row.holder)
                return True
            sent_at = self._clock()
            if self._may_have(sent_at):
                if not await self._ask(self._store.resume, self._holder, tenure.term):
                    return True
                tenure.resumed(sent_at)
                logger.info("%s: had again, nobody else took it", self._duty)
                self._tell_handed(self._holder)
        return False

    def _tell_handed(self, holder: str) -> None:
        for order in self._handing:
            if not order.done.done():
                order.done.set_result(holder)
        self._handing.clear()

    def _end_orders(self) -> None:
        """Who has it now is for others to say."""
        while not self._orders.empty():
            self._handing.append(self._orders.get_nowait())
        self._tell_handed("")

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
