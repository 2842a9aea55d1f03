"""Reads of messages: pages by number, changes by cursor, one by its id; in the `message` shape.

Each answers with a fixed number of queries; every range runs along one index (no OFFSET anywhere).
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import orjson

from chat.domain.emoji import emoji_spelled
from chat.domain.events import ChangesData, MessageData, ThreadInfoData, via_data
from chat.domain.ids import ChannelKey
from chat.models import Channel, Message, Thread
from chat.selectors import rows
from chat.selectors.channels import ChannelRow, channel_row
from chat.selectors.rows import MessageColumns
from chat.selectors.users import usernames_of
from reaktor.db import driver
from reaktor.db.columns import uuid_from_column, uuid_to_column
from reaktor.errors import InvalidError, NotFoundError
from reaktor.times import timestamp
from reaktor.why import Why

MAX_NUMBER = 2**62
"""Above every number."""


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Messages by number, oldest first, and whether there are more in the direction that was asked for."""

    messages: list[MessageData]
    has_more: bool


def message_data(found: Sequence[MessageColumns]) -> list[MessageData]:
    """The `message` shape, reactions and mentions fetched in one more query, and in another one who is in threads."""
    reactions: dict[Any, dict[str, dict[str, None]]] = {}
    mentions: dict[Any, list[str]] = {}
    for column_id, emoji, username in rows.attached_to([row.column_id for row in found]):
        if emoji is None:
            mentions.setdefault(column_id, []).append(username)
        else:
            # Rows of versions before may spell one emoji in several ways.
            names = reactions.setdefault(column_id, {}).setdefault(emoji_spelled(emoji) or emoji, {})
            names[username] = None
    people = {user for row in found if row.thread is not None for user in row.thread.participants.split()}
    called = usernames_of(people) if people else {}
    return [
        _message(
            row,
            {emoji: list(names) for emoji, names in reactions.get(row.column_id, {}).items()},
            mentions.get(row.column_id, []),
            called,
        )
        for row in found
    ]


def _message(
    row: MessageColumns, reactions: dict[str, list[str]], mentions: list[str], names: Mapping[str, str]
) -> MessageData:
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
    if row.files is not None and not is_deleted:
        data["files"] = orjson.loads(row.files)
    if (thread := row.thread) is not None:
        if thread.root is not None:
            data["thread"], data["also_in_channel"] = thread.root, not thread.is_aside
        if thread.number is not None:
            data["thread_info"] = {
                "number": thread.number,
                "seq": thread.seq,
                "replies": thread.replies,
                "last_reply_at": timestamp(thread.active_at) if thread.replies and thread.active_at else None,
                "participants": [names[user] for user in thread.participants.split() if user in names],
            }
    return data


def message_by_id(channel_id: int, message_id: str) -> MessageData:
    """One message of a channel in its present state. Raises NotFoundError."""
    wanted = uuid_to_column(parse_message_id(message_id))
    found = rows.messages_select("m.channel_id = %s AND m.id = %s", [channel_id, wanted], order="m.id", limit=1)
    if not found:
        raise NotFoundError("There is no such message in this channel.", why=Why.NO_SUCH_MESSAGE)
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


def texts_standing(ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """What those of these messages say that are not deleted. One query, for some hundred of them."""
    if not ids:
        return {}
    found = driver.select(
        f"SELECT id, text FROM chat_message WHERE id IN ({', '.join(['%s'] * len(ids))}) "  # noqa: S608  placeholders
        "AND deleted_at IS NULL",
        [uuid_to_column(each) for each in ids],
    )
    return {uuid_from_column(pk): text for pk, text in found}


def parse_message_id(message_id: object) -> uuid.UUID:
    """Raises NotFoundError for anything that is no UUID: no message has such an id."""
    try:
        return uuid.UUID(str(message_id))
    except ValueError:
        raise NotFoundError("There is no such message in this channel.", why=Why.NO_SUCH_MESSAGE) from None


def messages_page(
    channel_id: int,
    *,
    before: int | None = None,
    after: int | None = None,
    around: int | None = None,
    limit: int = 50,
    flow: bool = False,
    thread: str | None = None,
) -> MessagePage:
    """A page by number, oldest first; without a mark the newest. At most one of the marks may be given.

    `flow`: of what the channel's flow shows; `thread`: of that root's replies. `has_more`: there are older ones
    (before, none), newer ones (after), or either (around).
    """
    if sum(mark is not None for mark in (before, after, around)) > 1:
        raise InvalidError("Give one of before, after and around.", fields={"before": "only one of the three"})
    read = _reading(channel_id, thread, is_flow=flow)
    if around is not None:
        half = limit // 2
        older = read(Range(below=around + 1), half + 2)
        newer = read(Range(above=around), limit - half)
        has_more = len(older) > half + 1 or len(newer) > limit - half - 1
        found = [*reversed(older[: half + 1]), *newer[: limit - half - 1]]
    elif after is not None:
        found = read(Range(above=after), limit + 1)
        found, has_more = found[:limit], len(found) > limit
    else:
        found = read(Range(below=before if before is not None else MAX_NUMBER), limit + 1)
        found, has_more = found[:limit][::-1], len(found) > limit
    return MessagePage(message_data(found), has_more)


class Range(NamedTuple):
    """Numbers below one, the greatest first; or above one, the smallest first."""

    below: int | None = None
    above: int | None = None

    @property
    def is_newest_first(self) -> bool:
        return self.below is not None

    @property
    def condition(self) -> str:
        return "m.number < %s" if self.is_newest_first else "m.number > %s"

    @property
    def order(self) -> str:
        return "m.number DESC" if self.is_newest_first else "m.number"

    @property
    def bound(self) -> int:
        return (self.below if self.is_newest_first else self.above) or 0


Reading = Callable[[Range, int], list[MessageColumns]]


def _reading(channel_id: int, thread: str | None, *, is_flow: bool) -> Reading:
    """How the messages of such a page are read: each time along one index."""
    if thread is not None:
        if is_flow:
            raise InvalidError("A page is of the flow or of a thread.", fields={"flow": "not with thread"})
        root = parse_message_id(thread)
        if not Message.objects.filter(pk=root, channel_id=channel_id).exists():
            return lambda numbers, limit: []
        return partial(_replies, uuid_to_column(root))
    first = Channel.objects.filter(pk=channel_id).values_list("aside_from", flat=True).first() if is_flow else None
    if first is not None:
        return partial(_flow, channel_id, first)
    return lambda numbers, limit: _by_number(
        channel_id, numbers.condition, numbers.bound, limit=limit, is_newest_first=numbers.is_newest_first
    )


def _replies(root: Any, numbers: Range, limit: int) -> list[MessageColumns]:
    """What was answered in a thread. `root`: as a column."""
    ids = rows.replies_walk(root, numbers.bound, limit=limit, is_back=numbers.is_newest_first)
    if not ids:
        return []
    where = f"m.id IN ({', '.join(['%s'] * len(ids))})"
    found = rows.messages_select(where, ids, order="m.id", limit=len(ids))
    return sorted(found, key=lambda row: row.number, reverse=numbers.is_newest_first)


def _flow(channel_id: int, first: int, numbers: Range, limit: int) -> list[MessageColumns]:
    """What the flow of a channel shows in which message `first` is the first one that a thread alone shows.

    Below it all are shown, along the index of numbers; from there on the index message_flow has what is shown.
    """

    def early(count: int) -> list[MessageColumns]:
        end = min(numbers.bound, first) if numbers.is_newest_first else first
        start = 0 if numbers.is_newest_first else numbers.bound
        if end - start <= 1:
            return []
        where = "m.channel_id = %s AND m.number > %s AND m.number < %s"
        return rows.messages_select(where, [channel_id, start, end], order=numbers.order, limit=count)

    def late(count: int) -> list[MessageColumns]:
        if numbers.is_newest_first and numbers.bound <= first:
            return []
        where = f"m.channel_id = %s AND m.aside IS NOT NULL AND m.is_aside IS NULL AND {numbers.condition}"
        return rows.messages_select(where, [channel_id, numbers.bound], order=numbers.order, limit=count)

    one, other = (late, early) if numbers.is_newest_first else (early, late)
    found = one(limit)
    return found + other(limit - len(found)) if len(found) < limit else found


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
        raise NotFoundError("There is no such channel.", why=Why.NO_SUCH_CHANNEL)
    return messages_changed(channel_row(found), after=after, limit=limit)


def flow_at(channel_id: int, number: int) -> int:
    """The place in a channel's flow of the newest message up to that number that it shows, gone for good or not. From
    the next one that is left, since of those below some may be gone.
    """
    above = Message.objects.filter(channel_id=channel_id, number__gt=number).order_by("number")
    following = above.values_list("number", "aside", "is_aside").first()
    if following is not None:
        next_number, aside, is_aside = following
        return next_number - (aside or 0) - (not is_aside)
    head, asides = Channel.objects.values_list("number", "aside").get(pk=channel_id)
    return head - asides


def thread_infos(ids: Sequence[str]) -> list[ThreadInfoData]:
    """What the threads are that begin with some of these messages. Three queries for some hundred of them."""
    parts = (ids[start : start + rows.PARAMETERS_PER_QUERY] for start in range(0, len(ids), rows.PARAMETERS_PER_QUERY))
    roots = itertools.chain.from_iterable(
        Thread.objects.filter(pk__in=part).values_list("pk", flat=True) for part in parts
    )
    return [each["thread_info"] for each in messages_by_ids(list(roots)) if "thread_info" in each]


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
        raise NotFoundError("There is no such channel.", why=Why.NO_SUCH_CHANNEL)
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
