"""Transitions: what a change of the membership means for one worker: its own sessions, and what members are told.

Called by the Replica alone. `carry_out` makes one change and says what came of it; `difference` compares what was
shown with what a snapshot shows. Law: all transitions, folded together, equal the membership that the replica shows.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator

from chat.domain.ids import ChannelKey, SessionId, WorkerId
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


def difference(old: Roster, new: Roster, worker: WorkerId) -> list[Transition]:
    """What leads from one roster to another: first who is gone, then who is new, then whose status is another."""
    made: list[Transition] = []
    own_old, own_new = _own(old, worker), _own(new, worker)
    for session_id, entry in own_old.items():
        if (now := own_new.get(session_id)) is None:
            made.append(SessionEnded(session_id))
        else:
            made.extend(
                SessionExited(session_id, channel, LeftReason.LEFT) for channel in sorted(entry.channels - now.channels)
            )
    for user_id, user in old.users.items():
        made.extend(_gone(user, new.users.get(user_id)))
    changed: list[Transition] = []
    for user_id, user in new.users.items():
        was = old.users.get(user_id)
        known = frozenset[ChannelKey]() if was is None else was.channels.keys()
        made.extend(_member_joined(user, channel) for channel in sorted(user.channels.keys() - known))
        changed.extend(_presence(user, None if was is None else was.status))
    for session_id, entry in own_new.items():
        before = own_old.get(session_id)
        into = entry.channels if before is None else entry.channels - before.channels
        made.extend(SessionEntered(session_id, channel, entry.heads.get(channel)) for channel in sorted(into))
    return made + changed


def entered(roster: Roster, worker: WorkerId) -> list[Transition]:
    """What a first snapshot means: nobody was shown anything before, but sessions of this worker may be in it."""
    return [
        SessionEntered(session_id, channel, entry.heads.get(channel))
        for session_id, entry in _own(roster, worker).items()
        for channel in sorted(entry.channels)
    ]


def _own(roster: Roster, worker: WorkerId) -> dict[SessionId, SessionEntry]:
    return {session_id: entry for session_id, entry in roster.workers.get(worker, {}).items() if entry.is_live}


def _gone(user: UserEntry, now: UserEntry | None) -> Iterator[MemberLeft]:
    """The channels that the user is no longer in. Which change did it is not known: no session left means QUIT."""
    reason = LeftReason.QUIT if now is None else LeftReason.LEFT
    still: frozenset[ChannelKey] | set[ChannelKey] = frozenset() if now is None else set(now.channels)
    for channel in sorted(user.channels.keys() - still):
        yield MemberLeft(channel, user.user_id, user.username, reason)
