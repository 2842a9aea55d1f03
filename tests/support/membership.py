"""A worker's end of the membership in tests: feeder, replica, mailbox loop, and the transitions folded together."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Grace, Naming, SessionInfo, Status, Transport
from chat.membership import wire
from chat.membership.authority import Authority
from chat.membership.feeder import Feeder
from chat.membership.places import Place
from chat.membership.protocol import (
    AnnouncedSession,
    Block,
    Connect,
    Join,
    Mandate,
    MemberJoined,
    MemberLeft,
    Outcome,
    PresenceChanged,
    SessionEnded,
    SessionEntered,
    SessionExited,
    Transition,
)
from chat.membership.replica import Offer, Replica
from reaktor.config.model import MembershipTimings
from reaktor.errors import UnavailableError
from reaktor.process.bus import Bus

QUICK = MembershipTimings(
    tick_s=0.02,
    heartbeat_s=0.1,
    silence_s=0.4,
    hello_s=0.2,
    hold_gap_s=0.02,
    command_timeout_s=5.0,
    quit_grace_s=0.3,
    keep_grace_s=1.0,
)
FIRST, SECOND = WorkerId(1, 1, 0, 1), WorkerId(1, 1, 1, 1)
NO_GRACE = Grace()
LINGERS = Grace(quit_s=8.0, keep_s=60.0)


def session_info(
    session: str,
    user: str = "ann",
    worker: WorkerId = FIRST,
    *,
    grace: Grace = NO_GRACE,
    transport: Transport | None = None,
    since: float = 0.0,
    login: str = "",
    naming: Naming = Naming.UNKNOWN,
    marks: str = "",
) -> SessionInfo:
    """A session's particulars; with a grace it is a Socket.IO one unless told."""
    kind = transport or (Transport.SOCKETIO if grace.keep_s else Transport.NATIVE)
    return SessionInfo(
        SessionId(session), UserId(user), user, worker, kind, since, grace, login=login, naming=naming, marks=marks
    )


@dataclass
class Shown:
    """What somebody who saw only the transitions believes; refuses those that contradict it."""

    members: dict[tuple[ChannelKey, UserId], Status] = field(default_factory=dict)
    entered: dict[SessionId, set[ChannelKey]] = field(default_factory=dict)

    def fold(self, transitions: Iterable[Transition]) -> None:
        for transition in transitions:
            match transition:
                case MemberJoined(channel, user_id, _, status):
                    assert (channel, user_id) not in self.members, f"{user_id} was told joined twice"
                    self.members[channel, user_id] = status
                case MemberLeft(channel, user_id):
                    assert (channel, user_id) in self.members, f"{user_id} was told left without having joined"
                    del self.members[channel, user_id]
                case PresenceChanged(user_id, _, status, channels):
                    for channel in channels:
                        assert (channel, user_id) in self.members, "presence of somebody who is not there"
                        self.members[channel, user_id] = status
                case SessionEntered(session_id, channel):
                    assert channel not in self.entered.get(session_id, ()), "a session entered twice"
                    self.entered.setdefault(session_id, set()).add(channel)
                case SessionExited(session_id, channel):
                    self.entered[session_id].remove(channel)
                case SessionEnded(session_id):
                    self.entered.pop(session_id, None)

    def adopt(self, replica: Replica) -> None:
        """Until all is shown once, members are not told: what the replica shows then is where folding starts."""
        self.members = shown_by(replica)

    def matches(self, replica: Replica) -> None:
        """Invariant 2: the transitions, folded, are the membership shown."""
        assert self.members == shown_by(replica), "the transitions told something else than what is shown"
        own = {session_id: set(channels_of(replica, session_id)) for session_id in replica.own_sessions()}
        entered = {session_id: channels for session_id, channels in self.entered.items() if channels}
        assert entered == {session_id: channels for session_id, channels in own.items() if channels}


def transitions_of(offer: Offer) -> tuple[Transition, ...]:
    """What an offer tells, all its steps together."""
    return tuple(transition for step in offer.steps for transition in step.transitions)


def outcomes_of(offer: Offer) -> tuple[Outcome, ...]:
    """The commands that an offer says are decided, all its steps together."""
    return tuple(outcome for step in offer.steps for outcome in step.outcomes)


def shown_by(replica: Replica) -> dict[tuple[ChannelKey, UserId], Status]:
    """Who is in which channel."""
    return {
        (channel, user_id): status
        for channel in list(replica._roster.channels)  # nobody else asks for all channels
        for user_id, _, status in replica.members(channel)
    }


def channels_of(replica: Replica, session_id: SessionId) -> frozenset[ChannelKey]:
    """Where a session is, in no channel when the replica does not know it."""
    entry = replica.session(session_id)
    return frozenset() if entry is None else frozenset(entry.channels)


class Node:
    """One worker: runs a real Feeder over a real Bus."""

    def __init__(
        self,
        bus: Bus,
        worker: WorkerId = FIRST,
        timings: MembershipTimings = QUICK,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.bus = bus
        self.worker = worker
        self.replica = Replica(worker)
        self.live: dict[SessionId, SessionInfo] = {}
        self.told: list[Transition] = []
        self.shown = Shown()
        self.contradictions: list[str] = []
        self.heads: dict[ChannelKey, int] = {}
        self.beat_due = asyncio.Event()
        self.deaf = False
        self.backlog: list[tuple[str, dict[str, Any]]] | None = None
        """What waits to be read, while it is stopped."""
        self.feeder = Feeder(
            bus,
            timings,
            self.replica,
            worker=worker,
            announce=self._announce,
            here=lambda: self.live.keys(),
            on_transitions=self._on_transitions,
            read_mandate=self._read_mandate,
            heads=lambda: self.heads,
            moved=lambda: self.heads,
            beat_due=self.beat_due,
            clock=clock,
        )

    async def _read_mandate(self) -> Mandate:
        return lease.named()

    def _announce(self) -> list[AnnouncedSession]:
        found = []
        for session_id, info in self.live.items():
            entry = self.replica.session(session_id)
            status = Status.ONLINE if entry is None else entry.status
            found.append(AnnouncedSession(info, status, channels_of(self.replica, session_id)))
        return found

    def _on_transitions(self, transitions: Sequence[Transition]) -> None:
        self.told.extend(transitions)
        try:
            self.shown.fold(transitions)
        except AssertionError as error:
            # The feeder keeps going whatever its listener raises; the test must not.
            self.contradictions.append(str(error))
        for transition in transitions:
            if isinstance(transition, SessionEnded):
                self.live.pop(transition.session_id, None)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            group.create_task(self.feeder.run())

    async def _read(self) -> None:
        async for kind, body in self.bus.listen(wire.worker_mailbox(self.worker)):
            if self.backlog is not None:
                self.backlog.append((kind, body))
            elif not self.deaf:
                self.on_message(kind, body)

    def on_message(self, kind: str, body: dict[str, Any]) -> None:
        was_whole = self.replica.is_whole
        self.feeder.on_message(kind, body)
        if not was_whole:
            self.shown.adopt(self.replica)
            self.contradictions.clear()

    def go_on(self) -> None:
        """Read all that came while it was stopped."""
        waiting, self.backlog = self.backlog or [], None
        for kind, body in waiting:
            self.feeder.on_message(kind, body)

    async def connect(
        self, session: str, user: str = "ann", *, grace: Grace = NO_GRACE, resume: str | None = None
    ) -> Outcome:
        info = session_info(session, user, self.worker, grace=grace)

        def applied(outcome: Outcome) -> Outcome:
            self.live[info.session_id] = info
            return outcome

        return await self.feeder.submit(Connect(info, None if resume is None else SessionId(resume)), applied)

    async def join(self, session: str, channel: str) -> Outcome:
        return await self.feeder.submit(Join(SessionId(session), ChannelKey(channel)))

    def who(self, channel: str) -> list[str]:
        return [str(user_id) for user_id, _, _ in self.replica.members(ChannelKey(channel))]


@asynccontextmanager
async def running(*parts: Authority | Node) -> AsyncIterator[None]:
    """Run these until the block ends; wait for the nodes to be in step first."""
    tasks = [asyncio.create_task(part.run()) for part in parts]
    try:
        async with asyncio.timeout(10):
            for part in parts:
                if isinstance(part, Node):
                    await part.feeder.wait_ready()
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


class Lease:
    """The row of the lease, in which each authority that a test makes is named in its turn."""

    def __init__(self) -> None:
        self._epochs = itertools.count(1)
        self._row = Mandate(0, "")
        self.is_away = False

    def take(self) -> Mandate:
        """A new term: the authority of it is the one from now on."""
        epoch = next(self._epochs)
        self.name(Mandate(epoch, f"term {epoch}"))
        return self._row

    def name(self, mandate: Mandate) -> None:
        self._row = mandate

    def named(self) -> Mandate:
        if self.is_away:
            raise UnavailableError
        return self._row


lease = Lease()


def authority_on(
    bus: Bus,
    blocks: list[Block] | None = None,
    timings: MembershipTimings = QUICK,
    *,
    places: Sequence[Place] = (),
    **limits: int,
) -> Authority:
    """An authority of a new epoch; `blocks` is read again whenever it reads its rows, `places` once."""
    rows = [] if blocks is None else blocks

    async def load_blocks() -> list[Block]:
        return list(rows)

    async def load_places() -> Sequence[Place]:
        return places

    return Authority(bus, timings, mandate=lease.take(), load_blocks=load_blocks, load_places=load_places, **limits)


async def no_places() -> Sequence[Place]:
    """For an authority before which there was none."""
    return ()


async def eventually(condition: Callable[[], bool], what: str, within_s: float = 5.0) -> None:
    """Wait until the condition holds; fail with `what` after within_s."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within_s
    while not condition():
        assert loop.time() < deadline, f"not within {within_s} s: {what}"
        await asyncio.sleep(0.005)
