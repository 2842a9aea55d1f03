"""Reads: what is stored, as plain values in the shapes of chat.domain.events. Nothing here writes or publishes.

Called in database threads (actions through reaktor.database, REST views in theirs). Each answers with a fixed
number of queries, whatever it finds.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
from django.db.models import Count, Q
from django.db.models.functions import Lower

from accounts.models import User
from chat.domain.events import ChangesData, ChannelData, MessageData, UserData
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.rules import Access, ChannelKind, Role
from chat.models import Channel, ChannelMembership, History, Mention, Message, Reaction
from reaktor.errors import InvalidError, NotFoundError

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


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages by number, oldest first, and whether there are more in the direction that was asked for."""

    messages: list[MessageData]
    has_more: bool


def timestamp(at: datetime) -> str:
    """`2026-11-23T10:00:00.123Z`: ISO 8601, UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def users_named(names: Iterable[str]) -> dict[str, UserRef]:
    """The active users with these lower-cased names, by lower-cased name. One query, none for no names."""
    wanted = list(names)
    if not wanted:
        return {}
    query = User.objects.annotate(folded=Lower("username")).filter(folded__in=wanted, is_active=True)
    return {
        folded: UserRef(UserId(str(pk)), username, is_staff)
        for folded, pk, username, is_staff in query.values_list("folded", "id", "username", "is_staff")
    }


def user_data(user: User) -> UserData:
    """The `user` shape."""
    return {
        "id": str(user.id),
        "username": user.username,
        "is_staff": user.is_staff,
        "created_at": timestamp(user.created_at),
    }


def user_ref(user: User) -> UserRef:
    return UserRef(UserId(str(user.id)), user.username, user.is_staff)


def history_epoch() -> str:
    """The epoch of this database's history."""
    return str(History.objects.values_list("epoch", flat=True).get(pk=1))


# -- Channels -----------------------------------------------------------------------------------------------------


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


def channel_access(*, user: UserRef, key: ChannelKey) -> ChannelAccess:
    """The channel, if this user may read it. Raises NotFoundError, also for a private one that is not theirs."""
    found = Channel.objects.filter(key=key).first()
    if found is None:
        raise NotFoundError("There is no such channel.")
    membership = ChannelMembership.objects.filter(channel=found, user_id=user.id).first()
    mentions = unread_mentions(user.id, {found.id: membership.read_number if membership else 0}).get(found.id, 0)
    result = _with_access(found, membership, user, mentions)
    result.access.check_read()
    return result


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


# -- Messages -----------------------------------------------------------------------------------------------------

_COLUMNS = (
    "id", "channel__key", "number", "seq", "changed_seq", "author__username", "text", "reply_to_id", "nonce",
    "created_at", "edited_at", "deleted_at",
)  # fmt: skip


def message_data(rows: Iterable[Mapping[str, Any]]) -> list[MessageData]:
    """The `message` shape of rows with _COLUMNS, their reactions and mentions fetched in two more queries."""
    rows = list(rows)
    ids = [row["id"] for row in rows]
    reactions: dict[uuid.UUID, dict[str, list[str]]] = {}
    mentions: dict[uuid.UUID, list[str]] = {}
    if ids:
        reacted = Reaction.objects.filter(message_id__in=ids).order_by("id")
        for message_id, emoji, username in reacted.values_list("message_id", "emoji", "user__username"):
            reactions.setdefault(message_id, {}).setdefault(emoji, []).append(username)
        named = Mention.objects.filter(message_id__in=ids).order_by("id")
        for message_id, username in named.values_list("message_id", "user__username"):
            mentions.setdefault(message_id, []).append(username)
    return [_message(row, reactions.get(row["id"], {}), mentions.get(row["id"], [])) for row in rows]


def _message(row: Mapping[str, Any], reactions: dict[str, list[str]], mentions: list[str]) -> MessageData:
    is_deleted = row["deleted_at"] is not None
    return {
        "id": str(row["id"]),
        "channel": row["channel__key"],
        "number": row["number"],
        "seq": row["seq"],
        "changed_seq": row["changed_seq"],
        "author": row["author__username"],
        "text": None if is_deleted else row["text"],
        "reply_to": str(row["reply_to_id"]) if row["reply_to_id"] else None,
        "nonce": row["nonce"],
        "reactions": {} if is_deleted else reactions,
        "mentions": [] if is_deleted else mentions,
        "created_at": timestamp(row["created_at"]),
        "edited_at": timestamp(row["edited_at"]) if row["edited_at"] else None,
        "deleted_at": timestamp(row["deleted_at"]) if row["deleted_at"] else None,
    }


def message_by_id(channel_id: int, message_id: str) -> MessageData:
    """One message of a channel in its present state. Raises NotFoundError."""
    row = Message.objects.filter(channel_id=channel_id, pk=parse_message_id(message_id)).values(*_COLUMNS).first()
    if row is None:
        raise NotFoundError("There is no such message in this channel.")
    return message_data([row])[0]


def parse_message_id(message_id: object) -> uuid.UUID:
    """Raises NotFoundError for anything that is no UUID: no message has such an id."""
    try:
        return uuid.UUID(str(message_id))
    except ValueError:
        raise NotFoundError("There is no such message in this channel.") from None


def messages_page(
    channel_id: int, *, before: int | None = None, after: int | None = None, around: int | None = None, limit: int = 50
) -> MessagePage:
    """A page by number, oldest first; without a mark the newest. At most one of the marks may be given.

    `has_more`: there are older ones (before, none), newer ones (after), or either (around).
    """
    if sum(mark is not None for mark in (before, after, around)) > 1:
        raise InvalidError("Give one of before, after and around.", fields={"before": "only one of the three"})
    query = Message.objects.filter(channel_id=channel_id).values(*_COLUMNS)
    if around is not None:
        older = list(query.filter(number__lte=around).order_by("-number")[: limit // 2 + 2])
        newer = list(query.filter(number__gt=around).order_by("number")[: limit - limit // 2])
        more = len(older) > limit // 2 + 1 or len(newer) > limit - limit // 2 - 1
        rows = [*reversed(older[: limit // 2 + 1]), *newer[: limit - limit // 2 - 1]]
    elif after is not None:
        rows = list(query.filter(number__gt=after).order_by("number")[: limit + 1])
        rows, more = rows[:limit], len(rows) > limit
    else:
        if before is not None:
            query = query.filter(number__lt=before)
        rows = list(query.order_by("-number")[: limit + 1])
        rows, more = rows[:limit][::-1], len(rows) > limit
    return MessagePage(message_data(rows), more)


def messages_between(channel_id: int, first: int, last: int) -> list[MessageData]:
    """The messages numbered first to last, oldest first."""
    query = Message.objects.filter(channel_id=channel_id, number__gte=first, number__lte=last)
    return message_data(query.values(*_COLUMNS).order_by("number"))


def messages_changed(channel: ChannelRow, *, after: int, limit: int, up_to: int | None = None) -> ChangesData:
    """What changed since the cursor, in its present state, ordered by changed_seq; or a reset.

    Reset: the cursor is below the floor or above the head, or more than `limit` messages changed. With `up_to`,
    changes above it are left out (they come live) and it is the seq answered.
    """
    head = channel.seq if up_to is None else up_to
    if after > head or after < channel.floor_seq:
        return {"reset": True, "seq": head}
    query = Message.objects.filter(channel_id=channel.id, changed_seq__gt=after)
    if up_to is not None:
        query = query.filter(changed_seq__lte=up_to)
    rows = list(query.values(*_COLUMNS).order_by("changed_seq")[: limit + 1])
    if len(rows) > limit:
        return {"reset": True, "seq": head}
    # Read after the head was: a change in between is in the rows, so the cursor must not stay behind them.
    return {"messages": message_data(rows), "seq": max(head, rows[-1]["changed_seq"]) if rows else head}


def channel_changes(key: ChannelKey, *, after: int, limit: int) -> ChangesData:
    """messages_changed() for a channel whose head is read first. Raises NotFoundError."""
    found = Channel.objects.filter(key=key).first()
    if found is None:
        raise NotFoundError("There is no such channel.")
    return messages_changed(channel_row(found), after=after, limit=limit)


def changes_bytes(found: ChangesData) -> int:
    """How large an answer's messages are as JSON."""
    return len(orjson.dumps(found.get("messages", [])))


def bounded_changes(found: ChangesData, *, max_bytes: int) -> ChangesData:
    """The same answer, or a reset when its messages would be larger than that."""
    return {"reset": True, "seq": found["seq"]} if changes_bytes(found) > max_bytes else found


def bounded_page(page: MessagePage, *, max_bytes: int, keep_oldest: bool) -> MessagePage:
    """The same page, or the part of it next to the mark that fits, with has_more."""
    ordered = page.messages if keep_oldest else page.messages[::-1]
    kept: list[MessageData] = []
    size = 0
    for message in ordered:
        size += len(orjson.dumps(message))
        if size > max_bytes and kept:
            break
        kept.append(message)
    if len(kept) == len(ordered):
        return page
    return MessagePage(kept if keep_oldest else kept[::-1], has_more=True)


@dataclass(frozen=True, slots=True)
class NewestMessages:
    """What memory keeps of an active channel: its newest changes (oldest change first) and its newest numbers.

    `floor`: every change above it is in `changed`. Both lists are as of `channel.seq`.
    """

    channel: ChannelRow
    changed: list[MessageData]
    newest: list[MessageData]
    floor: int


def newest_messages(key: ChannelKey, *, changes: int, numbers: int) -> NewestMessages:
    """The start of a channel's feed. Raises NotFoundError.

    The head is read first: what changes meanwhile is above it and comes live.
    """
    found = Channel.objects.filter(key=key).first()
    if found is None:
        raise NotFoundError("There is no such channel.")
    row = channel_row(found)
    query = Message.objects.filter(channel_id=row.id, changed_seq__lte=row.seq).values(*_COLUMNS)
    changed = list(query.order_by("-changed_seq")[:changes])[::-1]
    # An edit that moved a message above the head after it was read comes live, so nothing is missing from this list.
    newest = list(query.filter(number__gt=row.number - numbers, number__lte=row.number).order_by("number"))
    by_id = {data["id"]: data for data in message_data([*changed, *newest])}
    floor = changed[0]["changed_seq"] - 1 if len(changed) == changes else row.floor_seq
    return NewestMessages(
        row, [by_id[str(each["id"])] for each in changed], [by_id[str(each["id"])] for each in newest], floor
    )
