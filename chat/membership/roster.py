"""Roster: who is connected and in which channels, with the indexes that make every question cheap.

The part that the authority's state and the workers' replicas have in common: a Change goes in, the sets move.
Pure: it decides nothing, numbers nothing, knows no clock. What became of the members is told back to the caller.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import attrgetter

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import SessionInfo, Status
from chat.membership.protocol import (
    Change,
    Connected,
    Disconnected,
    Joined,
    Left,
    Lingering,
    Position,
    SnapshotSession,
    StatusChanged,
    part_of,
)

MemberOrder = tuple[int, str, str]
"""0 for online or 1 for away, the name in small letters, the user's id."""
_by_order = attrgetter("order")


@dataclass(slots=True, eq=False)
class SessionEntry:
    """One session of the roster. Read it freely; only the roster writes it."""

    info: SessionInfo
    status: Status
    channels: set[ChannelKey]
    lingering_until: float | None = None
    took_over: SessionId | None = None
    heads: dict[ChannelKey, int] = field(default_factory=dict)

    @property
    def is_live(self) -> bool:
        return self.lingering_until is None


@dataclass(slots=True, eq=False)
class UserEntry:
    """One user with at least one session: the sessions, oldest first, and in how many of them each channel is.

    `order`: where the user stands among the members of a channel, online first, then by name. Kept by the roster.
    """

    user_id: UserId
    username: str
    part: int
    order: MemberOrder = (1, "", "")
    sessions: dict[SessionId, SessionEntry] = field(default_factory=dict)
    channels: dict[ChannelKey, int] = field(default_factory=dict)
    online: int = 0

    @property
    def status(self) -> Status:
        """The best of the sessions' statuses."""
        return Status.ONLINE if self.online else Status.AWAY

    @property
    def live_count(self) -> int:
        return sum(1 for entry in self.sessions.values() if entry.lingering_until is None)

    def live_named(self, name: SessionId) -> list[SessionEntry]:
        """The live sessions with this id, or with this part of it before a dot."""
        return [
            entry
            for session_id, entry in self.sessions.items()
            if entry.is_live and (session_id == name or session_id.startswith(f"{name}."))
        ]


def _fact(*parts: str) -> int:
    """A 64-bit number for one fact; the digest is the exclusive or of all of them, so it costs O(1) per change."""
    return int.from_bytes(blake2b("\0".join(parts).encode(), digest_size=8).digest())


class Roster:
    """Sessions by id, user and worker; members by channel; users by the part that they are in."""

    def __init__(self) -> None:
        self.sessions: dict[SessionId, SessionEntry] = {}
        self.users: dict[UserId, UserEntry] = {}
        self.parts: dict[int, list[UserEntry]] = {}
        self.channels: dict[ChannelKey, dict[UserId, UserEntry]] = {}
        self.workers: dict[WorkerId, dict[SessionId, SessionEntry]] = {}
        self.places = 0
        self._facts = 0
        self._ordered: dict[ChannelKey, list[UserEntry]] = {}

    def ordered(self, channel: ChannelKey) -> list[UserEntry]:
        """The members of a channel, online first, then by name. Read it in this turn, don't keep it.

        The first question sorts them. From then on the list is kept in order as they come and go, so that asking costs
        the same however many there are: whoever asks for a channel asks again with each join.
        """
        listed = self._ordered.get(channel)
        if listed is None:
            listed = sorted(self.channels.get(channel, {}).values(), key=_by_order)
            if listed:
                self._ordered[channel] = listed
        return listed

    def shows(self, user_id: UserId, items: Sequence[SnapshotSession]) -> bool:
        """Whether these are the user's sessions as they are here, in this order."""
        user = self.users.get(user_id)
        return (
            user is not None and len(user.sessions) == len(items) and all(map(_is_same, user.sessions.values(), items))
        )

    def replace(self, user_id: UserId, items: Iterable[SnapshotSession]) -> None:
        """Let these be the user's sessions."""
        if (user := self.users.get(user_id)) is not None:
            for entry in list(user.sessions.values()):
                self._discard(entry)
        for item in items:
            entry = SessionEntry(item.session, item.status, set(), item.lingering_until, item.took_over, item.heads)
            self._add(entry, item.channels)

    def everything(self) -> tuple[SnapshotSession, ...]:
        """Every session, in the order in which they came, with whom it took over and from which heads."""
        return tuple(
            SnapshotSession(e.info, e.status, frozenset(e.channels), e.lingering_until, e.took_over, e.heads)
            for e in self.sessions.values()
        )

    def fill(self, sessions: Iterable[SnapshotSession]) -> None:
        """The reverse of everything(), where nobody is shown."""
        for item in sessions:
            entry = SessionEntry(item.session, item.status, set(), item.lingering_until, item.took_over, item.heads)
            self._add(entry, item.channels)

    def apply(self, change: Change) -> None:
        """Make one change; one about a session that is not here is ignored."""
        match change:
            case Joined(_, channel):
                for session_id in change.session_ids:
                    if (entry := self.sessions.get(session_id)) is not None and channel not in entry.channels:
                        self._enter(entry, channel)
            case Left(session_id, channel):
                if (entry := self.sessions.get(session_id)) is not None and channel in entry.channels:
                    self._exit(entry, channel)
            case Connected(session, channels, took_over, heads, status):
                # The new one first: a user who is taken over must never be a member of nothing in between.
                if (known := self.sessions.get(session.session_id)) is not None:
                    # It lingered, and was not lost after all.
                    self._facts ^= self._session_fact(known)
                    known.lingering_until = None
                    self._facts ^= self._session_fact(known)
                else:
                    self._add(SessionEntry(session, status, set(), None, took_over, heads), channels)
                if took_over is not None and (old := self.sessions.get(took_over)) is not None:
                    self._discard(old)
            case Disconnected(session_id):
                if (entry := self.sessions.get(session_id)) is not None:
                    self._discard(entry)
            case Lingering(session_id, until):
                if (entry := self.sessions.get(session_id)) is not None:
                    self._facts ^= self._session_fact(entry)
                    entry.lingering_until = until
                    self._facts ^= self._session_fact(entry)
            case StatusChanged(session_id, status):
                if (entry := self.sessions.get(session_id)) is not None:
                    self._set_status(entry, status)

    def digest(self, position: Position) -> str:
        """A short text that is equal exactly where position, sessions, statuses and channels are equal."""
        text = f"{position.epoch}.{position.revision}.{len(self.sessions)}.{self.places}.{self._facts:016x}"
        return blake2b(text.encode(), digest_size=6).hexdigest()

    def snapshot_sessions(self, recent: float, parts: Collection[int]) -> tuple[SnapshotSession, ...]:
        """Every session of these parts; whom it took over, and from which heads, only for those that began after
        `recent`.
        """
        return tuple(
            SnapshotSession(e.info, e.status, frozenset(e.channels), e.lingering_until, e.took_over, e.heads)
            if e.took_over is not None and e.info.since > recent
            else SnapshotSession(e.info, e.status, frozenset(e.channels), e.lingering_until)
            for user in self.users_in(parts)
            for e in user.sessions.values()
        )

    def users_in(self, parts: Collection[int]) -> Iterator[UserEntry]:
        """The users of these parts. Of all parts it costs no more than there are users."""
        is_short = len(self.parts) < len(parts)
        here = filter(parts.__contains__, self.parts) if is_short else filter(self.parts.__contains__, parts)
        return (user for part in here for user in self.parts[part])

    def invariants(self) -> None:
        """Count everything again. Raises AssertionError with a sentence where an index lies."""
        users: dict[UserId, dict[ChannelKey, int]] = {}
        facts = places = 0
        for session_id, entry in self.sessions.items():
            _holds(entry.info.session_id == session_id, f"session {session_id} stands under another's id")
            user = self.users.get(entry.info.user_id)
            _holds(user is not None and user.sessions.get(session_id) is entry, f"{session_id} is not among its user's")
            _holds(self.workers.get(entry.info.worker, {}).get(session_id) is entry, f"{session_id} is on no worker")
            counts = users.setdefault(entry.info.user_id, {})
            for channel in entry.channels:
                counts[channel] = counts.get(channel, 0) + 1
                facts ^= _fact(session_id, channel)
                places += 1
            facts ^= self._session_fact(entry)
        _holds(users.keys() == self.users.keys(), "the users are not those who have sessions")
        for user_id, counts in users.items():
            user = self.users[user_id]
            _holds(user.channels == counts, f"user {user_id} counts channels wrong")
            online = sum(1 for e in user.sessions.values() if e.status is Status.ONLINE)
            _holds(user.online == online, f"user {user_id} counts online sessions wrong")
        members = {(channel, user_id) for channel, found in self.channels.items() for user_id in found}
        expected = {(channel, user_id) for user_id, counts in users.items() for channel in counts}
        _holds(members == expected, "the members of the channels are not those whose sessions are in them")
        for channel, listed in self._ordered.items():
            in_order = sorted(self.channels.get(channel, {}).values(), key=_by_order)
            _holds(bool(listed) and listed == in_order, f"the members of {channel} are not listed in their order")
        for user in self.users.values():
            _holds(user.order == _order_of(user), f"user {user.user_id} stands where an earlier status or name was")
        together = {id(user): part for part, users_of in self.parts.items() for user in users_of}
        _holds(together == {id(user): user.part for user in self.users.values()}, "a user is in another part")
        _holds(all(self.channels.values()) and all(self.workers.values()), "an empty channel or worker was kept")
        _holds(sum(map(len, self.workers.values())) == len(self.sessions), "a worker holds a session that is gone")
        _holds((facts, places) == (self._facts, self.places), "the digest does not stand for what is here")

    # -- the moves ------------------------------------------------------------------------------------------------

    @staticmethod
    def _session_fact(entry: SessionEntry) -> int:
        return _fact(entry.info.session_id, entry.status, "live" if entry.lingering_until is None else "lingering", "")

    def _add(self, entry: SessionEntry, channels: Iterable[ChannelKey]) -> None:
        info = entry.info
        user = self.users.get(info.user_id)
        if user is None:
            user = self.users[info.user_id] = UserEntry(info.user_id, info.username, part_of(info.user_id))
            self.parts.setdefault(user.part, []).append(user)
        user.username = info.username
        user.sessions[info.session_id] = entry
        user.online += entry.status is Status.ONLINE
        self._settle(user)
        self.sessions[info.session_id] = entry
        self.workers.setdefault(info.worker, {})[info.session_id] = entry
        self._facts ^= self._session_fact(entry)
        for channel in channels:
            self._enter(entry, channel)

    def _discard(self, entry: SessionEntry) -> None:
        info = entry.info
        for channel in list(entry.channels):
            self._exit(entry, channel)
        self._facts ^= self._session_fact(entry)
        del self.sessions[info.session_id]
        worker = self.workers[info.worker]
        del worker[info.session_id]
        if not worker:
            del self.workers[info.worker]
        user = self.users[info.user_id]
        user.online -= entry.status is Status.ONLINE
        del user.sessions[info.session_id]
        if user.sessions:
            self._settle(user)
        else:
            del self.users[info.user_id]
            together = self.parts[user.part]
            together.remove(user)
            if not together:
                del self.parts[user.part]

    def _enter(self, entry: SessionEntry, channel: ChannelKey) -> None:
        user = self.users[entry.info.user_id]
        entry.channels.add(channel)
        count = user.channels.get(channel, 0)
        user.channels[channel] = count + 1
        if not count:
            self.channels.setdefault(channel, {})[user.user_id] = user
            if (listed := self._ordered.get(channel)) is not None:
                insort(listed, user, key=_by_order)
        self.places += 1
        self._facts ^= _fact(entry.info.session_id, channel)

    def _exit(self, entry: SessionEntry, channel: ChannelKey) -> None:
        user = self.users[entry.info.user_id]
        entry.channels.discard(channel)
        self.places -= 1
        self._facts ^= _fact(entry.info.session_id, channel)
        user.channels[channel] -= 1
        if not user.channels[channel]:
            del user.channels[channel]
            members = self.channels[channel]
            del members[user.user_id]
            if (listed := self._ordered.get(channel)) is not None:
                _remove(listed, user)
            if not members:
                del self.channels[channel]
                self._ordered.pop(channel, None)

    def _set_status(self, entry: SessionEntry, status: Status) -> None:
        user = self.users[entry.info.user_id]
        self._facts ^= self._session_fact(entry)
        user.online += (status is Status.ONLINE) - (entry.status is Status.ONLINE)
        entry.status = status
        self._facts ^= self._session_fact(entry)
        self._settle(user)

    def _settle(self, user: UserEntry) -> None:
        """The user may have another status or name: they move in the lists that they are in."""
        order = _order_of(user)
        if order == user.order:
            return
        listed = [found for channel in user.channels if (found := self._ordered.get(channel)) is not None]
        for members in listed:
            _remove(members, user)
        user.order = order
        for members in listed:
            insort(members, user, key=_by_order)


def _is_same(entry: SessionEntry, item: SnapshotSession) -> bool:
    return (
        entry.info == item.session
        and entry.status is item.status
        and entry.lingering_until == item.lingering_until
        and entry.channels == item.channels
    )


def _order_of(user: UserEntry) -> MemberOrder:
    return (0 if user.online else 1), user.username.lower(), user.user_id


def _remove(listed: list[UserEntry], user: UserEntry) -> None:
    del listed[bisect_left(listed, user.order, key=_by_order)]


def _holds(condition: bool, sentence: str) -> None:
    if not condition:
        raise AssertionError(sentence)
