"""Reads of channels, and of what one user is to them.

Each answers with a fixed number of queries, whatever it finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Count, Q

from chat.domain.events import ChannelData
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.rules import Access, ChannelKind, Role
from chat.models import Channel, ChannelMembership, Mention
from chat.selectors import rows
from reaktor.errors import InvalidError, NotFoundError
from reaktor.times import timestamp

LISTED_CHANNELS = 5_000
"""More than anybody looks through; a list without pages needs an end."""


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


@dataclass(frozen=True, slots=True)
class ChannelAccess:
    """A channel and what one user is to it. `mentions` counts the unread ones."""

    channel: ChannelRow
    access: Access
    read_number: int = 0
    mentions: int = 0


def channel_row(channel: Channel) -> ChannelRow:
    return ChannelRow(
        id=channel.id,
        key=ChannelKey(channel.key),
        name=channel.name,
        topic=channel.topic,
        kind=ChannelKind(channel.kind),
        seq=channel.seq,
        number=channel.number,
        floor_seq=channel.floor_seq,
        created_at=channel.created_at,
        archived_at=channel.archived_at,
    )


def _with_access(
    channel: Channel, membership: ChannelMembership | None, user: UserRef, mentions: int = 0
) -> ChannelAccess:
    access = Access(
        kind=ChannelKind(channel.kind),
        role=Role(membership.role) if membership else None,
        is_staff=user.is_staff,
        is_archived=channel.archived_at is not None,
    )
    return ChannelAccess(channel_row(channel), access, membership.read_number if membership else 0, mentions)


def channel_readable(*, user: UserRef, key: ChannelKey) -> ChannelAccess:
    """The channel, if this user may read it, without its mentions counted. One query.

    Raises NotFoundError, also for a private one that is not theirs.
    """
    found = rows.channel_find(key=key, user_id=user.id)
    if found is None:
        raise NotFoundError("There is no such channel.")
    kind = ChannelKind(found.kind)
    access = Access(
        kind=kind,
        role=Role(found.role) if found.role else None,
        is_staff=user.is_staff,
        is_archived=found.archived_at is not None,
    )
    access.check_read()
    row = ChannelRow(
        id=found.id,
        key=ChannelKey(found.key),
        name=found.name,
        topic=found.topic,
        kind=kind,
        seq=found.seq,
        number=found.number,
        floor_seq=found.floor_seq,
        created_at=found.created_at,
        archived_at=found.archived_at,
    )
    return ChannelAccess(row, access, found.read_number or 0)


def channel_access(*, user: UserRef, key: ChannelKey) -> ChannelAccess:
    """The same with the unread mentions counted: for who shows the channel."""
    found = channel_readable(user=user, key=key)
    mentions = rows.mentions_count(channel_id=found.channel.id, user_id=user.id, above=found.read_number)
    return replace(found, mentions=mentions)


def channels_access(*, user: UserRef, keys: Sequence[ChannelKey] = ()) -> list[ChannelAccess]:
    """The user's durable memberships, and those of `keys` that they may read; oldest channel first."""
    memberships = {row.channel_id: row for row in ChannelMembership.objects.filter(user_id=user.id)}
    rows = list(Channel.objects.filter(Q(pk__in=list(memberships)) | Q(key__in=list(keys))).order_by("id"))
    marks = {row.id: memberships[row.id].read_number for row in rows if row.id in memberships}
    mentions = unread_mentions(user.id, marks)
    found = [_with_access(row, memberships.get(row.id), user, mentions.get(row.id, 0)) for row in rows]
    return [each for each in found if each.access.can_read]


def unread_mentions(user_id: UserId, marks: Mapping[int, int]) -> dict[int, int]:
    """How many messages above the read marker name the user, per channel id of `marks` (id → read_number)."""
    if not marks:
        return {}
    above = Q()
    for channel_id, read_number in marks.items():
        above |= Q(channel_id=channel_id, number__gt=read_number)
    counted = Mention.objects.filter(above, user_id=user_id).values("channel_id").annotate(count=Count("id"))
    return {row["channel_id"]: row["count"] for row in counted}


def channel_list(
    *, user: UserRef, search: str | None = None, cursor: str | None = None, limit: int = 100
) -> tuple[list[ChannelAccess], str | None]:
    """Public channels, oldest first, whose name contains `search`; and the cursor of the next page (None: the last)."""
    query = Channel.objects.filter(kind=ChannelKind.PUBLIC, archived_at=None)
    if search:
        query = query.filter(name__icontains=search)
    if cursor:
        if not cursor.isdigit() or len(cursor) > 18:
            raise InvalidError("That is not a cursor of this list.", fields={"cursor": "unknown"})
        query = query.filter(id__gt=int(cursor))
    rows = list(query.order_by("id")[: limit + 1])
    shown = rows[:limit]
    memberships = {row.channel_id: row for row in ChannelMembership.objects.filter(user_id=user.id, channel__in=shown)}
    mentions = unread_mentions(user.id, {row.channel_id: row.read_number for row in memberships.values()})
    found = [_with_access(row, memberships.get(row.id), user, mentions.get(row.id, 0)) for row in shown]
    return found, str(shown[-1].id) if len(rows) > limit else None


def public_channels() -> list[tuple[ChannelKey, str]]:
    """(key, name) of the public channels, oldest first: the seed contract's list, which knows no pages. One query."""
    query = Channel.objects.filter(kind=ChannelKind.PUBLIC, archived_at=None).order_by("id")
    return [(ChannelKey(key), name) for key, name in query.values_list("key", "name")[:LISTED_CHANNELS]]


def channel_data(found: ChannelAccess, *, online: int) -> ChannelData:
    """The `channel` shape. Who was never a member has nothing unread there."""
    row, role = found.channel, found.access.role
    return {
        "key": row.key,
        "name": row.name,
        "topic": row.topic,
        "kind": row.kind.value,
        "seq": row.seq,
        "number": row.number,
        "online": online,
        "role": role.value if role else None,
        "read_number": found.read_number,
        "unread": max(row.number - found.read_number, 0) if role else 0,
        "mentions": found.mentions,
        "archived_at": timestamp(row.archived_at) if row.archived_at else None,
        "created_at": timestamp(row.created_at),
    }


def channel_heads(keys: Sequence[ChannelKey]) -> dict[ChannelKey, int]:
    """The newest seq of each of these channels; unknown keys are absent. One query."""
    return {ChannelKey(key): seq for key, seq in Channel.objects.filter(key__in=keys).values_list("key", "seq")}
