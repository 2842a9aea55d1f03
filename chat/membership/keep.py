"""Keep: what the authority remembers of sessions that are over.

Two things, both held by MembershipState and both bounded in time: of a session that ended without a goodbye its
channels, heads and status, so that the user's next session can take them over; of every session its id, so that
a Connect that arrives twice or late brings no ghost back. Pure; `now` is an argument.

A client that names its session gets that one. One that names nothing gets the likeliest, and where that could still be
named only a copy: so a wrong guess takes nothing away from the client that it belongs to.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Naming, SessionInfo, Status

# A command is re-sent for at most 5 s and may wait in a bus for as long; a minute is far beyond both.
ENDED_MEMORY_S = 60.0
SILENT_MEMORY_S = 300.0
"""Longer than its id is remembered as over: so a session of a host that is heard again late is not taken for that."""
DEAD_PER_SLOT = 32
COPIED_PER_USER = 10
"""So many sessions of a user are kept for their names alone: as many as there are clients, by default."""


@dataclass(slots=True, eq=False)
class Kept:
    """A session that ended without a goodbye. While it lingers, its channels and status are the roster's.

    `only_named`: nobody gets it but who names it. `copied_to`: the session that got a copy.
    """

    session: SessionInfo
    heads: dict[ChannelKey, int]
    ended_at: float
    until: float
    status: Status = Status.ONLINE
    channels: frozenset[ChannelKey] = frozenset()
    only_named: bool = False
    copied_to: SessionId | None = None

    @property
    def may_be_named(self) -> bool:
        return self.session.naming in (Naming.PERHAPS, Naming.ALWAYS)

    def is_missed_by(self, back: SessionInfo) -> bool:
        """Whether a session that began later, and named none, is that of the same client, as far as it can be seen."""
        was = self.session
        return (
            not self.only_named
            and Naming.ALWAYS not in (was.naming, back.naming)
            and was.since < back.since
            and (was.login, was.marks) == (back.login, back.marks)
            and _could_be(was, back)
        )


def _ended_at(kept: Kept) -> float:
    return kept.ended_at


def _could_be(lost: SessionInfo, back: SessionInfo) -> bool:
    """Whether one client can have had both sessions: the generations of a protocol are told apart by their naming.

    Not across transports: a browser tab must not walk into the channels of a Socket.IO client that comes back.
    """
    if lost.transport is not back.transport:
        return False
    if Naming.UNKNOWN in (lost.naming, back.naming):
        return True
    return (lost.naming is Naming.NEVER) == (back.naming is Naming.NEVER)


class KeptSessions:
    """The kept sessions, by id and by user, and when each is forgotten."""

    def __init__(self) -> None:
        self.by_id: dict[SessionId, Kept] = {}
        self._by_user: dict[UserId, dict[SessionId, Kept]] = {}
        self._ends: list[tuple[float, SessionId]] = []

    def put(self, kept: Kept) -> None:
        session = kept.session
        self.by_id[session.session_id] = kept
        self._by_user.setdefault(session.user_id, {})[session.session_id] = kept
        heapq.heappush(self._ends, (kept.until, session.session_id))

    def pop(self, session_id: SessionId) -> Kept | None:
        kept = self.by_id.pop(session_id, None)
        if kept is not None:
            of_user = self._by_user[kept.session.user_id]
            del of_user[session_id]
            if not of_user:
                del self._by_user[kept.session.user_id]
        return kept

    def of_user(self, user_id: UserId) -> list[Kept]:
        return list(self._by_user.get(user_id, {}).values())

    def named(self, user_id: UserId, name: SessionId) -> Kept | None:
        """The user's session of this id, or the last of those with this part of it before a dot."""
        found = self._by_user.get(user_id, {})
        named = [kept for key, kept in found.items() if key == name or key.startswith(f"{name}.")]
        return max(named, key=_ended_at, default=None)

    def likeliest(self, back: SessionInfo, has_channels: Callable[[Kept], bool]) -> Kept | None:
        """The lost session of a client that comes back as `back` and names none: of its own log-in if there is one,
        with its marks, not of a client that would have named it, in channels, lost last. None for a client that does
        name its own.

        In channels: a client may need several attempts to come back, and until its first loss is noticed these are in
        none.
        """
        if back.naming is Naming.ALWAYS:
            return None
        found = self._by_user.get(back.user_id, {})
        lost = [kept for kept in found.values() if not kept.only_named and _could_be(kept.session, back)]

        def likeness(kept: Kept) -> tuple[bool, bool, bool, bool, float]:
            was = kept.session
            is_nameless = was.naming is not Naming.ALWAYS
            return was.login == back.login, was.marks == back.marks, is_nameless, has_channels(kept), kept.ended_at

        return max(lost, key=likeness, default=None)

    def keep_for_its_name(self, kept: Kept) -> None:
        """It lingers no longer, and stays for the client that names it. The oldest of too many go."""
        kept.only_named = True
        copied = [each for each in self.of_user(kept.session.user_id) if each.only_named]
        for each in sorted(copied, key=_ended_at)[:-COPIED_PER_USER]:
            self.pop(each.session.session_id)

    def forget_channel(self, user_id: UserId, channel: ChannelKey) -> None:
        """The user was taken out of the channel: no later session is put back into it."""
        for kept in self._by_user.get(user_id, {}).values():
            kept.channels -= {channel}

    def sweep(self, now: float) -> None:
        """Forget what was kept long enough."""
        while self._ends and self._ends[0][0] <= now:
            until, session_id = heapq.heappop(self._ends)
            kept = self.by_id.get(session_id)
            if kept is not None and kept.until == until:
                self.pop(session_id)


class EndedIds:
    """The ids of sessions that are over, for ENDED_MEMORY_S."""

    def __init__(self) -> None:
        self._until: dict[SessionId, float] = {}
        self._order: deque[tuple[float, SessionId]] = deque()

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id in self._until

    def add(self, session_id: SessionId, now: float) -> None:
        self._until[session_id] = now + ENDED_MEMORY_S
        self._order.append((now + ENDED_MEMORY_S, session_id))

    def forget(self, session_id: SessionId) -> None:
        self._until.pop(session_id, None)

    def all(self) -> tuple[tuple[SessionId, float], ...]:
        """Each with the time when it is forgotten, in the order of these."""
        return tuple((session_id, until) for until, session_id in self._order if self._until.get(session_id) == until)

    def put_back(self, ids: Iterable[tuple[SessionId, float]]) -> None:
        """The reverse of all(), where there are none."""
        for session_id, until in ids:
            self._until[session_id] = until
            self._order.append((until, session_id))

    def sweep(self, now: float) -> None:
        while self._order and self._order[0][0] <= now:
            until, session_id = self._order.popleft()
            if self._until.get(session_id) == until:
                del self._until[session_id]


class SilentSessions:
    """The sessions that were lost with their host, and may be there still, for SILENT_MEMORY_S."""

    def __init__(self) -> None:
        # In the order of their ends, as each has the same time.
        self._found: dict[SessionId, tuple[UserId, float]] = {}

    def __contains__(self, session_id: SessionId) -> bool:
        return session_id in self._found

    def add(self, session: SessionInfo, now: float) -> None:
        self.forget(session.session_id)
        self._found[session.session_id] = (session.user_id, now + SILENT_MEMORY_S)

    def forget(self, session_id: SessionId) -> None:
        """It is heard of, or over for good."""
        self._found.pop(session_id, None)

    def forget_user(self, user_id: UserId) -> None:
        for session_id in [each for each, (owner, _) in self._found.items() if owner == user_id]:
            del self._found[session_id]

    def all(self) -> tuple[tuple[SessionId, UserId, float], ...]:
        """Each with its user and the time when it is forgotten, in the order of these."""
        return tuple((session_id, user_id, until) for session_id, (user_id, until) in self._found.items())

    def put_back(self, silent: Iterable[tuple[SessionId, UserId, float]]) -> None:
        """The reverse of all(), where there are none."""
        self._found.update({session_id: (user_id, until) for session_id, user_id, until in silent})

    def sweep(self, now: float) -> None:
        while self._found and (first := next(iter(self._found.items())))[1][1] <= now:
            del self._found[first[0]]


class Deaths(NamedTuple):
    """Which lives of hosts have begun, and which workers of these are dead, as plain values of DeadWorkers.

    `dead`: (host, slot, incarnations); `below`: (host, slot, incarnation): those before it are dead too.
    """

    lives: tuple[tuple[int, int], ...] = ()
    dead: tuple[tuple[int, int, tuple[int, ...]], ...] = ()
    below: tuple[tuple[int, int, int], ...] = ()


class DeadWorkers:
    """The workers that are over: all of a host's lives before its newest one, and incarnations of that.

    Per slot the last DEAD_PER_SLOT by name; all before those are over too. Not simply everything below the newest:
    during a reload an older incarnation outlives a newer one that crashed.
    """

    def __init__(self) -> None:
        self._lives: dict[int, int] = {}
        self._dead: dict[tuple[int, int], set[int]] = {}
        self._below: dict[tuple[int, int], int] = {}

    def __contains__(self, worker: WorkerId) -> bool:
        if worker.life != self._lives.get(worker.host, 0):
            return self.is_over(worker.host, worker.life)
        slot = (worker.host, worker.slot)
        return worker.incarnation < self._below.get(slot, 0) or worker.incarnation in self._dead.get(slot, ())

    def add(self, worker: WorkerId) -> None:
        self.begin(worker.host, worker.life)
        if worker in self:
            return
        slot = (worker.host, worker.slot)
        dead = self._dead.setdefault(slot, set())
        dead.add(worker.incarnation)
        if len(dead) > DEAD_PER_SLOT:
            lowest = min(dead)
            dead.discard(lowest)
            self._below[slot] = max(self._below.get(slot, 0), lowest + 1)

    def all(self) -> Deaths:
        return Deaths(
            tuple(self._lives.items()),
            tuple((*slot, tuple(sorted(dead))) for slot, dead in self._dead.items()),
            tuple((*slot, lowest) for slot, lowest in self._below.items()),
        )

    def put_back(self, deaths: Deaths) -> None:
        """The reverse of all(), where there are none."""
        self._lives.update(deaths.lives)
        self._dead.update({(host, slot): set(dead) for host, slot, dead in deaths.dead})
        self._below.update({(host, slot): lowest for host, slot, lowest in deaths.below})

    def is_new(self, host: int, life: int) -> bool:
        """Whether the host is in a later life than was known."""
        return life > self._lives.get(host, 0)

    def is_over(self, host: int, life: int) -> bool:
        """Whether the host has begun a later life."""
        return life < self._lives.get(host, 0)

    def begin(self, host: int, life: int) -> None:
        """The host is in this life, unless it is in a later one: what was before it is over."""
        if self.is_new(host, life):
            self._lives[host] = life
            for by_slot in (self._dead, self._below):
                for slot in [each for each in by_slot if each[0] == host]:
                    del by_slot[slot]
