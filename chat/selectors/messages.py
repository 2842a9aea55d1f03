"""Reads of messages: pages by number, changes by cursor, one by its id; in the `message` shape.

Each answers with a fixed number of queries; every range runs along one index (no OFFSET anywhere).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from chat.domain.events import ChangesData, MessageData
from chat.domain.ids import ChannelKey
from chat.models import Channel, Mention, Message, Reaction
from chat.selectors.channels import ChannelRow, channel_row
from chat.selectors.times import timestamp
from reaktor.errors import InvalidError, NotFoundError


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages by number, oldest first, and whether there are more in the direction that was asked for."""

    messages: list[MessageData]
    has_more: bool


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


def messages_changed(channel: ChannelRow, *, after: int, limit: int) -> ChangesData:
    """What changed since the cursor, in its present state, ordered by changed_seq; or a reset.

    Reset: the cursor is below the floor or above the head, or more than `limit` messages changed.
    """
    if after > channel.seq or after < channel.floor_seq:
        return {"reset": True, "seq": channel.seq}
    query = Message.objects.filter(channel_id=channel.id, changed_seq__gt=after).values(*_COLUMNS)
    rows = list(query.order_by("changed_seq")[: limit + 1])
    if len(rows) > limit:
        return {"reset": True, "seq": channel.seq}
    # Read after the head was: a change in between is in the rows, so the cursor must not stay behind them.
    return {"messages": message_data(rows), "seq": max(channel.seq, rows[-1]["changed_seq"]) if rows else channel.seq}


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
