"""Transitions: what a change of the membership means for one worker: its own sessions, and what members are told.

Called by the Replica alone. `carry_out` makes one change and says what came of it; `install` does so with a slice of a
snapshot. Law: all transitions, folded together, equal the membership that the replica shows. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import LeftReason, Status
from chat.membership.protocol import (
    Change,
    Connected,
    Disconnected,
    Joined,
    Left,
    Lingering,
    MemberJoined,
    MemberLeft,
    PresenceChanged,
    SessionEnded,
    SessionEntered,
    SessionExited,
    Snapshot,
    SnapshotSession,
    StatusChanged,
    Transition,
)
from chat.membership.roster import Roster, SessionEntry, UserEntry


def carry_out(roster: Roster, change: Change, worker: WorkerId) -> list[Transition]:
    """Apply one change to the roster; the transitions it makes for that worker, in the order to carry them out."""
    match change:
        case Joined():
            return _joined(roster, change, worker)
        case Left(session_id, channel, reason, text):
            return _left(roster, change, worker, session_id, channel, reason, text)
        case Connected():
            return _connected(roster, change, worker)
        case Disconnected():
            return _disconnected(roster, change, worker)
        case Lingering(session_id):
            entry = roster.sessions.get(session_id)
            ends_here = entry is not None and entry.is_live and entry.info.worker == worker
            roster.apply(change)
            return [SessionEnded(session_id)] if ends_here else []
        case StatusChanged(session_id):
            entry = roster.sessions.get(session_id)
            user = None if entry is None else roster.users[entry.info.user_id]
            before = None if user is None else user.status
            roster.apply(change)
            return list(_presence(user, before))


def _joined(roster: Roster, change: Joined, worker: WorkerId) -> list[Transition]:
    channel = change.channel
    known = (roster.sessions.get(session_id) for session_id in change.session_ids)
    entering = [entry for entry in known if entry is not None and channel not in entry.channels]
    if not entering:
        return []
    user = roster.users[entering[0].info.user_id]
    is_new = channel not in user.channels
    roster.apply(change)
    # Entered first: the one who joins is told of it like everybody else.
    made: list[Transition] = [
        SessionEntered(entry.info.session_id, channel)
        for entry in entering
        if entry.info.worker == worker and entry.is_live
    ]
    if is_new:
        made.append(_member_joined(user, channel))
    return made


def _left(
    roster: Roster,
    change: Change,
    worker: WorkerId,
    session_id: SessionId,
    channel: ChannelKey,
    reason: LeftReason,
    text: str,
) -> list[Transition]:
    entry = roster.sessions.get(session_id)
    if entry is None or channel not in entry.channels:
        return []
    user = roster.users[entry.info.user_id]
    roster.apply(change)
    made: list[Transition] = []
    if entry.info.worker == worker and entry.is_live:
        made.append(SessionExited(session_id, channel, reason, text))
    if channel not in user.channels:
        made.append(MemberLeft(channel, user.user_id, user.username, reason))
    return made


def _connected(roster: Roster, change: Connected, worker: WorkerId) -> list[Transition]:
    info = change.session
    known = roster.users.get(info.user_id)
    before = None if known is None else known.status
    was_in = frozenset[ChannelKey]() if known is None else frozenset(known.channels)
    old = None if change.took_over is None else roster.sessions.get(change.took_over)
    roster.apply(change)
    made: list[Transition] = []
    if old is not None and old.is_live and old.info.worker == worker:
        made.append(SessionEnded(old.info.session_id))
    user = roster.users[info.user_id]
    made.extend(_member_joined(user, channel) for channel in sorted(user.channels.keys() - was_in))
    if info.worker == worker:
        made.extend(
            SessionEntered(info.session_id, channel, change.heads.get(channel)) for channel in sorted(change.channels)
        )
    # Where the old session was in channels that the new one may not enter any more.
    gone = sorted(was_in - user.channels.keys())
    made.extend(MemberLeft(channel, user.user_id, user.username, LeftReason.QUIT) for channel in gone)
    made.extend(_presence(user, before))
    return made


def _disconnected(roster: Roster, change: Disconnected, worker: WorkerId) -> list[Transition]:
    entry = roster.sessions.get(change.session_id)
    if entry is None:
        return []
    user = roster.users[entry.info.user_id]
    before = user.status
    was_in = sorted(entry.channels)
    roster.apply(change)
    made: list[Transition] = []
    if entry.info.worker == worker and entry.is_live:
        made.append(SessionEnded(change.session_id, change.close_code, change.close_reason))
    made.extend(
        MemberLeft(channel, user.user_id, user.username, change.reason)
        for channel in was_in
        if channel not in user.channels
    )
    if user.sessions:
        made.extend(_presence(user, before))
    return made


def _member_joined(user: UserEntry, channel: ChannelKey) -> MemberJoined:
    return MemberJoined(channel, user.user_id, user.username, user.status)


def _presence(user: UserEntry | None, before: Status | None) -> Iterator[Transition]:
    if user is not None and before is not None and user.status is not before:
        yield PresenceChanged(user.user_id, user.username, user.status, frozenset(user.channels))


class _Seen(NamedTuple):
    """A user as they were shown: where, and through which live sessions of this worker."""

    username: str = ""
    status: Status | None = None
    channels: frozenset[ChannelKey] = frozenset()
    own: Mapping[SessionId, frozenset[ChannelKey]] = {}


def install(
    roster: Roster, snapshot: Snapshot, parts: Collection[int], worker: WorkerId, *, tells_members: bool
) -> list[Transition]:
    """Make these parts what a snapshot shows of them. The difference: first who is gone, then who is new, then whose
    status is another. Without `tells_members`, of sessions of this worker only.

    Only users that differ are touched: what stays costs a look, and leaves nothing to the garbage collector.
    """
    shown: dict[UserId, list[SnapshotSession]] = {}
    for item in snapshot.sessions:
        shown.setdefault(item.session.user_id, []).append(item)
    differing = [user.user_id for user in roster.users_in(parts) if user.user_id not in shown]
    differing += [user_id for user_id, items in shown.items() if not roster.shows(user_id, items)]
    before = {user_id: _seen(roster, user_id, worker) for user_id in differing}
    for user_id in differing:
        roster.replace(user_id, shown.get(user_id, ()))
    return _difference(before, roster, worker, tells_members=tells_members)


def _difference(
    before: Mapping[UserId, _Seen], roster: Roster, worker: WorkerId, *, tells_members: bool
) -> list[Transition]:
    ended: list[Transition] = []
    left: list[Transition] = []
    joined: list[Transition] = []
    entered: list[Transition] = []
    changed: list[Transition] = []
    for user_id, was in before.items():
        own = _own(roster, user_id, worker)
        for session_id, channels in was.own.items():
            if (now := own.get(session_id)) is None:
                ended.append(SessionEnded(session_id))
            else:
                gone = sorted(channels - now.channels)
                ended.extend(SessionExited(session_id, channel, LeftReason.LEFT) for channel in gone)
        for session_id, entry in own.items():
            into = sorted(entry.channels - was.own.get(session_id, frozenset()))
            entered.extend(SessionEntered(session_id, channel, entry.heads.get(channel)) for channel in into)
        if not tells_members:
            continue
        user = roster.users.get(user_id)
        # Which change took them out is not known: no session left means QUIT.
        reason = LeftReason.QUIT if user is None else LeftReason.LEFT
        still = frozenset[ChannelKey]() if user is None else user.channels.keys()
        left.extend(MemberLeft(channel, user_id, was.username, reason) for channel in sorted(was.channels - still))
        if user is not None:
            joined.extend(_member_joined(user, channel) for channel in sorted(still - was.channels))
            changed.extend(_presence(user, was.status))
    return ended + left + joined + entered + changed


def _seen(roster: Roster, user_id: UserId, worker: WorkerId) -> _Seen:
    if (user := roster.users.get(user_id)) is None:
        return _Seen()
    own = {key: frozenset(entry.channels) for key, entry in _own(roster, user_id, worker).items()}
    return _Seen(user.username, user.status, frozenset(user.channels), own)


def _own(roster: Roster, user_id: UserId, worker: WorkerId) -> dict[SessionId, SessionEntry]:
    """The user's live sessions of this worker."""
    if (user := roster.users.get(user_id)) is None:
        return {}
    return {key: entry for key, entry in user.sessions.items() if entry.info.worker == worker and entry.is_live}
