"""Reads of channels, and of what one user is to them.

Each answers with a fixed number of queries, whatever it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import orjson
from django.db import connection

from chat.domain.events import LAST_CHARS, ChannelData, CountedData, LastData, OwnChannelData, ReadData, mark_data
from chat.domain.following import Level, level_of
from chat.domain.formatting import shortened
from chat.domain.hiding import HIDING_KINDS, Names, last_seen, names_hidden
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.moderation import MembershipData
from chat.domain.policies import Access, ChannelKind, Role, ban_from_channel
from chat.domain.reading import START, UNREAD, Head, Marker
from chat.domain.rules import UNNAMED
from chat.models import Channel, Sanction, name_search
from chat.selectors import rows
from chat.selectors.hiding import blocked_names
from chat.selectors.rows import ChannelColumns, LastColumns
from reaktor.errors import BannedError, InvalidError, NotFoundError
from reaktor.shapes import ListData
from reaktor.times import timestamp
from reaktor.why import Why

FIRST_CHANNELS = ("general", "programming", "random")
"""The keys of those that every server begins with."""
GONE = "deleted user"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel as it is stored. `seq` and `number` are its heads at the time of reading."""

    id: int
    key: ChannelKey
    name: str
    topic: str
    kind: ChannelKind
    seq: int
    number: int
    floor_seq: int
    created_at: datetime
    archived_at: datetime | None
    frozen_at: datetime | None = None
    slow_mode_s: int = 0
    aside: int = 0
    has_threads: bool = True
    everybody_pins: bool = False

    @property
    def head(self) -> Head:
        """The place of its newest message."""
        return Head(self.number, self.aside)


@dataclass(frozen=True, slots=True)
class ChannelAccess:
    """A channel and what one user is to it. `mentions` counts the unread ones."""

    channel: ChannelRow
    access: Access
    marker: Marker = UNREAD
    mentions: int = 0
    level: Level | None = None
    is_hidden: bool = False


def channel_row(found: Channel | ChannelColumns, *, name: str | None = None) -> ChannelRow:
    """`name`: what it is called, where that is not its own."""
    return ChannelRow(
        id=found.id,
        key=ChannelKey(found.key),
        name=found.name if name is None else name,
        topic=found.topic,
        kind=ChannelKind(found.kind),
        seq=found.seq,
        number=found.number,
        floor_seq=found.floor_seq,
        created_at=found.created_at,
        archived_at=found.archived_at,
        frozen_at=found.frozen_at,
        slow_mode_s=found.slow_mode_s,
        aside=found.aside,
        has_threads=bool(found.has_threads),
        everybody_pins=bool(found.everybody_pins),
    )


def _marker(found: ChannelColumns) -> Marker:
    return Marker(Head(found.read_number, found.read_aside), found.own, found.read_rev)


def _level(found: ChannelColumns) -> Level | None:
    return level_of(found.level, ChannelKind(found.kind)) if found.role else None


def _all_as_seen(found: Sequence[ChannelColumns], user: UserRef) -> list[ChannelAccess]:
    """One query more where there are groups that nobody gave a name."""
    unnamed = [row.id for row in found if row.kind == ChannelKind.GROUP and row.name == UNNAMED[ChannelKind.GROUP]]
    members = rows.members_select(user.id, unnamed) if unnamed else {}
    named = (row._replace(name=", ".join(members.get(row.id, [GONE]))) if row.id in members else row for row in found)
    return [_as_seen(row, user) for row in named]


def _as_seen(found: ChannelColumns, user: UserRef) -> ChannelAccess:
    kind = ChannelKind(found.kind)
    access = Access(
        kind=kind,
        role=Role(found.role) if found.role else None,
        is_staff=user.is_staff,
        is_archived=found.archived_at is not None,
        is_banned=found.ban_id is not None,
    )
    # A direct channel is called as the other one is, whoever looks.
    name = found.partner or GONE if kind is ChannelKind.DIRECT else None
    mentions = found.mentions if found.role else 0
    row = channel_row(found, name=name)
    return ChannelAccess(row, access, _marker(found), mentions, _level(found), bool(found.is_hidden))


def channel_access(*, user: UserRef, key: ChannelKey, to_moderate: bool = False) -> ChannelAccess:
    """The channel, if this user may read it; `to_moderate`: or is staff, who act where they are no member, too.

    Raises NotFoundError, also for a private one that is not theirs, and BannedError.
    """
    found = rows.channels_select(user.id, "c.key = %s", [key], limit=1)
    if not found:
        raise NotFoundError("There is no such channel.", why=Why.NO_SUCH_CHANNEL)
    result = _all_as_seen(found, user)[0]
    if to_moderate and user.is_staff:
        return result
    try:
        result.access.check_read()
    except BannedError as error:
        # Only who is refused costs another query.
        for until, reason in Sanction.objects.filter(pk=found[0].ban_id or 0).values_list("until", "reason"):
            raise ban_from_channel(until, reason) from error
        raise
    return result


def channels_access(*, user: UserRef, keys: Sequence[ChannelKey] = ()) -> list[ChannelAccess]:
    """The user's durable memberships, and those of `keys` that they may read; oldest channel first."""
    found = _all_as_seen(rows.channels_select_mine(user.id, keys), user)
    return [each for each in found if each.access.can_read]


def channels_named(*, user: UserRef, keys: Sequence[ChannelKey]) -> list[ChannelAccess]:
    """Those of these channels that the user may read. Two queries at most, for some hundred of them."""
    where = f"c.key IN ({', '.join(['%s'] * len(keys))})"
    found = rows.channels_select(user.id, where, list(keys), limit=len(keys))
    return [each for each in _all_as_seen(found, user) if each.access.can_read]


def channels_searched(user: UserRef) -> list[int]:
    """The ids of the channels that the user belongs to and may read: where a search looks. One query."""
    return rows.readable_select(user.id)


def channel_list(
    *,
    user: UserRef,
    online: Callable[[ChannelKey], int],
    search: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> ListData[ChannelData]:
    """Public channels, oldest first, whose name contains `search` whatever its case, accents and form.

    A search that no index serves looks at name_search.NAMES_AT_ONCE names, and `next` leads on behind those.
    `online`: how many are in a channel now.
    """
    if cursor and (not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 18):
        raise InvalidError("That is not a cursor of this list.", fields={"cursor": "unknown"})
    after = int(cursor or 0)
    wanted = name_search.find(connection, search or "", after, limit + 1)
    found = rows.listed_select(user.id, f"c.id > %s{wanted.condition}", [after, *wanted.parameters], limit=limit + 1)
    shown = found[:limit]
    following = shown[-1].id if len(found) > limit else wanted.looked_at_up_to
    return {
        "results": [
            _shape(each, each.role, _level(each), _marker(each), each.mentions, online(ChannelKey(each.key)))
            for each in shown
        ],
        "next": None if following is None else str(following),
    }


def my_channels(
    *,
    user: UserRef,
    online: Callable[[ChannelKey], int],
    kind: str | None = None,
    unread: bool = False,
    cursor: str | None = None,
    limit: int = 50,
) -> ListData[OwnChannelData]:
    """The channels that the user belongs to, newest activity first. Raises InvalidError for a cursor of none of its
    pages.
    """
    found = rows.mine_select(
        user.id, kind=kind, is_unread=unread, before=_parse_activity(cursor) if cursor else None, limit=limit + 1
    )
    shown = found[:limit]
    mine = list(zip(_all_as_seen([row for row, _ in shown], user), (last for _, last in shown), strict=True))
    has_hiding = any(row.kind in HIDING_KINDS and last.id is not None for row, last in shown)
    blocked = blocked_names(user.id) if has_hiding else []
    following = _activity(*shown[-1]) if len(found) > limit else None
    return {
        "results": [
            _own(each, last, names_hidden(each.channel.kind, blocked), online)
            for each, last in mine
            if each.access.can_read
        ],
        "next": following,
    }


def _activity(row: ChannelColumns, last: LastColumns) -> str:
    """Where a page ends, to the microsecond."""
    return f"{(last.active_at - _EPOCH) // timedelta(microseconds=1)}_{row.id}"


def _parse_activity(cursor: str) -> tuple[datetime, int]:
    at, _, channel_id = cursor.partition("_")
    try:
        return _EPOCH + timedelta(microseconds=int(at)), int(channel_id)
    except (ValueError, OverflowError):
        raise InvalidError("That is not a cursor of this list.", fields={"cursor": "unknown"}) from None


def _own(found: ChannelAccess, last: LastColumns, hidden: Names, online: Callable[[ChannelKey], int]) -> OwnChannelData:
    shown = _last(last, found.channel.number)
    return {
        **channel_data(found, online=online(found.channel.key)),
        "last": shown if shown is None else last_seen(shown, hidden),
        "active_at": timestamp(last.active_at),
    }


def _last(last: LastColumns, number: int) -> LastData | None:
    if last.id is None:
        return None
    text = None if last.deleted_at is not None else shortened(last.text or "", LAST_CHARS)
    data: LastData = {
        "id": last.id,
        "number": number,
        "author": last.author or GONE,
        "text": text,
        "created_at": timestamp(last.active_at),
    }
    if last.files is not None and last.deleted_at is None:
        data["files"] = len(orjson.loads(last.files))
    return data


def memberships_list(channel_id: int, *, cursor: str | None = None, limit: int = 100) -> ListData[MembershipData]:
    """Who belongs to the channel: owners, then moderators, then the others, each the newest first."""
    role, _, pk = cursor.partition("_") if cursor is not None else ("", "", "")
    found = rows.memberships_select(channel_id, before=(role, int(pk)) if cursor is not None else None, limit=limit + 1)
    shown = found[:limit]
    return {
        "results": [{"username": name, "role": role, "since": timestamp(since)} for _, name, role, since in shown],
        "next": f"{shown[-1][2]}_{shown[-1][0]}" if len(found) > limit else None,
    }


def public_channels(newest: int) -> list[tuple[ChannelKey, str]]:
    """(key, name) of so many of the newest public channels and of FIRST_CHANNELS, oldest first: the seed contract's
    list, which knows no pages. One query.
    """
    return [(ChannelKey(key), name) for key, name in rows.public_select(FIRST_CHANNELS, newest)]


def channel_number(channel_id: int) -> int:
    """The number of the channel's newest message. One query."""
    return rows.number_select(channel_id)


def channel_data(found: ChannelAccess, *, online: int) -> ChannelData:
    """The `channel` shape. Who was never a member has nothing unread there."""
    data = _shape(found.channel, found.access.role, found.level, found.marker, found.mentions, online)
    data["is_hidden"] = found.is_hidden
    return data


def read_data(marker: Marker, head: Head, mentions: int) -> ReadData:
    """The `read` shape: where a member's marker stands, and what is unread above it."""
    return {**counted_data(marker, head, mentions), "number": head.number}


def counted_data(marker: Marker, head: Head, mentions: int) -> CountedData:
    """The same for where the newest message stands anyway."""
    return {**mark_data(marker, head), "mentions": mentions}


def _shape(
    row: ChannelRow | ChannelColumns, role: str | None, level: Level | None, marker: Marker, mentions: int, online: int
) -> ChannelData:
    head = Head(row.number, row.aside)
    return {
        "key": row.key,
        "name": row.name,
        "topic": row.topic,
        "kind": str(row.kind),
        "seq": row.seq,
        "number": head.number,
        "flow": head.flow,
        "online": online,
        "role": str(role) if role else None,
        "level": str(level) if level else None,
        "is_hidden": False,
        **counted_data(marker, head if role else START, mentions),
        "threads": bool(row.has_threads),
        "slow_mode_s": row.slow_mode_s,
        "everybody_pins": bool(row.everybody_pins),
        "frozen_at": timestamp(row.frozen_at) if row.frozen_at else None,
        "archived_at": timestamp(row.archived_at) if row.archived_at else None,
        "created_at": timestamp(row.created_at),
    }


class ChannelHead(NamedTuple):
    """The newest seq of a channel, and the one below which retention may have deleted messages."""

    seq: int
    floor_seq: int


def channel_heads(keys: Sequence[ChannelKey]) -> dict[ChannelKey, ChannelHead]:
    """The heads of these channels; unknown keys are absent. One query."""
    found = Channel.objects.filter(key__in=keys).values_list("key", "seq", "floor_seq")
    return {ChannelKey(key): ChannelHead(seq, floor_seq) for key, seq, floor_seq in found}
