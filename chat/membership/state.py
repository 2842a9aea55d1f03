"""MembershipState: decides every Command and keeps the one canonical membership.

Owned by the authority alone: a command goes in with the time it is decided at, numbered Changes come out. Pure: no
clock, no bus, no log, so that property tests can run it millions of times. Serves the flows join, worker crash,
moderation. Source: docs/architecture.md, "Membership".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, LeftReason
from chat.membership.blocks import BlockList, holds
from chat.membership.endings import Endings
from chat.membership.keep import DeadWorkers
from chat.membership.places import Place
from chat.membership.protocol import (
    ALL_PARTS,
    BeginLife,
    Block,
    Change,
    Command,
    Connect,
    Connected,
    Disconnect,
    DropWorker,
    EndSession,
    EndSessions,
    Hello,
    Join,
    Joined,
    Leave,
    Left,
    LoseHost,
    LoseWorker,
    Mandate,
    Position,
    SetStatus,
    Snapshot,
    StatusChanged,
    Tick,
    Unblock,
)
from chat.membership.roster import Roster, SessionEntry
from chat.membership.whole import Whole
from reaktor.errors import may_come_back

CLOSE_BANNED = 4502
# How long a snapshot still says whom a session took over: longer than any worker is without its changes.
RECENT_S = 30.0
MOMENT_S = 1e-6
TURN_S = 1.0
"""A clock that was put back by more than that is not waited for."""


@dataclass(frozen=True, slots=True)
class Result:
    """What one command did: its changes, in revision order; or the word of its refusal, and nothing done."""

    changes: tuple[Change, ...] = ()
    refusal: str | None = None


class RefusedError(Exception):
    """Inside the state only: the command is not accepted, for this reason."""


class MembershipState:
    """The live membership of one epoch. Every method may be called again with the same arguments without harm."""

    def __init__(
        self, epoch: int, *, term: str = "", max_sessions_per_user: int = 10, max_channels_per_session: int = 500
    ) -> None:
        self.epoch, self.term = epoch, term
        self.revision = 0
        self.roster = Roster()
        self.blocks = BlockList()
        self._max_sessions = max_sessions_per_user
        self._max_channels = max_channels_per_session
        self._endings = Endings(self.roster, self._make)
        self._dead = DeadWorkers()
        self._changes: list[Change] = []
        self._now = 0.0
        self._rules: dict[type[Any], Callable[[Any], None]] = {
            Connect: self._connect,
            Disconnect: self._disconnect,
            Join: self._join,
            Leave: self._leave,
            SetStatus: self._set_status,
            Hello: self._hello,
            DropWorker: self._drop_worker,
            BeginLife: self._begin_life,
            LoseHost: self._lose_host,
            LoseWorker: self._lose_silent,
            Block: self._block,
            Unblock: self._unblock,
            EndSessions: self._end_sessions,
            EndSession: self._end_session,
            Tick: self._tick,
        }

    # -- what the authority asks ----------------------------------------------------------------------------------

    @property
    def position(self) -> Position:
        return Position(self.epoch, self.revision)

    def apply(self, command: Command, now: float, sender: WorkerId | None = None) -> Result:
        """Decide one command at `now` (Unix seconds) and make its changes.

        `sender`: the worker that sent it; a dead one's commands are refused, whatever they are.
        A refusal is an ErrorCode's word: not_found, conflict, banned (or the block's own), too_many_sessions,
        unavailable. A command that changes nothing is accepted.
        """
        self._now = now
        self._changes = []
        if sender is not None and sender in self._dead:
            return Result(refusal="unavailable")
        try:
            self._rules[type(command)](command)
        except RefusedError as refused:
            return Result(refusal=str(refused))
        return Result(tuple(self._changes))

    def note_heads(self, worker: WorkerId, heads: Mapping[ChannelKey, int], *, whole: bool = False) -> None:
        """A worker's BEAT: the last seq it delivered, per channel; `whole` says that there are no others."""
        if worker in self._dead:
            return
        known = {} if whole else self._endings.heads.get(worker, {})
        known.update(heads)
        self._endings.heads[worker] = known

    def note_last(self, worker: WorkerId, ended: Mapping[SessionId, Mapping[ChannelKey, int]]) -> None:
        """What these sessions of the worker were sent when their connections ended; their Disconnect is to come."""
        for session_id, heads in ended.items():
            entry = self.roster.sessions.get(session_id)
            if entry is not None and entry.is_live and entry.info.worker == worker:
                self._endings.note_last(session_id, heads)

    def restore(self, places: Iterable[Place], now: float) -> None:
        """Keep what was kept under the authority before; call it before anything else is decided.

        Nobody has heard of this epoch yet, so the changes that it makes are in every snapshot, and published to nobody.
        """
        self._now = now
        found = list(places)
        copies = {place.copy_of: place.session.session_id for place in found}
        for place in found:
            self._endings.put_back(place, now, copied_to=copies.get(place.session.session_id))

    def whole(self) -> Whole:
        """All of it, for whoever shall be able to go on from here."""
        shown = Whole(self.position, self.term, self.roster.everything())
        return replace(self._endings.remembered(shown), deaths=self._dead.all(), blocks=tuple(self.blocks))

    def become(self, whole: Whole) -> None:
        """Be what that says; call it before anything else."""
        self.epoch, self.revision = whole.position
        self.term = whole.term
        self.roster.fill(whole.sessions)
        self._endings.take_back(whole)
        self._dead.put_back(whole.deaths)
        for block in whole.blocks:
            self.blocks.put(block)

    def succeed(self, mandate: Mandate, *, max_sessions_per_user: int, max_channels_per_session: int) -> None:
        """Go on under another authority, from revision 0."""
        self.epoch, self.term = mandate
        self.revision = 0
        self._max_sessions, self._max_channels = max_sessions_per_user, max_channels_per_session

    def workers(self) -> list[WorkerId]:
        """Those that have sessions which live, or have said how far they have delivered."""
        live = {worker for worker in self.roster.workers if self._live_on(worker)}
        return sorted(live | self._endings.heads.keys())

    def is_dead(self, worker: WorkerId) -> bool:
        return worker in self._dead

    def is_new_life(self, host: int, life: int) -> bool:
        """Whether the host was started anew, and the state does not know yet (BeginLife)."""
        return self._dead.is_new(host, life)

    def is_over(self, host: int, life: int) -> bool:
        """Whether that life of the host has been followed by another one."""
        return self._dead.is_over(host, life)

    def snapshot(self, parts: range = ALL_PARTS) -> Snapshot:
        """The membership of these parts, as replicas take it."""
        sessions = self.roster.snapshot_sessions(self._now - RECENT_S, parts)
        return Snapshot(self.position, sessions, self.term, parts)

    def digest(self) -> str:
        """Equal to a replica's exactly where both show the same at the same position."""
        return self.roster.digest(self.position)

    def invariants(self) -> None:
        """For tests: raises AssertionError with a sentence where the state contradicts itself."""
        self.roster.invariants()
        for block in self.blocks:
            user = self.roster.users.get(block.user_id)
            if user is not None and holds(block, self._now):
                if block.channel is None:
                    raise AssertionError(f"user {block.user_id} is blocked everywhere and still here")
                if block.channel in user.channels:
                    raise AssertionError(f"user {block.user_id} is a member where a block holds")
        for session_id, entry in self.roster.sessions.items():
            if entry.is_live and entry.info.worker in self._dead:
                raise AssertionError(f"session {session_id} lives on a dead worker")
            if entry.is_live == (session_id in self._endings.kept.by_id):
                raise AssertionError(f"session {session_id} is kept and live, or lingers and is not kept")
            if len(entry.channels) > self._max_channels:
                raise AssertionError(f"session {session_id} is in more channels than are allowed")

    # -- the rules ------------------------------------------------------------------------------------------------

    def _connect(self, command: Connect) -> None:
        now = self._now
        # By the clock of whoever decides, since those of two hosts may differ: who came first counts, and how long ago.
        info = replace(command.session, since=self._moment(command.session.user_id, now))
        if info.worker in self._dead:
            raise RefusedError("unavailable")
        known = self.roster.sessions.get(info.session_id)
        if known is not None and known.is_live:
            return
        if known is not None or info.session_id in self._endings.ended:
            raise RefusedError("conflict")
        self._refuse_blocked(info.user_id, None)
        user = self.roster.users.get(info.user_id)
        displaced = [] if user is None or command.resume is None else user.live_named(command.resume)
        if command.resume is not None and not displaced and not self._endings.kept.named(info.user_id, command.resume):
            raise RefusedError("not_found")
        if user is not None and user.live_count - len(displaced) >= self._max_sessions:
            raise RefusedError("too_many_sessions")
        for entry in displaced:
            # Its client is here, so its connection is gone, and its worker has not noticed yet.
            self._endings.lose(entry, {}, now)
        old = self._endings.take_over(info, command.resume, now)
        if old is None:
            self._make(Connected(info))
            return
        channels = self.blocks.allowed(info.user_id, old.channels, now)
        heads = {channel: head for channel, head in old.heads.items() if channel in channels}
        self._make(Connected(info, channels, old.session.session_id, heads, old.status))
        if command.resume is not None:
            # Only now: so the user is in the channels all the time.
            self._endings.guess_again(old, now)

    def _moment(self, user_id: UserId, now: float) -> float:
        """When a session of the user begins now: each of them in a moment of its own, though an authority decides at
        once about all that came while there was none.
        """
        user = self.roster.users.get(user_id)
        began = [] if user is None else [entry.info.since for entry in user.sessions.values()]
        latest = max([*began, *(kept.session.since for kept in self._endings.kept.of_user(user_id))], default=now - 1)
        return latest + MOMENT_S if now <= latest < now + TURN_S else now

    def _disconnect(self, command: Disconnect) -> None:
        entry = self.roster.sessions.get(command.session_id)
        if entry is None:
            # Perhaps it overtook its Connect: the id is over either way.
            self._endings.note_end(command.session_id, command.heads, self._now)
            if command.ending is Ending.GOODBYE:
                self._endings.kept.pop(command.session_id)
        elif command.ending is Ending.GOODBYE:
            self._endings.end(entry, self._now)
        elif entry.is_live:
            self._endings.lose(entry, command.heads or self._endings.still_due(entry, self._now), self._now)
            self._endings.call_back(entry.info, self._now)
        else:
            self._endings.better_heads(command.session_id, command.heads)

    def _join(self, command: Join) -> None:
        first = self._live(command.session_id)
        self._refuse_blocked(first.info.user_id, command.channel)
        others = (self.roster.sessions.get(session_id) for session_id in dict.fromkeys(command.others))
        mine = (
            each
            for each in others
            if each is not None and each is not first and each.is_live and each.info.user_id == first.info.user_id
        )
        entering = [entry for entry in (first, *mine) if command.channel not in entry.channels]
        if not entering:
            return
        if any(len(entry.channels) >= self._max_channels for entry in entering):
            raise RefusedError("conflict")
        session_id, *more = (entry.info.session_id for entry in entering)
        self._make(Joined(session_id, command.channel, tuple(more)))
        if command.head is not None:
            for entry in entering:
                self._endings.note_joined(entry, command.channel, command.head)

    def _leave(self, command: Leave) -> None:
        if command.channel in self._live(command.session_id).channels:
            self._make(Left(command.session_id, command.channel))

    def _set_status(self, command: SetStatus) -> None:
        if self._live(command.session_id).status is not command.status:
            self._make(StatusChanged(command.session_id, command.status))

    def _hello(self, command: Hello) -> None:
        if command.worker in self._dead:
            raise RefusedError("unavailable")
        announced = {item.session.session_id: item for item in command.sessions}
        self._lose_all([entry for entry in self._live_on(command.worker) if entry.info.session_id not in announced])
        for session_id, item in announced.items():
            if item.is_connecting:
                # Made by this Hello it would be known, and its Connect would no longer take over what its client left.
                continue
            user_id = item.session.user_id
            entry_now = self.roster.sessions.get(session_id)
            is_back = self._endings.is_silent(session_id)
            # What ended here stays ended: the worker hears of it, its picture is the older one.
            over = session_id in self._endings.ended if entry_now is None else not entry_now.is_live
            if (
                (over and not is_back)
                or item.session.worker != command.worker
                or self.blocks.of(user_id, None, self._now)
            ):
                continue
            channels = self.blocks.allowed(user_id, sorted(item.channels)[: self._max_channels], self._now)
            self._endings.bring_back(session_id)
            if entry_now is None:
                # It can't have begun later than now, whatever the clock of its host says.
                info = replace(item.session, since=min(item.session.since, self._now))
                self._make(Connected(info, channels, status=item.status))
                continue
            if not entry_now.is_live:
                self._make(Connected(entry_now.info, frozenset(entry_now.channels), status=entry_now.status))
            for channel in sorted(entry_now.channels - channels):
                self._make(Left(session_id, channel))
            for channel in sorted(channels - entry_now.channels):
                self._make(Joined(session_id, channel))
            if entry_now.status is not item.status:
                self._make(StatusChanged(session_id, item.status))

    def _drop_worker(self, command: DropWorker) -> None:
        self._dead.add(command.worker)
        self._lose_worker(command.worker)

    def _begin_life(self, command: BeginLife) -> None:
        self._dead.begin(command.host, command.life)
        for worker in self._workers_of(command.host):
            if worker.life < command.life:
                self._lose_worker(worker)

    def _lose_host(self, command: LoseHost) -> None:
        for worker in self._workers_of(command.host):
            self._lose_silent(LoseWorker(worker))

    def _lose_silent(self, command: LoseWorker) -> None:
        self._endings.note_silent(self._live_on(command.worker), self._now)
        self._lose_worker(command.worker)

    def _block(self, command: Block) -> None:
        if not holds(command, self._now):
            return
        self.blocks.put(command)
        if command.channel is None:
            self._endings.end_user(command.user_id, self._now, LeftReason.REMOVED, CLOSE_BANNED, command.reason)
        else:
            self._endings.take_out(command.user_id, command.channel, command.reason)

    def _unblock(self, command: Unblock) -> None:
        self.blocks.lift(command.user_id, command.channel)

    def _end_sessions(self, command: EndSessions) -> None:
        if may_come_back(command.code):
            self._endings.recall_user(command.user_id, self._now, command.code, command.reason)
        else:
            self._endings.end_user(command.user_id, self._now, LeftReason.QUIT, command.code, command.reason)

    def _end_session(self, command: EndSession) -> None:
        entry = self.roster.sessions.get(command.session_id)
        if entry is None or entry.info.user_id != command.user_id:
            raise RefusedError("not_found")
        self._endings.end(entry, self._now, LeftReason.QUIT, command.code, command.reason)

    def _tick(self, command: Tick) -> None:
        self._endings.tick(self._now)
        self.blocks.sweep(self._now)

    # -- what the rules have in common ----------------------------------------------------------------------------

    def _make(self, change: Change) -> None:
        self.roster.apply(change)
        self.revision += 1
        self._changes.append(change)

    def _workers_of(self, host: int) -> list[WorkerId]:
        """Those of the host that have sessions, or have said how far they have delivered."""
        return sorted({each for each in (*self.roster.workers, *self._endings.heads) if each.host == host})

    def _live_on(self, worker: WorkerId) -> list[SessionEntry]:
        return [entry for entry in self.roster.workers.get(worker, {}).values() if entry.is_live]

    def _lose_worker(self, worker: WorkerId) -> None:
        self._lose_all(self._live_on(worker))
        self._endings.heads.pop(worker, None)

    def _lose_all(self, entries: Sequence[SessionEntry]) -> None:
        for entry in entries:
            self._endings.lose(entry, {}, self._now)
        for entry in entries:
            self._endings.call_back(entry.info, self._now)

    def _live(self, session_id: SessionId) -> SessionEntry:
        entry = self.roster.sessions.get(session_id)
        if entry is None or not entry.is_live:
            raise RefusedError("not_found")
        return entry

    def _refuse_blocked(self, user_id: UserId, channel: ChannelKey | None) -> None:
        if (block := self.blocks.of(user_id, channel, self._now)) is not None:
            raise RefusedError(block.code)
