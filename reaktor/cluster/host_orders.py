"""Orders from one host to another, over the bus: ask() has one carried out there, run() carries out what others order.

The bus may lose any message. So who asks says it again each REPEAT_S until it has the last answer, and who is asked
begins an order once, by its id, and says each time how it stands. Nothing heard for ANSWER_S: that host is gone, or cut
off, or its release knows no orders. Made by the supervisor's companion, over its own bus.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reaktor.cluster.contract import NO_HOME, Home
from reaktor.cluster.failures import SupervisorError
from reaktor.owned import spawn
from reaktor.process.bus import Bus, BusError

logger = logging.getLogger(__name__)

ORDER = "host.order"
ANSWER = "host.answer"
REPEAT_S = 0.5
ANSWER_S = 5.0
REMEMBERED = 32
"""Orders whose answers are kept, for those who ask again. One more lets the oldest go that has ended, or is refused."""

Answer = dict[str, Any]
Obey = Callable[[Mapping[str, Any]], Awaitable[Answer]]


@dataclass(slots=True)
class _Asked:
    """An order that is under way elsewhere. `answer`: the last one."""

    heard_at: float
    answer: Answer | None = None
    is_over: asyncio.Event = field(default_factory=asyncio.Event)


class HostOrders:
    """This host's end. run() it as long as orders are given or taken."""

    def __init__(self, bus: Bus, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus, self._clock = bus, clock
        self._home = NO_HOME
        self._asked: dict[str, _Asked] = {}
        self._taken: dict[str, asyncio.Task[None]] = {}
        self._answers: dict[str, Answer] = {}

    async def run(self, home: Home, obey: Obey) -> None:
        """Listen until cancelled. `home`: this host; `obey` carries an order out, and answers as the control socket."""
        self._home = home
        async with asyncio.TaskGroup() as tasks, contextlib.aclosing(self._bus.listen(_mailbox(home))) as messages:
            async for kind, body in messages:
                try:
                    if kind == ORDER:
                        self._take(tasks, body, obey)
                        await self._tell(body)
                    elif kind == ANSWER:
                        self._hear(body)
                except (LookupError, TypeError, ValueError) as error:
                    logger.warning("host orders: unreadable: %r", error)

    async def ask(self, home: Home, order: Mapping[str, Any]) -> Any:
        """Have that host carry it out; what it answers. Raises SupervisorError: it refuses, or is not heard."""
        order_id = secrets.token_hex(8)
        self._asked[order_id] = asked = _Asked(self._clock())
        body = {"id": order_id, "reply_to": list(self._home), "order": dict(order)}
        try:
            while asked.answer is None:
                with contextlib.suppress(BusError):
                    await self._bus.send(_mailbox(home), ORDER, body)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(REPEAT_S):
                        await asked.is_over.wait()
                if self._clock() - asked.heard_at > ANSWER_S and asked.answer is None:
                    raise SupervisorError(f"It does not answer: nothing was heard of it for {ANSWER_S:g} s.")
        finally:
            del self._asked[order_id]
        if not asked.answer.get("ok"):
            raise SupervisorError(str(asked.answer.get("error")))
        return asked.answer.get("result")

    def _hear(self, body: Mapping[str, Any]) -> None:
        if (asked := self._asked.get(body["id"])) is not None:
            asked.heard_at = self._clock()
            if body["answer"] is not None:
                asked.answer = dict(body["answer"])
                asked.is_over.set()

    def _take(self, tasks: asyncio.TaskGroup, body: Mapping[str, Any], obey: Obey) -> None:
        order_id, order = str(body["id"]), dict(body["order"])
        if order_id in self._taken:
            return
        if len(self._taken) >= REMEMBERED:
            over = next((known for known in self._taken if known in self._answers), None)
            if over is None:
                return
            del self._taken[over], self._answers[over]
        logger.info("host %s orders: %s", body["reply_to"][0], order.get("do"))
        if (task := spawn(tasks, self._carry_out(order_id, order, obey), "order of another host")) is not None:
            self._taken[order_id] = task

    async def _carry_out(self, order_id: str, order: Mapping[str, Any], obey: Obey) -> None:
        try:
            self._answers[order_id] = await obey(order)
        except Exception as error:
            logger.exception("host orders: %s failed", order.get("do"))
            self._answers[order_id] = {"ok": False, "error": f"It failed: {error!r}"}

    async def _tell(self, body: Mapping[str, Any]) -> None:
        order_id = str(body["id"])
        if order_id in self._taken:
            host, life = body["reply_to"]
            with contextlib.suppress(BusError):
                answer = {"id": order_id, "answer": self._answers.get(order_id)}
                await self._bus.send(_mailbox(Home(int(host), int(life))), ANSWER, answer)


def _mailbox(home: Home) -> str:
    return f"host.{home.host}.{home.life}"
