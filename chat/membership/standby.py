"""Standby: keeps the shadow of a server that does not decide in step with whoever does.

It has a mailbox of its own, asks for a Whole where it needs one, and says each half second that it is there: the
authority keeps a journal only for those who stand by. Owned by the supervisor's companion. Source: ADR 27.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from chat.membership import journal, wire
from chat.membership.collection import collection_paused
from chat.membership.protocol import Mandate
from chat.membership.shadow import Inherited, Shadow, state_of
from chat.membership.state import MembershipState
from reaktor.process.bus import OVERFLOW, Bus, BusError

logger = logging.getLogger(__name__)

SAY_S = 0.5
ASK_S = 3.0
"""Between two questions for a Whole: a large one takes its time."""
OWN_WORD = "membership.own_word"
FIRST_S = 0.05


class Standby:
    """run() it as long as the server lives; it rests while the server decides."""

    def __init__(self, bus: Bus, *, silence_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._bus, self._clock = bus, clock
        self._mailbox = f"standby.{secrets.token_hex(8)}"
        self._shadow = Shadow(silence_s=silence_s)
        self._is_resting = False
        self._asked_at = float("-inf")
        self._say_now, self._subscribed = asyncio.Event(), asyncio.Event()
        self.junk = 0

    @property
    def is_in_step(self) -> bool:
        """Whether who stands by could go on, as far as it knows."""
        return not self._is_resting and self._shadow.is_in_step(self._shadow.follows)

    @property
    def sessions(self) -> int:
        return self._shadow.sessions

    def take(self, before: Mandate) -> Inherited | None:
        """What an authority that comes after that one begins with. From now on we decide: nobody is followed."""
        self._is_resting = True
        return self._shadow.hand_out(before)

    def follow_again(self) -> None:
        """We decide no longer."""
        self._is_resting = False
        self._asked_at = float("-inf")
        self._say_now.set()

    async def run(self) -> None:
        """Follow until cancelled. A bus that is gone does not end it."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(), name="standby listen")
            kept = self._bus.keep_subscribed(
                journal.SHADOWS_GROUP, self._mailbox, first_s=FIRST_S, subscribed=self._subscribed
            )
            tasks.create_task(kept, name="standby group")
            tasks.create_task(self._say_forever(), name="standby word")

    async def _listen(self) -> None:
        async with contextlib.aclosing(self._bus.listen(self._mailbox)) as messages:
            async for kind, body in messages:
                if not self._is_resting:
                    await self._on_message(kind, body)

    async def _on_message(self, kind: str, body: Mapping[str, Any]) -> None:
        needed_whole = self._shadow.needs_whole
        try:
            match kind:
                case journal.JOURNAL:
                    self._shadow.offer(journal.read_part(body), self._clock())
                case journal.WHOLE:
                    # In a thread: this loop accepts the connections of its host. What comes meanwhile waits.
                    next_entry, state = await asyncio.to_thread(_build, body)
                    if not self._is_resting:
                        self._shadow.install(next_entry, state, self._clock())
                case _ if kind == OVERFLOW:
                    self._shadow.forget()
                case _ if kind == OWN_WORD:
                    self._shadow.note_own_word(self._clock())
        except wire.WireError as error:
            self.junk += 1
            logger.warning("standby: unreadable: %s", error)
        except Exception:
            # It would end the whole server; who stands by can always begin anew.
            self.junk += 1
            logger.exception("standby: could not follow")
            self._shadow.forget()
        if self._shadow.needs_whole and not needed_whole:
            self._asked_at = float("-inf")
            self._say_now.set()

    async def _say_forever(self) -> None:
        # A Whole that comes before the journal does would look complete.
        await self._subscribed.wait()
        while True:
            self._say_now.clear()
            if not self._is_resting:
                with contextlib.suppress(BusError):
                    await self._bus.send(self._mailbox, OWN_WORD, {})
                    await self._say()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAY_S):
                    await self._say_now.wait()

    async def _say(self) -> None:
        """Raises BusError."""
        now = self._clock()
        asks = self._shadow.needs_whole and now - self._asked_at >= ASK_S
        body = journal.following_body(journal.Following(self._mailbox, asks))
        await self._bus.send(wire.AUTHORITY_MAILBOX, journal.SHADOW, body)
        if asks:
            # Only now: what the bus did not take is asked again at once.
            self._asked_at = now


def _build(body: Mapping[str, Any]) -> tuple[int, MembershipState]:
    with collection_paused():
        next_entry, whole = journal.read_whole(body)
        return next_entry, state_of(whole)
