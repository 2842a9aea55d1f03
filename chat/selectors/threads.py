"""Reads of threads as one user sees them: a list of those that they follow, and one of them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from chat.domain.events import ThreadData, ThreadMarkData
from chat.domain.hiding import HIDING_KINDS, message_seen, names_hidden
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import ChannelKind
from chat.domain.threads import UNREAD_COUNTED
from chat.models import Message, ThreadFollow
from chat.selectors.channels import ChannelRow, channel_access
from chat.selectors.hiding import blocked_names, hidden_names
from chat.selectors.messages import message_by_id, messages_by_ids, parse_message_id
from reaktor.db import driver
from reaktor.db.columns import time_from_column, uuid_text, uuid_to_column
from reaktor.errors import InvalidError, NotFoundError
from reaktor.shapes import ListData
from reaktor.why import Why

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CLOSED = ", ".join(f"'{kind.value}'" for kind in ChannelKind if kind.is_closed)
_MINE = (
    "SELECT f.id, f.thread_id, f.read_number, t.active_at, c.kind FROM chat_threadfollow f "  # noqa: S608  own constants
    "JOIN chat_thread t ON t.root_id = f.thread_id JOIN chat_channel c ON c.id = t.channel_id "
    f"WHERE f.user_id = %s AND f.is_on AND (c.kind NOT IN ({_CLOSED}) OR EXISTS (SELECT 1 FROM chat_channelmembership "
    "m WHERE m.user_id = f.user_id AND m.channel_id = c.id)) AND NOT EXISTS (SELECT 1 FROM chat_sanction s "
    "WHERE s.user_id = f.user_id AND s.channel_id = c.id AND s.lifted_at IS NULL AND s.kind = 'ban' "
    "AND (s.until IS NULL OR s.until > %s)) "
)


def my_threads(*, user: UserRef, cursor: str | None = None, limit: int = 50) -> ListData[ThreadData]:
    """The threads that the user follows and may read, newest activity first. Raises InvalidError for a cursor of none
    of its pages. Five queries, however many there are.
    """
    statement = _MINE
    parameters = [uuid_to_column(user.id), connection.ops.adapt_datetimefield_value(datetime.now(UTC))]
    if cursor:
        at, pk = _parse_activity(cursor)
        statement += "AND (t.active_at, f.id) < (%s, %s) "
        parameters += [connection.ops.adapt_datetimefield_value(at), pk]
    with connection.cursor() as wanted:
        wanted.execute(f"{statement}ORDER BY t.active_at DESC, f.id DESC LIMIT %s", [*parameters, limit + 1])
        found = wanted.fetchall()
    shown = found[:limit]
    roots = {each["id"]: each for each in messages_by_ids([uuid.UUID(uuid_text(row[1])) for row in shown])}
    unread = _unread(user, {uuid_text(row[1]): row[2] for row in shown})
    blocked = blocked_names(user.id) if any(row[4] in HIDING_KINDS for row in shown) else []
    results: list[ThreadData] = []
    for _, column, read_number, _, kind in shown:
        root = uuid_text(column)
        if root in roots:  # releases before this one may have deleted it by its age
            results.append(
                {
                    "channel": roots[root]["channel"],
                    "root": message_seen(roots[root], names_hidden(ChannelKind(kind), blocked)),
                    "is_followed": True,
                    "read_number": read_number,
                    "unread": unread[root],
                }
            )
    following = _activity(shown[-1]) if len(found) > limit else None
    return {"results": results, "next": following}


def _activity(row: Sequence[Any]) -> str:
    """Where a page ends, to the microsecond."""
    return f"{(time_from_column(row[3]) - _EPOCH) // timedelta(microseconds=1)}_{row[0]}"


def _parse_activity(cursor: str) -> tuple[datetime, int]:
    at, _, pk = cursor.partition("_")
    try:
        return _EPOCH + timedelta(microseconds=int(at)), int(pk)
    except (ValueError, OverflowError):
        raise InvalidError("That is not a cursor of this list.", fields={"cursor": "unknown"}) from None


def thread_root(*, user: UserRef, key: str, thread: str) -> tuple[ChannelRow, Message]:
    """A message that a thread hangs on, or may. Raises NotFoundError, BannedError, InvalidError (that is a reply)."""
    found = channel_access(user=user, key=ChannelKey(key))
    root = Message.objects.filter(channel_id=found.channel.id, pk=parse_message_id(thread)).first()
    if root is None:
        raise NotFoundError("There is no such message in this channel.", why=Why.NO_SUCH_MESSAGE)
    if root.thread_id is not None:
        raise InvalidError("That message is in a thread itself.", fields={"thread": "is in a thread itself"})
    return found.channel, root


def thread_get(*, user: UserRef, key: str, thread: str) -> ThreadData:
    """One thread as the user sees it. Raises as thread_root() does."""
    channel, root = thread_root(user=user, key=key, thread=thread)
    return thread_data(user=user, channel=channel, root=root.pk)


def thread_data(*, user: UserRef, channel: ChannelRow, root: uuid.UUID) -> ThreadData:
    """One thread of a channel that the user may read."""
    follow = ThreadFollow.objects.filter(thread_id=root, user_id=user.id).first()
    mark = thread_mark(user=user, root=root)
    hidden = hidden_names(user.id, channel.key)
    return {
        "channel": channel.key,
        "root": message_seen(message_by_id(channel.id, str(root)), hidden),
        "is_followed": follow is not None and bool(follow.is_on),
        "read_number": mark["read_number"],
        "unread": mark["unread"],
    }


def thread_mark(*, user: UserRef, root: uuid.UUID) -> ThreadMarkData:
    """How far the user has read a thread."""
    mine = ThreadFollow.objects.filter(thread_id=root, user_id=user.id)
    read = mine.values_list("read_number", flat=True).first() or 0
    return {"id": str(root), "read_number": read, "unread": _unread(user, {str(root): read})[str(root)]}


def _unread(user: UserRef, read: Mapping[str, int]) -> dict[str, int]:
    """How many replies of others are above these numbers, by root: UNREAD_COUNTED at most. Along one index."""
    if not read:
        return {}
    rows = ", ".join(["(%s, %s)"] * len(read))
    counted = driver.select(
        f"WITH wanted(root, after) AS (VALUES {rows}) SELECT w.root, (SELECT count(*) FROM (SELECT 1 AS one "  # noqa: S608  ours
        "FROM chat_message r WHERE r.thread_id = w.root AND r.number > w.after AND r.author_id <> %s "
        "AND r.deleted_at IS NULL LIMIT %s) counted) FROM wanted w",
        [
            *(value for root, after in read.items() for value in (uuid_to_column(root), after)),
            uuid_to_column(user.id),
            UNREAD_COUNTED,
        ],
    )
    return {uuid_text(root): count for root, count in counted}
