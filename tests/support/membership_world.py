"""A whole cluster's membership in one thread, over lines that lose, repeat and reorder: driven by a program of bytes.

The authority's pure half, real replicas, and the shadow of a server that stands by; around them the least feeder that
keeps the protocol. Three bytes are one step, so hypothesis draws programs cheaply and shrinks them to few and small
steps. After every step the state's own invariants hold; settle() stops losing and must bring everybody in step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Any

import orjson

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, Grace, SessionInfo, Status, Transport
from chat.membership.decisions import Decisions
from chat.membership.journal import pack, part_body, read_part, read_whole, whole_body
from chat.membership.protocol import (
    Batch,
    Block,
    Change,
    Command,
    Connect,
    Disconnect,
    DropWorker,
    EndSession,
    EndSessions,
    Join,
    Leave,
    Mandate,
    SetStatus,
    Unblock,
)
from chat.membership.shadow import Shadow, state_of
from chat.membership.slices import Slices
from chat.membership.state import MembershipState, Result
from chat.membership.whole import pack_whole
from chat.membership.wire import Beat, SnapshotAnswer, SyncRequest
from tests.support.membership import LINGERS, NO_GRACE
from tests.support.simulated_worker import Line, SimulatedWorker

USERS = [UserId(name) for name in ("ann", "bob", "eve")]
CHANNELS = [ChannelKey(name) for name in ("lobby", "news", "den")]
STATUSES = list(Status)


def over_the_bus(body: dict[str, Any]) -> dict[str, Any]:
    """As whoever reads it gets it."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(body))
    return found


def packed(state: MembershipState) -> bytes:
    """All that it knows."""
    return pack_whole(state.whole())


class CountingState(MembershipState):
    """Counts how often each command object was accepted: commands travel as themselves here."""

    def __init__(self, epoch: int, *, term: str, **limits: int) -> None:
        super().__init__(epoch, term=term, **limits)
        self.accepted: Counter[int] = Counter()
        self.commands: list[Command] = []
        self.stream: list[Change] = []

    def apply(self, command: Command, now: float, sender: WorkerId | None = None) -> Result:
        result = super().apply(command, now, sender)
        self.stream.extend(result.changes)
        if result.refusal is None and sender is not None:
            self.accepted[id(command)] += 1
            self.commands.append(command)
            # A Disconnect is sent for longer than any window lasts: it may be decided again, but not do anything.
            is_first = self.accepted[id(command)] == 1
            assert is_first or (isinstance(command, Disconnect) and not result.changes), "a command took effect twice"
        return result


class World:
    """One authority, two slots, three users, three channels."""

    def __init__(self, *, max_sessions: int = 3, slots: int = 2) -> None:
        self.now = 1_000.0
        self.limits = {"max_sessions_per_user": max_sessions, "max_channels_per_session": 3}
        self.up = Line()
        self.blocks: dict[tuple[UserId, ChannelKey | None], Block] = {}
        self.state = CountingState(1, term="term 1", **self.limits)
        self.began = self.state.snapshot()
        self.decisions, self.slices = Decisions(self.state), Slices(self.state.roster, sessions=1)
        self.decisions.journal.keep(True)
        self.workers = [SimulatedWorker(WorkerId(1, 1, slot, 1), self.up, self.named) for slot in range(slots)]
        self.to_shadow = Line()
        self.shadow, self.lacks_last = Shadow(silence_s=3.0), False
        self.deaths: dict[WorkerId, float] = {}
        self.sessions = 0
        self.log: list[str] = []

    def named(self) -> Mandate:
        """Whom the lease names."""
        return Mandate(self.state.epoch, self.state.term)

    # -- the program ----------------------------------------------------------------------------------------------

    def run(self, program: bytes) -> None:
        for at in range(0, len(program) - 2, 3):
            step = STEPS[program[at] % len(STEPS)]
            self.log.append(f"{step.__name__} {program[at + 1]} {program[at + 2]}")
            step(self, program[at + 1], program[at + 2])
            self.check()

    def check(self) -> None:
        state = self.state
        state.invariants()
        for worker, at in self.deaths.items():
            for entry in state.roster.workers.get(worker, {}).values():
                assert entry.lingering_until is not None, "a session of a dead worker lives"
                assert entry.lingering_until <= at + entry.info.grace.quit_s, "a session outlives its grace"

    def worker(self, a: int) -> SimulatedWorker:
        return self.workers[a % len(self.workers)]

    def _session(self, worker: SimulatedWorker, b: int) -> SessionId:
        live = list(worker.live)
        return live[b % len(live)] if live else SessionId("nobody")

    def connect(self, a: int, b: int) -> None:
        worker = self.worker(a)
        self.sessions += 1
        grace = (NO_GRACE, LINGERS, Grace(0, 30))[b % 3]
        transport = Transport.SOCKETIO if b % 3 else Transport.NATIVE
        user = USERS[(b // 3) % 3]
        info = SessionInfo(SessionId(f"s{self.sessions}"), user, str(user), worker.worker, transport, self.now, grace)
        resume = SessionId(f"s{b // 16}") if b & 8 else None
        worker.submit(Connect(info, resume), self.now)

    def disconnect(self, a: int, b: int) -> None:
        worker = self.worker(a)
        session_id = self._session(worker, b // 2)
        worker.live.pop(session_id, None)
        worker.submit(Disconnect(session_id, list(Ending)[b % len(Ending)], {CHANNELS[0]: b}), self.now)

    def join(self, a: int, b: int) -> None:
        worker = self.worker(a)
        worker.submit(Join(self._session(worker, b // 3), CHANNELS[b % 3]), self.now)

    def leave(self, a: int, b: int) -> None:
        worker = self.worker(a)
        worker.submit(Leave(self._session(worker, b // 3), CHANNELS[b % 3]), self.now)

    def set_status(self, a: int, b: int) -> None:
        worker = self.worker(a)
        worker.submit(SetStatus(self._session(worker, b // 2), STATUSES[b % 2]), self.now)

    def block(self, a: int, b: int) -> None:
        until = None if b > 240 else self.now + b / 8
        block = Block(USERS[a % 3], (None, *CHANNELS)[b % 4], until)
        self.blocks[block.user_id, block.channel] = block
        self.decisions.order(block, self.now)

    def unblock(self, a: int, b: int) -> None:
        key = USERS[a % 3], (None, *CHANNELS)[b % 4]
        self.blocks.pop(key, None)
        self.decisions.order(Unblock(*key), self.now)

    def revoke(self, a: int, b: int) -> None:
        if not b % 4:
            self.decisions.order(EndSessions(USERS[a % 3], 4503, "logged out"), self.now)

    def end(self, a: int, b: int) -> None:
        if not b % 2:
            session_id = self._session(self.worker(a), b // 3)
            self.decisions.order(EndSession(USERS[a % 3], session_id, 4503, "logged out here"), self.now)

    def wait(self, a: int, b: int) -> None:
        wait_s = (0.3, 1.1, 3.0, 9.0)[b % 4] if a % 8 else 61.0
        # Ticks come four times a second; more than these two would change nothing but the tests' time.
        for part_s in (min(wait_s, 1.1), wait_s - min(wait_s, 1.1)):
            self.now += part_s
            self.decisions.tick(self.now)

    def publish(self, a: int, b: int) -> None:
        if (part := self.decisions.journal.collect(self.state)) is not None:
            self.to_shadow.send(read_part(over_the_bus(part_body(part))), self.now)
        if (batch := self.decisions.collect()) is not None:
            self._broadcast(batch)

    def heartbeat(self, a: int, b: int) -> None:
        if not a % 4:
            self._broadcast(self.decisions.heartbeat())

    def _broadcast(self, batch: Batch) -> None:
        for worker in self.workers:
            worker.down.send(batch, self.now)

    def deliver_up(self, a: int, b: int) -> None:
        for _ in range(1 + a % 4):
            self._decide(self.up.take(b, self.now))

    def repeat_up(self, a: int, b: int) -> None:
        self._decide(self.up.take(b, self.now, keep=True))

    def lose_up(self, a: int, b: int) -> None:
        if not a % 3:
            self.up.take(b, self.now)

    def _decide(self, message: Any) -> None:
        if isinstance(message, SyncRequest):
            self.decisions.sync(message, self.now)
            if self.decisions.is_greeted(message.worker) and message.parts:
                self.slices.ask(message)
            else:
                self._show(range(0), {message.worker})
        elif message is not None:
            self.decisions.take(*message, self.now)

    def show(self, a: int, b: int) -> None:
        """Slices that are asked for; they may overtake the batch, which is published later."""
        for _ in range(1 + a % 3):
            if self.slices:
                self._show(*self.slices.take())

    def _show(self, parts: range, to: Collection[WorkerId]) -> None:
        for worker in self.workers:
            if worker.worker in to:
                is_greeted = self.decisions.is_greeted(worker.worker)
                worker.down.send(SnapshotAnswer(self.state.snapshot(parts), is_greeted), self.now)

    def deliver_down(self, a: int, b: int) -> None:
        worker = self.worker(a)
        for _ in range(1 + a % 3):
            if (message := worker.down.take(b, self.now)) is not None:
                worker.on_message(message, self.now)

    def repeat_down(self, a: int, b: int) -> None:
        worker = self.worker(a)
        if (message := worker.down.take(b, self.now, keep=True)) is not None:
            worker.on_message(message, self.now)

    def lose_down(self, a: int, b: int) -> None:
        self.worker(a).down.take(b, self.now)

    def resend(self, a: int, b: int) -> None:
        self.worker(a).resend(self.now)

    def ask(self, a: int, b: int) -> None:
        self.worker(a).ask(self.now)

    def give_up(self, a: int, b: int) -> None:
        if not b % 4:
            self.worker(a).give_up(self.now)

    def beat(self, a: int, b: int) -> None:
        worker = self.worker(a)
        heads = {CHANNELS[b % 3]: b}
        self.decisions.beat(Beat(worker.worker, worker.replica.position, worker.replica.digest(), heads, bool(b & 1)))

    def kill(self, a: int, b: int) -> None:
        if b % 3:
            return
        old = self.worker(a)
        self.deaths[old.worker] = self.now
        self.decisions.order(DropWorker(old.worker), self.now)
        reborn = SimulatedWorker(WorkerId(1, 1, old.worker.slot, old.worker.incarnation + 1), self.up, self.named)
        self.workers[self.workers.index(old)] = reborn
        reborn.ask(self.now)

    def deliver_shadow(self, a: int, b: int) -> None:
        """In order, as it comes from one server; some is lost."""
        for _ in range(1 + a % 4):
            part = self.to_shadow.take(0, self.now)
            if part is not None:
                self.lacks_last = not b % 8
                if not self.lacks_last:
                    self.shadow.offer(part, self.now)

    def show_shadow(self, a: int, b: int) -> None:
        """It asks, and is answered with all there is, which may be more than was published."""
        if self.shadow.needs_whole:
            self._send_whole()

    def _send_whole(self) -> None:
        packed = pack(self.state.whole())
        next_entry, whole = read_whole(over_the_bus(whole_body(self.decisions.journal.next_entry)) | {"blob": packed})
        assert whole == replace(self.state.whole(), kept=whole.kept), "a whole reads as something else than was written"
        self.shadow.install(next_entry, state_of(whole), self.now)

    def bring_shadow_in_step(self) -> None:
        self.publish(0, 0)
        while (part := self.to_shadow.take(0, self.now)) is not None:
            self.shadow.offer(part, self.now)
            self.lacks_last = False
        # That the very last part was lost shows by nothing but the gap in what it hears of itself.
        if self.shadow.needs_whole or self.shadow.follows != self.named() or self.lacks_last:
            self._send_whole()
        assert self.shadow.is_in_step(self.named()), "the shadow has all, and does not say so"

    def take_over(self, a: int, b: int) -> None:
        """The server that stands by decides from now on: with all that was decided, or with what it has heard of it."""
        if b % 8:
            return
        if a % 2:
            self.bring_shadow_in_step()
        before = self.state
        inherited = self.shadow.hand_out(self.named())
        if inherited is None:
            return
        epoch = before.epoch + 1
        self.state = CountingState(0, term="", **self.limits)
        self.state.become(inherited.state.whole())
        if a % 2:
            assert packed(self.state) == packed(before), "who takes over knows something else than who decided"
        self.state.succeed(Mandate(epoch, f"term {epoch}"), **self.limits)
        self.began = self.state.snapshot()
        self.decisions, self.slices = Decisions(self.state), Slices(self.state.roster, sessions=1)
        self.decisions.journal.keep(True)
        for worker in self.deaths:
            if not self.state.is_dead(worker):
                # It hears of that only now.
                self.deaths[worker] = self.now
            self.decisions.order(DropWorker(worker), self.now)
        for block in self.blocks.values():
            self.decisions.order(block, self.now)
        for user_id, channel in {(each.user_id, each.channel) for each in self.state.blocks} - self.blocks.keys():
            self.decisions.order(Unblock(user_id, channel), self.now)

    def call_roll(self, a: int, b: int) -> None:
        """Who has not said Hello by now is lost, be it that the bus has lost that."""
        if not b % 4:
            self.decisions.lose_strangers(self.now)

    def restart_authority(self, a: int, b: int) -> None:
        if b % 8:
            return
        epoch = self.state.epoch + 1
        self.state = CountingState(epoch, term=f"term {epoch}", **self.limits)
        self.began = self.state.snapshot()
        self.decisions, self.slices = Decisions(self.state), Slices(self.state.roster, sessions=1)
        self.decisions.journal.keep(True)
        # What was on its way to the old one reaches the new one as well.
        for worker in self.deaths:
            self.decisions.order(DropWorker(worker), self.now)
        for block in self.blocks.values():
            self.decisions.order(block, self.now)

    def calm(self, a: int, b: int) -> None:
        if not a % 2:
            self.flow()

    # -- the end --------------------------------------------------------------------------------------------------

    def flow(self) -> None:
        """One round in which nothing is lost: a tick, everything delivered in order, a heartbeat."""
        self.now += 0.5
        for worker in self.workers:
            if not worker.replica.is_in_step or not worker.is_greeted:
                worker.replica.give_up_waiting()
                worker.ask(self.now)
            elif not worker.pending:
                worker.look_for_ghosts(self.now)
            worker.resend(self.now)
        while self.up.messages:
            self._decide(self.up.take(0, self.now))
        while self.slices:
            self._show(*self.slices.take())
        self.decisions.tick(self.now)
        self.publish(0, 0)
        self.heartbeat(0, 0)
        for worker in self.workers:
            while worker.down.messages:
                if (message := worker.down.take(0, self.now)) is not None:
                    worker.on_message(message, self.now)
        self.check()

    def settle(self) -> None:
        """Nothing is lost any more: everybody comes in step, and nothing is left open."""
        for _ in range(12):
            self.flow()
            if self._is_settled():
                break
        state = self.state
        self.bring_shadow_in_step()
        for worker in self.workers:
            assert worker.replica.is_in_step, f"{worker.worker} is not in step"
            assert worker.replica.digest() == state.digest(), f"{worker.worker} shows something else"
            assert not worker.pending, f"{worker.worker} still waits for an outcome"
            worker.shown.matches(worker.replica)
            worker.replica.invariants()
            alive = {e.info.session_id for e in state.roster.workers.get(worker.worker, {}).values() if e.is_live}
            assert alive == worker.live.keys(), "a ghost: worker and authority disagree who is live"
        self.now += 70.0
        self.decisions.tick(self.now)
        self.check()
        for worker_id in self.deaths:
            assert worker_id not in state.roster.workers, "a session of a dead worker outlived its grace"

    def _is_settled(self) -> bool:
        digest = self.state.digest()
        return all(
            worker.replica.is_in_step
            and worker.replica.digest() == digest
            and not worker.pending
            and worker.live.keys() == set(worker.replica.own_sessions())
            for worker in self.workers
        )


_WEIGHTS: list[tuple[Callable[[World, int, int], None], int]] = [
    (World.calm, 2),
    (World.connect, 4),
    (World.disconnect, 2),
    (World.join, 8),
    (World.leave, 2),
    (World.set_status, 1),
    (World.block, 1),
    (World.unblock, 1),
    (World.revoke, 1),
    (World.end, 1),
    (World.wait, 3),
    (World.publish, 8),
    (World.heartbeat, 1),
    (World.deliver_up, 8),
    (World.repeat_up, 2),
    (World.lose_up, 1),
    (World.deliver_down, 10),
    (World.repeat_down, 2),
    (World.lose_down, 2),
    (World.show, 6),
    (World.resend, 2),
    (World.ask, 3),
    (World.give_up, 1),
    (World.beat, 1),
    (World.kill, 2),
    (World.restart_authority, 1),
    (World.deliver_shadow, 4),
    (World.show_shadow, 2),
    (World.take_over, 2),
    (World.call_roll, 1),
]
STEPS = [step for step, weight in _WEIGHTS for _ in range(weight)]
