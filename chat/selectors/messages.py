"""Reads of messages: pages by number, changes by cursor, one by its id; in the `message` shape.

Each answers with a fixed number of queries; every range runs along one index (no OFFSET anywhere).
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from chat.domain.emoji import emoji_spelled
from chat.domain.events import ChangesData, MessageData, via_data
from chat.domain.ids import ChannelKey
from chat.models import Channel, Message
from chat.selectors import rows
from chat.selectors.channels import ChannelRow, channel_row
from chat.selectors.rows import MessageColumns
from reaktor.db.columns import uuid_from_column, uuid_to_column
from reaktor.errors import InvalidError, NotFoundError
from reaktor.times import timestamp

MAX_NUMBER = 2**62
"""Above every number."""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages by number, oldest first, and whether there are more in the direction that was asked for."""

    messages: list[MessageData]
    has_more: bool


def message_data(found: Sequence[MessageColumns]) -> list[MessageData]:
    """The `message` shape, reactions and mentions fetched in one more query."""
    reactions: dict[Any, dict[str, dict[str, None]]] = {}
    mentions: dict[Any, list[str]] = {}
    for column_id, emoji, username in rows.attached_to([row.column_id for row in found]):
        if emoji is None:
            mentions.setdefault(column_id, []).append(username)
        else:
            # Rows of versions before may spell one emoji in several ways.
            names = reactions.setdefault(column_id, {}).setdefault(emoji_spelled(emoji) or emoji, {})
            names[username] = None
    return [
        _message(
            row,
            {emoji: list(names) for emoji, names in reactions.get(row.column_id, {}).items()},
            mentions.get(row.column_id, []),
        )
        for row in found
    ]


def _message(row: MessageColumns, reactions: dict[str, list[str]], mentions: list[str]) -> MessageData:
    is_deleted = row.deleted_at is not None
    data: MessageData = {
        "id": row.id,
        "channel": row.channel,
        "number": row.number,
        "flow": row.flow,
        "seq": row.seq,
        "changed_seq": row.changed_seq,
        "author": row.author,
        "text": None if is_deleted else row.text,
        "reply_to": row.reply_to,
        "nonce": row.nonce,
        "reactions": {} if is_deleted else reactions,
        "mentions": [] if is_deleted else mentions if row.calls is None else [*mentions, row.calls],
        "created_at": timestamp(row.created_at),
        "edited_at": timestamp(row.edited_at) if row.edited_at else None,
        "deleted_at": timestamp(row.deleted_at) if row.deleted_at else None,
    }
    if (via := via_data(is_bot=row.is_bot, via=row.via)) is not None:
        data["via"] = via
    return data


def message_by_id(channel_id: int, message_id: str) -> MessageData:
    """One message of a channel in its present state. Raises NotFoundError."""
    wanted = uuid_to_column(parse_message_id(message_id))
    found = rows.messages_select("m.channel_id = %s AND m.id = %s", [channel_id, wanted], order="m.id", limit=1)
    if not found:
        raise NotFoundError("There is no such message in this channel.")
    return message_data(found)[0]


def messages_by_ids(ids: Sequence[uuid.UUID]) -> list[MessageData]:
    """These messages in their present state, each channel's by changed_seq. Two queries for some hundred of them."""
    found: list[MessageColumns] = []
    for start in range(0, len(ids), rows.PARAMETERS_PER_QUERY):
        part = [uuid_to_column(each) for each in ids[start : start + rows.PARAMETERS_PER_QUERY]]
        where = f"m.id IN ({', '.join(['%s'] * len(part))})"
        found += rows.messages_select(where, part, order="m.channel_id, m.changed_seq", limit=len(part))
    return message_data(found)


def messages_standing(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, MessageColumns]:
    """The rows of those of these messages that are not deleted. One query, for some hundred of them."""
    if not ids:
        return {}
    columns = [uuid_to_column(each) for each in ids]
    where = f"m.id IN ({', '.join(['%s'] * len(columns))}) AND m.deleted_at IS NULL"
    found = rows.messages_select(where, columns, order="m.id", limit=len(columns))
    return {uuid_from_column(row.column_id): row for row in found}


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
    if around is not None:
        half = limit // 2
        older = _by_number(channel_id, "m.number <= %s", around, limit=half + 2, is_newest_first=True)
        newer = _by_number(channel_id, "m.number > %s", around, limit=limit - half)
        has_more = len(older) > half + 1 or len(newer) > limit - half - 1
        found = [*reversed(older[: half + 1]), *newer[: limit - half - 1]]
    elif after is not None:
        found = _by_number(channel_id, "m.number > %s", after, limit=limit + 1)
        found, has_more = found[:limit], len(found) > limit
    else:
        top = before if before is not None else MAX_NUMBER
        found = _by_number(channel_id, "m.number < %s", top, limit=limit + 1, is_newest_first=True)
        found, has_more = found[:limit][::-1], len(found) > limit
    return MessagePage(message_data(found), has_more)


def _by_number(
    channel_id: int, condition: str, *values: int, limit: int, is_newest_first: bool = False
) -> list[MessageColumns]:
    """Messages of a channel along the index of their numbers; `condition` is our own text."""
    order = "m.number DESC" if is_newest_first else "m.number"
    return rows.messages_select(f"m.channel_id = %s AND {condition}", [channel_id, *values], order=order, limit=limit)


def messages_between(channel_id: int, first: int, last: int) -> list[MessageData]:
    """The messages numbered first to last, oldest first."""
    limit = max(last - first + 1, 0)
    return message_data(_by_number(channel_id, "m.number >= %s AND m.number <= %s", first, last, limit=limit))


def messages_changed(channel: ChannelRow, *, after: int, limit: int) -> ChangesData:
    """What changed since the cursor, in its present state, ordered by changed_seq; or a reset.

    Reset: the cursor is below the floor or above the head, or more than `limit` messages changed.
    """
    if after > channel.seq or after < channel.floor_seq:
        return {"reset": True, "seq": channel.seq}
    where = "m.channel_id = %s AND m.changed_seq > %s"
    found = rows.messages_select(where, [channel.id, after], order="m.changed_seq", limit=limit + 1)
    if len(found) > limit:
        return {"reset": True, "seq": channel.seq}
    # Read after the head was: a change in between is in the rows, so the cursor must not stay behind them.
    return {"messages": message_data(found), "seq": max(channel.seq, found[-1].changed_seq) if found else channel.seq}


def changes_between(channel_id: int, *, after: int, until: int) -> list[MessageData]:
    """What is stored of the changes after one place of the stream up to another, in its present state, in order."""
    where = "m.channel_id = %s AND m.changed_seq > %s AND m.changed_seq <= %s"
    limit = max(until - after, 0)
    return message_data(rows.messages_select(where, [channel_id, after, until], order="m.changed_seq", limit=limit))


def channel_changes(key: ChannelKey, *, after: int, limit: int) -> ChangesData:
    """messages_changed() for a channel whose head is read first. Raises NotFoundError."""
    found = Channel.objects.filter(key=key).first()
    if found is None:
        raise NotFoundError("There is no such channel.")
    return messages_changed(channel_row(found), after=after, limit=limit)


def messages_kept(ids: Sequence[str]) -> set[str]:
    """Those of these messages that are still stored. One query for some hundred of them."""
    parts = (ids[start : start + rows.PARAMETERS_PER_QUERY] for start in range(0, len(ids), rows.PARAMETERS_PER_QUERY))
    found = (Message.objects.filter(pk__in=part).values_list("pk", flat=True) for part in parts)
    return {str(pk) for pk in itertools.chain.from_iterable(found)}


def bounded_changes(found: ChangesData, *, max_bytes: int) -> ChangesData:
    """The same answer, or a reset when its messages as JSON would be larger than that."""
    is_larger = len(orjson.dumps(found.get("messages", []))) > max_bytes
    return {"reset": True, "seq": found["seq"]} if is_larger else found


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
    settled = "m.channel_id = %s AND m.changed_seq <= %s"
    changed = rows.messages_select(settled, [row.id, row.seq], order="m.changed_seq DESC", limit=changes)[::-1]
    # An edit that moved a message above the head after it was read comes live, so nothing is missing from this list.
    newest = rows.messages_select(
        f"{settled} AND m.number > %s AND m.number <= %s",
        [row.id, row.seq, row.number - numbers, row.number],
        order="m.number",
        limit=numbers,
    )
    by_id = {data["id"]: data for data in message_data(list({each.id: each for each in [*changed, *newest]}.values()))}
    floor = changed[0].changed_seq - 1 if len(changed) == changes else row.floor_seq
    return NewestMessages(row, [by_id[each.id] for each in changed], [by_id[each.id] for each in newest], floor)
