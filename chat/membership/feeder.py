"""Feeder: keeps one worker's replica in step with the authority, and brings the worker's commands to it.

The runtime drains the worker's mailbox and hands each message to on_message(); run() does all that needs waiting:
subscription, snapshots, Hello, BEAT, sending and sending again. Serves the flows join, worker crash, supervisor start.
Source: docs/architecture.md, "Membership".
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any, TypeVar, overload

from chat.domain.ids import ChannelKey, CommandId, SessionId, WorkerId
from chat.membership import wire
from chat.membership.beats import BeatHeads, Ghosts
from chat.membership.collection import collection_paused, stay
from chat.membership.pending import Pending, PendingCommand
from chat.membership.protocol import (
    AnnouncedSession,
    Batch,
    Command,
    Connect,
    Disconnect,
    Hello,
    Join,
    Leave,
    Mandate,
    Outcome,
    SetStatus,
    Transition,
)
from chat.membership.replica import Offer, OfferKind, Replica
from reaktor.config.model import MembershipTimings
from reaktor.errors import NotFoundError, UnavailableError
from reaktor.process.bus import OVERFLOW, Bus, BusError

logger = logging.getLogger(__name__)
T = TypeVar("T")

MAX_PENDING = 50_000
"""Commands without an outcome; beyond, submit() says `unavailable` at once."""
SEND_TOGETHER = 500
RESEND_S = 1.0
LOOKS_PER_SILENCE = 3
RETRY_S = 0.1
FIRST_S = 0.01
EARLY_GAP_S = 0.02
"""Between two beats that don't wait for their second: however much is said, they are 50 a second at most."""
DISOWNED = 16
"""Mandates that the lease did not name; it is not asked about them again."""
UNCONFIRMED = 500
"""Batches that wait until the lease has named who says them. Those that are let go come in a snapshot."""
CONFIRM_S = 0.5
SYNC_PAUSES_S = (0.2, 0.4, 0.8, 1.0)
NOBODY, NOWHERE = SessionId(""), ChannelKey("")
"""What is asked of these changes nothing, and is answered behind what was decided before it."""
STAYS = 25
"""Sessions in a slice from which on the collector need not see them: half of what a full one has."""


class Feeder:
    """One worker's link to the authority. Starts nothing until run()."""

    def __init__(
        self,
        bus: Bus,
        timings: MembershipTimings,
        replica: Replica,
        *,
        worker: WorkerId,
        announce: Callable[[], Sequence[AnnouncedSession]],
        here: Callable[[], Set[SessionId]],
        on_transitions: Callable[[Sequence[Transition]], None],
        read_mandate: Callable[[], Awaitable[Mandate]],
        heads: Callable[[], Mapping[ChannelKey, int]] = dict,
        moved: Callable[[], Mapping[ChannelKey, int]] = dict,
        beat_due: asyncio.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`announce`: the live sessions of this worker, for Hello; `here`: their ids alone, for the look each few
        beats. `heads`: the last seq delivered, per channel.

        `beat_due`: set when so much was delivered that the authority must know of it now; `moved`: the heads of where.
        `read_mandate`: whom the lease names; raises UnavailableError.
        `on_transitions` is called synchronously, in the loop turn in which the replica changed; it must not raise.
        """
        self._bus = bus
        self._timings = timings
        self._replica = replica
        self._worker = worker
        self._announce, self._here = announce, here
        self._on_transitions = on_transitions
        self._read_mandate = read_mandate
        self._heads, self._moved = heads, moved
        self._beat_due = beat_due or asyncio.Event()
        self._clock = clock
        prefix = f"{worker}.{secrets.token_hex(4)}"
        self._pending = Pending(prefix)
        self._hello_ids = (CommandId(f"{prefix}.hello{number}") for number in itertools.count())
        self._hello_id = next(self._hello_ids)
        self._is_greeted = False
        self._is_over = False
        self._heard_at: float | None = None
        self._bus_heard_at: float | None = None
        self._whole_at: float | None = None
        self._missed_s = 0.0
        self._claimed = Mandate(0, "")
        self._disowned: deque[Mandate] = deque(maxlen=DISOWNED)
        self._unconfirmed: deque[Batch] = deque(maxlen=UNCONFIRMED)
        self._doubtful = asyncio.Event()
        self._doubts = self._to_come = 0
        self._is_done = True
        self._sync_wanted, self._came = asyncio.Event(), asyncio.Event()
        self._subscribed, self._ready = asyncio.Event(), asyncio.Event()
        self._sync_wanted.set()
        self._hole_timer: asyncio.TimerHandle | None = None
        self._beat_heads, self._ghosts = BeatHeads(), Ghosts()
        self._ended: dict[SessionId, Mapping[ChannelKey, int]] = {}
        self.junk = self.resyncs = self.commands_dropped = 0

    # -- for the runtime ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Follow until cancelled. A bus that is gone does not end it; when it ends, whoever waits is told so."""
        self._is_over = False
        try:
            async with asyncio.TaskGroup() as group:
                mailbox = wire.worker_mailbox(self._worker)
                kept = self._bus.keep_subscribed(
                    wire.CHANGES_GROUP, mailbox, first_s=FIRST_S, subscribed=self._subscribed
                )
                group.create_task(kept, name="feeder subscribe")
                group.create_task(self._confirm(), name="feeder confirm")
                group.create_task(self._synchronise(), name="feeder sync")
                group.create_task(self._send(), name="feeder send")
                group.create_task(self._watch(), name="feeder watch")
                group.create_task(self._beat(), name="feeder beat")
        finally:
            if self._hole_timer is not None:
                self._hole_timer.cancel()
            self._is_over = True
            self._pending.abandon_all()

    async def wait_ready(self) -> None:
        """Until the first snapshot is installed; the worker takes no connection before. The caller bounds it."""
        await self._ready.wait()

    @property
    def is_in_step(self) -> bool:
        """Whether the replica misses nothing that it knows of, and the authority is heard."""
        return self._ready.is_set() and self._replica.is_in_step and self.silent_s <= self._timings.silence_s

    @property
    def missing_s(self) -> float:
        """For how long no authority has been followed: since the last word of one after which nothing was missing."""
        return float("inf") if self._whole_at is None else self._clock() - self._whole_at

    @property
    def missed_s(self) -> float:
        """Seconds without an authority, all gaps together that were longer than a silence; this one, too."""
        gap_s = 0.0 if self._whole_at is None else self.missing_s
        return self._missed_s + (gap_s if gap_s > self._timings.silence_s else 0.0)

    @property
    def silent_s(self) -> float:
        """For how long the authority has not been heard; infinite before the first time."""
        return float("inf") if self._heard_at is None else self._clock() - self._heard_at

    @property
    def bus_silent_s(self) -> float:
        """The same of whichever authority, also one that is not followed: then the bus is there."""
        return float("inf") if self._bus_heard_at is None else self._clock() - self._bus_heard_at

    @property
    def has_to_send(self) -> bool:
        """Whether a command still waits to be sent."""
        return self._pending.to_send.is_set()

    def resync(self) -> None:
        """Messages may have been lost: ask for a snapshot. Harmless at any time."""
        self._sync_wanted.set()

    def on_message(self, kind: str, body: Mapping[str, Any]) -> bool:
        """Take one message of the worker's mailbox. Returns whether it was one of the membership.

        Calls on_transitions and the on_applied of waiting commands before it returns. Never raises.
        """
        if kind == OVERFLOW:
            self.resync()
        reader = {wire.BATCH: self._on_batch, wire.SNAPSHOT: self._on_snapshot}.get(kind)
        if reader is None:
            return False
        if self._is_greeted and self.bus_silent_s > self._timings.silence_s:
            # We were stopped, or cut off, for so long that our host may count as lost.
            self._doubt()
            self._sync_wanted.set()
        self._bus_heard_at = self._clock()
        try:
            reader(body)
        except wire.WireError as error:
            self.junk += 1
            logger.warning("feeder: unreadable: %s", error)
        return True

    @overload
    async def submit(self, command: Command) -> Outcome: ...
    @overload
    async def submit(self, command: Command, on_applied: Callable[[Outcome], T]) -> T: ...
    async def submit(self, command: Command, on_applied: Callable[[Outcome], Any] | None = None) -> Any:
        """Have a command decided; returns when the replica shows its effect.

        `on_applied` is called in the very loop turn in which it does, right after the transitions of that batch and
        before anything else can be delivered; its value is returned. Raises the error of the refusal, InvalidError
        for texts that can't be sent, and UnavailableError after command_timeout_s: the command may have been decided
        then, or be so later. A Connect whose caller does not get its outcome is followed by a Disconnect, so that no
        ghost stays.
        """
        if self._is_over or len(self._pending) >= MAX_PENDING:
            raise UnavailableError
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        pending = self._pending.add(command, future, on_applied)
        try:
            async with asyncio.timeout(self._timings.command_timeout_s):
                return await future
        except TimeoutError:
            if not future.cancelled() and future.done():
                return future.result()
            self._abandon(pending)
            raise UnavailableError from None
        except BaseException:
            self._abandon(pending)
            raise

    async def catch_up(self) -> None:
        """Return when the replica shows all that was decided before this was asked. Raises UnavailableError."""
        with contextlib.suppress(NotFoundError):
            await self.submit(Leave(NOBODY, NOWHERE))

    def tell(self, command: Command) -> None:
        """Have a command decided without waiting: it is sent until it was (a Disconnect, above all).

        With four times MAX_PENDING waiting already, it is let go and counted: a bus that has been gone for so long
        has cost these sessions their place anyway. After run() has ended nobody is told anything.
        """
        if self._is_over:
            return
        if isinstance(command, Disconnect):
            self._ended.pop(command.session_id, None)
        if len(self._pending) >= 4 * MAX_PENDING:
            self.commands_dropped += 1
        else:
            self._pending.add(command, None, None)

    def note_ended(self, session_id: SessionId, heads: Mapping[ChannelKey, int]) -> None:
        """The connection of a session has ended, and it was sent so much: the authority hears of it at once. Its
        Disconnect is told when all that its client said was carried out.
        """
        self._ended[session_id] = heads
        self._beat_due.set()

    def _abandon(self, pending: PendingCommand) -> None:
        self._pending.drop(pending)
        command = pending.envelope.command
        if isinstance(command, Connect) and not pending.is_refused:
            self.tell(Disconnect(command.session.session_id))

    # -- what comes in --------------------------------------------------------------------------------------------

    def _on_batch(self, body: Mapping[str, Any]) -> None:
        batch = wire.read_batch(body)
        if batch.mandate not in self._disowned:
            self._take(batch)

    def _take(self, batch: Batch) -> None:
        offer = self._replica.offer(batch, self._clock())
        if self._is_followed(batch.mandate, offer):
            self._carry_out(offer)
        elif offer.kind is OfferKind.UNCONFIRMED:
            self._unconfirmed.append(batch)

    def _is_followed(self, mandate: Mandate, offer: Offer) -> bool:
        """Whether it came from the authority that we follow. Whether another one has the lease is asked."""
        if offer.kind is OfferKind.UNCONFIRMED:
            self._claimed = max(self._claimed, mandate)
            self._doubtful.set()
            return False
        if mandate != self._replica.followed:
            return False
        self._heard_at = self._clock()
        if self._replica.is_in_step:
            self._missed_s = self.missed_s
            self._whole_at = self._heard_at
        return True

    def _on_snapshot(self, body: Mapping[str, Any]) -> None:
        with collection_paused():
            answer = wire.read_snapshot(body)
            mandate = answer.snapshot.mandate
            if mandate in self._disowned:
                return
            if mandate == self._replica.followed and not answer.is_greeted:
                self._heard_at = self._clock()
                # An authority that does not know our sessions, or no more: its picture would end them all. Hello first.
                if self._is_greeted:
                    # It has had the last Hello, and would not look at that one again.
                    self._hello_id = next(self._hello_ids)
                    self._is_greeted = False
                    self._doubt()
                self._sync_wanted.set()
                return
            if answer.doubts < self._doubts:
                return
            offer = self._replica.restore(answer.snapshot, self._clock())
        if not self._is_followed(mandate, offer):
            return
        if not self._is_greeted:
            self._is_greeted = True
            self._beat_heads.forget()
        if not self._ready.is_set() and len(answer.snapshot.sessions) >= STAYS:
            stay()
        if self._replica.is_whole:
            self._ready.set()
        self._to_come -= 1
        if is_done := not self._replica.needs_snapshot:
            self._sync_wanted.clear()
            self._to_come, self._is_done = 0, True
        self._came.set()
        self._carry_out(offer)
        if is_done:
            # Outcomes that were lost with what the slices replaced are given again; new epochs decide anew.
            self._pending.requeue(self._clock())

    def _doubt(self) -> None:
        """Nothing that was said before counts: no batch, and no slice that is on its way."""
        self._doubts += 1
        self._replica.doubt()
        self._to_come = 0
        self._came.set()

    def _carry_out(self, offer: Offer) -> None:
        for step in offer.steps:
            if step.transitions:
                try:
                    self._on_transitions(step.transitions)
                except Exception:
                    logger.exception("feeder: transitions were not carried out")
            for outcome in step.outcomes:
                self._pending.resolve(outcome, self._is_current, self._is_in_force)
        if self._replica.needs_snapshot:
            self._sync_wanted.set()
        if self._replica.is_waiting and self._hole_timer is None:
            loop = asyncio.get_running_loop()
            self._hole_timer = loop.call_later(self._timings.hold_gap_s, self._on_hole)

    def _is_current(self, command: Command) -> bool:
        """Whether what is shown of its user is in step; else the effect of the command comes with a slice."""
        match command:
            case Connect(session):
                return self._replica.is_current(session.user_id)
            case Join(session_id) | Leave(session_id) | SetStatus(session_id):
                entry = self._replica.session(session_id)
                return self._replica.is_current(None if entry is None else entry.info.user_id)
        return True

    def _is_in_force(self, command: Command) -> bool:
        match command:
            case Connect(session):
                return self._replica.is_live(session.session_id)
            case Join(session_id, channel):
                entry = self._replica.session(session_id)
                return entry is not None and channel in entry.channels
        return True

    def _on_hole(self) -> None:
        """A batch has been missing for a while, unless the hole was filled, or another opened, meanwhile."""
        self._hole_timer = None
        since = self._replica.gap_since
        if since is None or not self._replica.is_waiting:
            return
        left_s = since + self._timings.hold_gap_s - self._clock()
        if left_s > 0.001:
            self._hole_timer = asyncio.get_running_loop().call_later(left_s, self._on_hole)
        else:
            self._replica.give_up_waiting()
            self._sync_wanted.set()

    # -- the tasks ------------------------------------------------------------------------------------------------

    async def _confirm(self) -> None:
        """Follow whom the lease names, asked whenever an authority is heard that may be another one.

        While the database is away whoever is followed stays so; a replica that follows nobody takes who is there.
        """
        while True:
            await self._doubtful.wait()
            self._doubtful.clear()
            claimed, self._claimed = self._claimed, Mandate(0, "")
            try:
                named = await self._read_mandate()
            except Exception as error:
                if not isinstance(error, UnavailableError):
                    logger.exception("feeder: the lease could not be read")
                if self._replica.followed.epoch:
                    self._claimed = max(self._claimed, claimed)
                    await asyncio.sleep(CONFIRM_S)
                    self._doubtful.set()
                    continue
                named = claimed
            if named != claimed and claimed.epoch:
                logger.warning("feeder: epoch %d is no authority of this cluster's lease", claimed.epoch)
                self._disowned.append(claimed)
            if named.epoch:
                self._follow(named)

    def _follow(self, mandate: Mandate) -> None:
        if mandate != self._replica.followed:
            # This authority may have answered our Hello of an earlier time, and would not look at that one again.
            self._hello_id = next(self._hello_ids)
            self._is_greeted = False
        waiting = [batch for batch in self._unconfirmed if batch.mandate == mandate]
        self._unconfirmed.clear()
        if self._replica.follow(mandate, self._succeeds(waiting)):
            self._go_on()
        elif self._replica.needs_snapshot:
            self._sync_wanted.set()
            # Whatever was asked before was asked of another one.
            self._to_come = 0
            self._came.set()
        for batch in waiting:
            self._take(batch)

    def _succeeds(self, said: Sequence[Batch]) -> str:
        """What the authority that said these began with; empty where it must hear of our sessions all the same."""
        unknown = self._here() - self._pending.connecting() - set(self._replica.own_sessions())
        return "" if unknown else next((batch.succeeds for batch in said if batch.succeeds), "")

    def _go_on(self) -> None:
        """It knows our sessions from the one before it. Commands may have been lost between the two."""
        if self._replica.own_sessions():
            self._is_greeted = True
            self._beat_heads.forget()
            self._pending.requeue(self._clock())
        else:
            # It may know nothing of us.
            self._sync_wanted.set()

    async def _synchronise(self) -> None:
        await self._subscribed.wait()
        while True:
            await self._sync_wanted.wait()
            attempt = 0
            while self._sync_wanted.is_set():
                self._to_come = wire.SLICES_PER_ASK
                await self._ask()
                has_come = await self._slices_come(SYNC_PAUSES_S[min(attempt, len(SYNC_PAUSES_S) - 1)])
                attempt = 0 if has_come else attempt + 1

    async def _slices_come(self, pause_s: float) -> bool:
        """Until all came that one ask may bring, or nothing more has come for that long; whether all did."""
        try:
            while self._sync_wanted.is_set() and self._to_come > 0:
                self._came.clear()
                async with asyncio.timeout(pause_s):
                    await self._came.wait()
        except TimeoutError:
            return False
        return True

    async def _ask(self) -> None:
        """Ask for the slices that are missing; as long as this authority may not know us, with our Hello before it."""
        self.resyncs += self._is_done
        self._is_done = False
        hello = None
        if not self._is_greeted:
            connecting = self._pending.connecting()
            sessions = (replace(each, is_connecting=each.session.session_id in connecting) for each in self._announce())
            hello = wire.Envelope(self._hello_id, Hello(self._worker, tuple(sessions)))
        body = wire.sync_body(wire.SyncRequest(self._worker, hello, self._replica.wanted(), self._doubts))
        with contextlib.suppress(BusError):
            await self._bus.send(wire.AUTHORITY_MAILBOX, wire.SYNC, body)

    async def _send(self) -> None:
        while True:
            await self._pending.to_send.wait()
            while taken := self._pending.take(SEND_TOGETHER, self._clock()):
                body = wire.commands_body(self._worker, [each.packed for each in taken])
                try:
                    await self._bus.send(wire.AUTHORITY_MAILBOX, wire.COMMANDS, body)
                except BusError:
                    self._pending.put_back(taken)
                    await asyncio.sleep(RETRY_S)

    async def _watch(self) -> None:
        """Send again what has no outcome, and notice an authority that fell silent."""
        idle_s = min(RESEND_S, self._timings.silence_s / LOOKS_PER_SILENCE)
        while True:
            await asyncio.sleep(RESEND_S / 4 if len(self._pending) else idle_s)
            self._pending.requeue(self._clock() - RESEND_S)
            if self.silent_s > self._timings.silence_s:
                self.resync()
                if self._replica.followed.epoch:
                    # Whom we follow may have been replaced by one whose epoch is lower: a database put back.
                    self._doubtful.set()

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            until = loop.time() + self._timings.heartbeat_s
            while await self._is_early(until):
                await self._tell_heads(self._beat_heads.early(self._moved()), whole=False)
                await asyncio.sleep(EARLY_GAP_S)
            told, whole = self._beat_heads.next(self._heads())
            await self._tell_heads(told, whole=whole)
            if self._ghosts.is_time() and self.is_in_step:
                known = self._here() | self._pending.connecting()
                for session_id in self._ghosts.look(set(self._replica.own_sessions()), known):
                    self.tell(Disconnect(session_id))

    async def _is_early(self, until: float) -> bool:
        """Wait for a beat that is due before its time; False: its time (of the loop) has come."""
        if asyncio.get_running_loop().time() >= until:
            return False
        try:
            async with asyncio.timeout_at(until):
                await self._beat_due.wait()
        except TimeoutError:
            return False
        self._beat_due.clear()
        return True

    async def _tell_heads(self, told: dict[ChannelKey, int], *, whole: bool) -> None:
        beat = wire.Beat(self._worker, self._replica.position, self._replica.digest(), told, whole, dict(self._ended))
        try:
            await self._bus.send(wire.AUTHORITY_MAILBOX, wire.BEAT, wire.beat_body(beat))
        except BusError:
            self._beat_heads.forget()
