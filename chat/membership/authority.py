"""Authority: owner and only writer of the live membership; one per server, in the supervisor (or in runserver).

Reads the mailbox membership.authority, decides what came in ticks, publishes one batch per tick, shows workers the
slices that they ask for. It may begin with what the authority before it knew, and keeps a journal for those who stand
by. RECOVERING until the blocks and the kept places are loaded, then SERVING. Knows no database and no Django:
`load_blocks` and `load_places` are handed in. Serves the flows join, worker crash, supervisor start, moderation.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import Any, TypeVar

from chat.domain.ids import WorkerId
from chat.membership import journal, wire
from chat.membership.collection import collection_paused
from chat.membership.decisions import Decisions
from chat.membership.places import Place
from chat.membership.protocol import Batch, Block, Command, DropWorker, Hello, LoseHost, Mandate, Unblock
from chat.membership.roll_call import RollCall
from chat.membership.shadow import Inherited
from chat.membership.silence import LOST_S, Silence
from chat.membership.slices import Slices
from chat.membership.state import MembershipState
from reaktor.config.model import MembershipTimings
from reaktor.errors import ReaktorError
from reaktor.process import orders
from reaktor.process.bus import Bus, BusError, Saying

logger = logging.getLogger(__name__)
T = TypeVar("T")

INBOX_SIZE = 50_000
"""Messages that wait to be decided. Beyond, new ones are let go and counted: feeders send them again."""
TURN_S = 0.05
"""How long one tick may decide before it publishes; the supervisor lives in the same loop."""
BLOCKS_INTERVAL_S = 1.0
BLOCKS_TIMEOUT_S = 10.0
PLACES_TIMEOUT_S = 60.0
"""There may be as many as there were sessions."""
SLICE_SESSIONS = 50
"""In one slice, unless a part has more. A worker takes such a slice in 2 or 3 ms; and 10 ms more where its dictionaries
grow, which at 100,000 sessions they do all in one."""
NO_PARTS = range(0)
FIRST_S = 0.005
SHADOW_S = 5.0
"""Who stands by says so each half second."""


class AuthorityPhase(StrEnum):
    RECOVERING = "recovering"
    SERVING = "serving"


class Authority:
    """The authority of one epoch. Starts nothing until run()."""

    def __init__(
        self,
        bus: Bus,
        timings: MembershipTimings,
        *,
        mandate: Mandate,
        host: int = 0,
        inherited: Inherited | None = None,
        load_blocks: Callable[[], Awaitable[Iterable[Block]]],
        load_places: Callable[[], Awaitable[Iterable[Place]]],
        max_sessions_per_user: int = 10,
        max_channels_per_session: int = 500,
        clock: Callable[[], float] = time.time,
        left_s: Callable[[], float] = lambda: math.inf,
    ) -> None:
        """`host`: the number of the host that it runs on. `inherited`: what the authority before it knew.

        `left_s`: for how long it may decide; not above 0: it waits, and goes on when that is.
        """
        self._bus = bus
        self._timings = timings
        self._load_blocks, self._load_places = load_blocks, load_places
        self._clock, self._left_s = clock, left_s
        state = MembershipState(0) if inherited is None else inherited.state
        is_handed_over = inherited is not None and inherited.is_in_step and inherited.is_handed_over
        self._succeeds = state.digest() if is_handed_over else ""
        state.succeed(
            mandate,
            max_sessions_per_user=max_sessions_per_user,
            max_channels_per_session=max_channels_per_session,
        )
        self._decisions = Decisions(state, is_handed_over=is_handed_over)
        self._is_in_step = inherited is not None and inherited.is_in_step
        # Whose workers need no Hello may take as long as any that falls silent.
        self._roll_call = RollCall(LOST_S if is_handed_over else timings.hello_s, is_sure=self._is_in_step)
        self._not_shown_yet: dict[WorkerId, wire.SyncRequest] = {}
        self._shadows: dict[str, float] = {}
        self._shadows_asking: set[str] = set()
        self._inbox: deque[tuple[str, dict[str, Any]]] = deque()
        self._orders: deque[Command] = deque()
        self._asking_where: dict[WorkerId, int] = {}
        self._slices = Slices(self._decisions.state.roster, SLICE_SESSIONS)
        self._wake, self._asked, self._blocks_changed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._is_settling, self._settled = False, asyncio.Event()
        self._is_read, self._is_announced = asyncio.Event(), asyncio.Event()
        # What is in force from before counts as read: where its row is gone it is lifted.
        self._loaded = {(block.user_id, block.channel): block for block in state.blocks}
        self._beats: dict[WorkerId, tuple[float, wire.Beat]] = {}
        self._host, self._silence = host, Silence(host)
        self._rate = 0.0
        self.phase = AuthorityPhase.RECOVERING
        self.junk = self.dropped = self.unpublished = 0

    async def run(self) -> None:
        """Recover, then serve until cancelled. Neither junk nor a bus that is gone ends it."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._receive(), name="authority receive")
            kept = self._bus.keep_subscribed(
                orders.ORDERS_GROUP, wire.AUTHORITY_MAILBOX, first_s=FIRST_S, subscribed=self._is_read
            )
            group.create_task(kept, name="authority subscribe")
            # From the beginning: that it is here ends nobody's session, while reading may take its time.
            group.create_task(self._beat(), name="authority heartbeat")
            await self._recover()
            # With whom it goes on is said before what is new.
            await self._is_announced.wait()
            self.phase = AuthorityPhase.SERVING
            group.create_task(self._serve(), name="authority serve")
            group.create_task(self._answer_asking(), name="authority snapshots")
            group.create_task(self._watch_blocks(), name="authority blocks")

    # -- said in the same process ---------------------------------------------------------------------------------

    def order(self, command: Command) -> None:
        """Decide a command of this process (Block, EndSessions …) in the next tick; call it in the loop."""
        self._orders.append(command)
        self._wake.set()

    def worker_exited(self, worker: WorkerId) -> None:
        """The supervisor saw the process end: its sessions are over, its late commands are refused."""
        self._beats.pop(worker, None)
        self.order(DropWorker(worker))

    async def settle(self) -> None:
        """Returns when all that was decided is said. Nothing more is decided until left_s was 0 and is more again."""
        self._is_settling = True
        self._settled.clear()
        self._wake.set()
        await self._settled.wait()

    def blocks_changed(self) -> None:
        """Read the blocks again at once."""
        self._blocks_changed.set()

    def status(self) -> dict[str, Any]:
        """What clusterctl shows: phase, position, sizes, rate, and where each worker's replica stood at its BEAT."""
        state, now = self._decisions.state, self._clock()
        is_waiting = self._left_s() <= 0
        return {
            "phase": "waiting" if is_waiting and self.phase is AuthorityPhase.SERVING else self.phase.value,
            "epoch": state.epoch,
            "revision": state.revision,
            "digest": state.digest(),
            "sessions": len(state.roster.sessions),
            "users": len(state.roster.users),
            "channels": len(state.roster.channels),
            "members": sum(map(len, state.roster.channels.values())),
            "blocks": len(state.blocks),
            "commands_per_s": round(self._rate, 1),
            "waiting": len(self._inbox),
            "junk": self.junk,
            "dropped": self.dropped,
            "unpublished": self.unpublished,
            "metrics": {
                "counters": {
                    "authority_commands": self._decisions.decided,
                    "authority_junk": self.junk,
                    "authority_dropped": self.dropped,
                    "authority_unpublished": self.unpublished,
                },
                "gauges": {
                    "authority_hosts": self._silence.hosts,
                    "authority_inbox": len(self._inbox),
                    "authority_sessions": len(state.roster.sessions),
                    "authority_users": len(state.roster.users),
                    "authority_channels": len(state.roster.channels),
                },
                "flags": {"authority_serving": self.phase is AuthorityPhase.SERVING and not is_waiting},
            },
            "is_roll_called": self._roll_call.is_over,
            "shadows": len(self._shadows),
            "replicas": {
                str(worker): {
                    "beat_age_s": round(now - at, 3),
                    "epoch": beat.position.epoch,
                    "revision": beat.position.revision,
                    "digest": beat.digest,
                }
                for worker, (at, beat) in sorted(self._beats.items())
            },
        }

    # -- the tasks ------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        async for message in self._bus.listen(wire.AUTHORITY_MAILBOX):
            if len(self._inbox) >= INBOX_SIZE:
                self.dropped += 1
                continue
            self._inbox.append(message)
            self._wake.set()

    async def _recover(self) -> None:
        """The blocks are decided first of all, so nobody is put back where they hold."""
        await _until_done(self._read_blocks)
        if not self._is_in_step:
            await _until_done(self._read_places)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        next_tick = loop.time()
        while True:
            if not self._inbox and not self._orders:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(next_tick):
                        await self._wake.wait()
            is_over = self._left_s() <= 0
            if is_over or self._is_settling:
                self._settled.set()
                self._is_settling = self._is_settling and not is_over
                # Somebody else may decide by now. What is asked waits; who shows what goes on showing it.
                self._show_newcomers()
                await asyncio.sleep(self._timings.tick_s)
                continue
            until = loop.time() + TURN_S
            while self._orders:
                self._guarded(self._decisions.order, self._orders.popleft(), self._clock())
            while self._inbox and loop.time() < until:
                self._guarded(self._on_message, *self._inbox.popleft())
            if loop.time() >= next_tick:
                self._guarded(self._decisions.tick, self._clock())
                self._lose_silent(loop.time())
                self._call_roll(loop.time())
                self._note_shadows(loop.time())
                next_tick = loop.time() + self._timings.tick_s
            await self._publish()
            if self._asking_where or self._slices or self._shadows_asking:
                self._asked.set()
            if self._inbox:
                await asyncio.sleep(0)

    def _show_newcomers(self) -> None:
        """Workers that begin now, with no session yet, and who stands by may have the picture: that decides nothing."""
        for message in [each for each in self._inbox if each[0] in (wire.SYNC, journal.SHADOW)]:
            with contextlib.suppress(wire.WireError):
                hello = wire.read_sync(message[1]).hello if message[0] == wire.SYNC else None
                if hello is None or (isinstance(hello.command, Hello) and not hello.command.sessions):
                    self._inbox.remove(message)
                    self._guarded(self._on_message, *message)
        if self._asking_where or self._slices or self._shadows_asking:
            self._asked.set()

    def _lose_silent(self, now: float) -> None:
        for host in self._silence.lost(now):
            logger.warning("authority: nothing is heard of host %d any more: its sessions are lost", host)
            for worker in [each for each in self._beats if each.host == host]:
                del self._beats[worker]
            self._guarded(self._decisions.order, LoseHost(host), self._clock())

    def _call_roll(self, now: float) -> None:
        if self._roll_call.ends(now, self._silence.hearing_since(now)):
            for worker in self._decisions.lose_strangers(self._clock()):
                logger.warning("authority: worker %s has not said Hello: its sessions are lost", worker)
            for request in self._not_shown_yet.values():
                self._slices.ask(request)
            self._not_shown_yet.clear()

    def _note_shadows(self, now: float) -> None:
        """Whether anybody stands by, for whom a journal is kept."""
        self._shadows = {mailbox: at for mailbox, at in self._shadows.items() if now - at <= SHADOW_S}
        self._decisions.journal.keep(bool(self._shadows))

    def _on_following(self, following: journal.Following) -> None:
        self._shadows[following.mailbox] = asyncio.get_running_loop().time()
        self._decisions.journal.keep(True)
        if following.needs_whole:
            self._shadows_asking.add(following.mailbox)

    def _heard(self, worker: WorkerId | None) -> None:
        if worker is not None and not self._decisions.state.is_dead(worker):
            self._silence.note(worker.host, asyncio.get_running_loop().time())

    def _on_host_beat(self, beat: wire.HostBeat, now: float) -> None:
        if beat.host == self._host:
            self._silence.note_own_beat(asyncio.get_running_loop().time())
        self._decisions.host_beat(beat, now)
        for worker in [each for each in self._beats if self._decisions.state.is_dead(each)]:
            del self._beats[worker]
        if self._decisions.state.is_over(beat.host, beat.life):
            return
        if beat.is_last:
            self._silence.forget(beat.host)
        else:
            self._silence.note(beat.host, asyncio.get_running_loop().time())

    def _guarded(self, decide: Callable[..., None], *arguments: Any) -> None:
        try:
            decide(*arguments)
        except wire.WireError as error:
            self.junk += 1
            logger.warning("authority: unreadable: %s", error)
        except Exception:
            # One bad command must not end the only writer; whoever sent it is told `unavailable` by their feeder.
            self.junk += 1
            logger.exception("authority: could not decide")

    def _on_message(self, kind: str, body: dict[str, Any]) -> None:
        now = self._clock()
        match kind:
            case wire.COMMANDS:
                commands = wire.read_commands(body)
                self._heard(commands.worker)
                for envelope in commands.envelopes:
                    self._decisions.take(commands.worker, envelope, now)
            case wire.SYNC:
                request = wire.read_sync(body)
                self._heard(request.worker)
                if request.hello is not None and isinstance(request.hello.command, Hello):
                    self._roll_call.note_hello(len(request.hello.command.sessions))
                self._decisions.sync(request, now)
                if not request.parts or not self._decisions.is_greeted(request.worker):
                    self._asking_where[request.worker] = request.doubts
                elif self._roll_call.may_show:
                    self._slices.ask(request)
                else:
                    self._asking_where.pop(request.worker, None)
                    self._not_shown_yet[request.worker] = request
            case wire.BEAT:
                beat = wire.read_beat(body)
                self._heard(beat.worker)
                self._decisions.beat(beat)
                if self._decisions.is_greeted(beat.worker):
                    self._beats[beat.worker] = (now, beat)
                elif not self._decisions.state.is_dead(beat.worker):
                    # It takes itself for known. The answer says that it is not, and it says Hello.
                    self._asking_where[beat.worker] = 0
            case wire.HOST_BEAT:
                self._on_host_beat(wire.read_host_beat(body), now)
            case journal.SHADOW:
                self._on_following(journal.read_following(body))
            case orders.END_SESSIONS:
                self._decisions.order(wire.read_end_sessions(body), now)
            case orders.BLOCKS_CHANGED:
                self.blocks_changed()

    async def _publish(self) -> None:
        """Say what was decided, in the time that is left for it; while none is left, wait."""
        batch, part = self._decisions.collect(), self._decisions.journal.collect(self._decisions.state)
        if batch is None and part is None:
            return
        while (left_s := self._left_s()) <= 0:  # noqa: ASYNC110  a time that passes, unless it is renewed
            await asyncio.sleep(self._timings.tick_s)
        await self._say(batch, part, None if left_s == math.inf else left_s)

    async def _say(self, batch: Batch | None, part: journal.Part | None = None, within_s: float | None = None) -> None:
        try:
            async with asyncio.timeout(within_s):
                said = [] if batch is None else [Saying(wire.CHANGES_GROUP, wire.BATCH, wire.batch_body(batch))]
                if part is not None:
                    # In one write: whoever shows a change can rely on it that those who stand by know it.
                    said.append(Saying(journal.SHADOWS_GROUP, journal.JOURNAL, journal.part_body(part)))
                await self._bus.broadcast_all(said, to_self=True)
        except (BusError, TimeoutError, TypeError) as error:
            # The changes are made; replicas learn of them by the next heartbeat, and then by a snapshot. (TypeError: a
            # text that JSON can't carry, out of an order of this process.)
            self.unpublished += 1
            logger.warning("authority: could not publish up to %d: %s", self._decisions.state.revision, error)

    async def _beat(self) -> None:
        decided = self._decisions.decided
        # As soon as Hellos can be heard: who followed another one shall not wait to hear that there is a new one.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._timings.heartbeat_s):
                await self._is_read.wait()
        await self._say(self._heartbeat())
        self._is_announced.set()
        while True:
            await asyncio.sleep(self._timings.heartbeat_s)
            self._rate = (self._decisions.decided - decided) / self._timings.heartbeat_s
            decided = self._decisions.decided
            # Said while it waits, too: that it is here changes nothing, and that it is not would end sessions.
            await self._say(self._heartbeat())

    def _heartbeat(self) -> Batch:
        heartbeat = self._decisions.heartbeat()
        return heartbeat if self._roll_call.is_over else replace(heartbeat, succeeds=self._succeeds)

    async def _answer_asking(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            await self._tell_shadows()
            while self._asking_where or self._slices:
                asking, self._asking_where = self._asking_where, {}
                if asking:
                    # They miss nothing, or must say Hello first and would not look at more.
                    await self._show(NO_PARTS, asking)
                if self._slices:
                    await self._show(*self._slices.take())
                # A layer in memory lets nobody else have a turn.
                await asyncio.sleep(0)

    async def _show(self, parts: range, workers: Mapping[WorkerId, int]) -> None:
        """Made and packed once for all of them, and in the loop, as it takes a millisecond or two. Beside each worker
        stands how often it has doubted."""
        blob = wire.pack_snapshot(self._decisions.state.snapshot(parts))
        for worker, doubts in workers.items():
            is_greeted = self._decisions.is_greeted(worker)
            if parts and not is_greeted:
                # Lost meanwhile, or dead.
                self._slices.forget(worker)
                continue
            # A feeder that gets no answer asks again.
            with contextlib.suppress(BusError):
                body = wire.snapshot_body(is_greeted=is_greeted, doubts=doubts)
                await self._bus.send(wire.worker_mailbox(worker), wire.SNAPSHOT, body, blob=blob)

    async def _tell_shadows(self) -> None:
        if not self._shadows_asking:
            return
        asking, self._shadows_asking = self._shadows_asking, set()
        with collection_paused():
            whole, next_entry = self._decisions.state.whole(), self._decisions.journal.next_entry
        blob = await asyncio.to_thread(journal.pack, whole)
        for mailbox in asking:
            # Who gets no answer asks again.
            with contextlib.suppress(BusError):
                await self._bus.send(mailbox, journal.WHOLE, journal.whole_body(next_entry), blob=blob)

    async def _watch_blocks(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(BLOCKS_INTERVAL_S):
                    await self._blocks_changed.wait()
            self._blocks_changed.clear()
            await self._read_blocks()

    async def _read_blocks(self) -> bool:
        """Order what is new against the rows read before, not against the state: a Block that came as a command
        stands, even where the rows were read a moment too early to hold it."""
        rows = await _read("the blocks", self._load_blocks, BLOCKS_TIMEOUT_S)
        if rows is None:
            return False
        found = {(block.user_id, block.channel): block for block in rows}
        for key, block in found.items():
            if self._loaded.get(key) != block:
                self.order(block)
        for user_id, channel in self._loaded.keys() - found.keys():
            self.order(Unblock(user_id, channel))
        self._loaded = found
        return True

    async def _read_places(self) -> bool:
        places = await _read("the kept places", self._load_places, PLACES_TIMEOUT_S)
        if places is not None:
            self._decisions.state.restore(places, self._clock())
        return places is not None


async def _read(what: str, load: Callable[[], Awaitable[Iterable[T]]], timeout_s: float) -> Iterable[T] | None:
    """Rows of the database; None, and a line in the log, where they can't be had."""
    try:
        async with asyncio.timeout(timeout_s):
            return await load()
    except ReaktorError as error:
        logger.warning("authority: could not read %s (%s)", what, error.message)
    except Exception:
        logger.exception("authority: could not read %s", what)
    return None


async def _until_done(attempt: Callable[[], Awaitable[bool]]) -> None:
    pause_s = 0.1
    while not await attempt():
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, 2.0)
