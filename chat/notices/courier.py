"""The courier: makes notices of the outbox and sends them, in one process of the cluster at a time.

It lives in a worker, since a worker has a copy of who is here and who is away, on all hosts (chat.membership). While
that copy is out of step it does nothing, and another process takes over. All that waits is in the database: a courier
that dies is followed by one that goes on, and what was sent and not yet noted is sent again, under the same tag.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from chat.domain import notices as rules
from chat.domain.ids import UserId
from chat.domain.sessions import Status
from chat.notices import due as store
from chat.notices.digests import digest_step, digest_waits
from chat.notices.due import Due, Ended
from chat.notices.outbox import outbox_step, outbox_waits
from chat.notices.subscriptions import subscriptions_forget
from chat.notices.webpush import Outcome, Sent, WebPush, content_of, topic_of
from chat.services.duty import RENEW_S, Duty
from reaktor.db.database import Database
from reaktor.errors import UnavailableError

logger = logging.getLogger(__name__)

IDLE_S = 1.0
BUSY_S = 0.05
"""Between two rounds: posts share the writing thread, and come first."""
STEPS = 20
"""So many steps of the outbox in one round."""
UNDER_WAY = 64
"""So many notices are being sent at once."""


class Courier:
    """run() is owned by the runtime. `status_of`: of all sessions of a user on all hosts; `is_in_step`: whether that is
    known. `open_push` opens the door to the push services; None: nothing is pushed here.
    `home`: where the web client is, for links in mails.
    """

    def __init__(
        self,
        database: Database,
        *,
        holder: str,
        status_of: Callable[[UserId], Status | None],
        is_in_step: Callable[[], bool],
        open_push: Callable[[], WebPush] | None,
        home: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._status_of = status_of
        self._is_in_step = is_in_step
        self._open_push = open_push
        self._home = home
        self._clock = clock
        self._duty = Duty("notices", holder, clock)
        self._next_look = 0.0
        self._under_way: set[asyncio.Task[None]] = set()
        self._ended: list[Ended] = []
        self._gone: list[int] = []
        self._push: WebPush | None = None
        self.outcomes: dict[str, int] = {outcome.value: 0 for outcome in Outcome} | {"dropped": 0, "failed": 0}

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    is_busy = await self._round(tasks)
                    await asyncio.sleep(BUSY_S if is_busy else IDLE_S)
        finally:
            if self._push is not None:
                await self._push.close()

    @property
    def has_duty(self) -> bool:
        """Whether this process is the one: for other work that one process of all does."""
        return self._duty.is_held

    async def give_back(self) -> None:
        """The process ends soon, and `is_in_step` says no: another one may begin at once."""
        if self._duty.is_held:
            try:
                await self._database.write(self._duty.release)
            except UnavailableError:
                logger.info("notices: the duty was not given back; another process takes it in a few seconds")

    async def _round(self, tasks: asyncio.TaskGroup) -> bool:
        """Whether there may be more to do at once."""
        try:
            await self._settle()
            if not await self._has_duty():
                return bool(self._under_way)
            has_steps = await self._make_notices()
            await self._write_digests()
            return await self._send_due(tasks) or has_steps or bool(self._ended)
        except UnavailableError:
            return False  # the database is away: everybody else says so
        except Exception:
            logger.exception("notices: a round failed; it will be tried again")
            return False

    async def _has_duty(self) -> bool:
        if not self._is_in_step():
            return False
        if (now := self._clock()) >= self._next_look:
            self._next_look = now + RENEW_S
            await self._database.write(self._duty.hold)
        return self._duty.is_held

    async def _make_notices(self) -> bool:
        if not await self._database.read(outbox_waits, _now()):
            return False
        for _ in range(STEPS):
            if not await self._database.write(outbox_step):
                return False
        return True

    async def _write_digests(self) -> None:
        now = _now()
        if await self._database.read(digest_waits, now):
            for _ in range(STEPS):
                if not await self._database.write(digest_step, now, self._home):
                    return

    # -- Pushes -----------------------------------------------------------------------------------------------

    async def _send_due(self, tasks: asyncio.TaskGroup) -> bool:
        free, now = UNDER_WAY - len(self._under_way), _now()
        if free <= 0 or not await self._database.read(store.push_waits, now):
            return False
        if self._push is None and self._open_push is not None:
            # Reading whom TLS believes takes longer than the loop may stand still.
            self._push = await asyncio.to_thread(self._open_push)
        found = await self._database.write(store.pushes_claim, now, free)
        for due in found:
            facts = replace(due.facts, status=self._status_of(due.user_id))
            verdict = rules.push(facts, now)
            if verdict.until is not None:
                self._ended.append(Ended(due.id, verdict.until, tries=due.tries, is_quiet=verdict.is_quiet))
            elif verdict.dropped or not due.subscriptions or self._push is None:
                self.outcomes["dropped"] += 1
                self._ended.append(Ended(due.id))
            else:
                task = tasks.create_task(self._deliver(self._push, due), name="notice")
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)
        return bool(found)

    async def _deliver(self, push: WebPush, due: Due) -> None:
        """To all of the person's browsers at once. Never raises, so that one notice can't end the courier."""
        try:
            content = content_of(shown(due))
            is_urgent = due.facts.reason is not rules.Reason.ALL
            topic = topic_of(due.told.message_id)
            sent = await asyncio.gather(
                *(push.send(to, content, topic=topic, is_urgent=is_urgent) for to in due.subscriptions)
            )
        except Exception as error:
            logger.exception("notices: a push was not sent")
            sent = [Sent(Outcome.LATER, type(error).__name__)] * len(due.subscriptions)
        self._note(due, sent)

    def _note(self, due: Due, sent: Sequence[Sent]) -> None:
        for each in sent:
            self.outcomes[each.outcome.value] += 1
        pairs = list(zip(due.subscriptions, sent, strict=True))
        self._gone += [to.id for to, how in pairs if how.outcome is Outcome.GONE]
        later = [(to.id, how) for to, how in pairs if how.outcome is Outcome.LATER]
        refused = [how for how in sent if how.outcome is Outcome.REFUSED]
        if later:
            wait = rules.again_after(due.tries + 1, max((how.asked_s or 0.0 for _, how in later), default=0.0))
            if wait is not None:
                pushes = [subscription_id for subscription_id, _ in later]
                self._ended.append(Ended(due.id, _now() + wait, pushes, due.tries + 1))
                return
            refused = [how for _, how in later]
        problem = refused[0].problem if refused else ""
        self.outcomes["failed"] += bool(problem)
        self._ended.append(Ended(due.id, tries=due.tries + bool(problem), problem=problem))

    async def _settle(self) -> None:
        if self._gone:
            gone, self._gone = self._gone, []
            await self._database.write(subscriptions_forget, gone)
        if not self._ended:
            return
        ended, self._ended = self._ended, []
        try:
            await self._database.write(store.pushes_settle, ended, _now())
        except BaseException:
            self._ended = ended + self._ended
            raise


def shown(due: Due) -> dict[str, Any]:
    """What a browser is pushed: docs/protocol.md, "Notices". Without preview, nothing of who wrote what."""
    told = due.told
    base = {"tag": str(told.message_id), "channel": told.channel, "number": told.number}
    if told.thread is not None:
        base["thread"] = told.thread
    if not due.has_preview:
        return {**base, "title": "", "text": ""}
    return {**base, "title": store.title_of(told), "text": told.text}


def _now() -> datetime:
    return datetime.now(UTC)
