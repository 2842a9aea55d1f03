"""The statements of what is read most, written out: a channel as one user sees it; messages, and what hangs on them.

Used by the other modules of this package. Parameters only; the same SQL for SQLite and PostgreSQL. The ORM takes half a
millisecond to make each of them anew, which is five times what the database takes to answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from reaktor.columns import time_from_column, uuid_from_column, uuid_to_column

PARAMETERS_PER_QUERY = 400
"""Each id stands twice in a statement, and SQLite takes 999 parameters in its smallest builds."""


class ChannelAndMembership(NamedTuple):
    """A channel row, and the asking user's membership in it (role None: none)."""

    id: int
    key: str
    name: str
    topic: str
    kind: str
    seq: int
    number: int
    floor_seq: int
    created_at: datetime
    archived_at: datetime | None
    role: str | None
    read_number: int | None


class MessageColumns(NamedTuple):
    """A message row with its author's name."""

    id: uuid.UUID
    number: int
    seq: int
    changed_seq: int
    author: str
    text: str
    reply_to: uuid.UUID | None
    nonce: str | None
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    channel: str


class Attached(NamedTuple):
    """A reaction (emoji), or a mention (None), of a message by a user's name."""

    message_id: uuid.UUID
    emoji: str | None
    username: str


def channel_find(*, key: str, user_id: str) -> ChannelAndMembership | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, c.key, c.name, c.topic, c.kind, c.seq, c.number, c.floor_seq, c.created_at, c.archived_at, "
            "m.role, m.read_number FROM chat_channel c "
            "LEFT JOIN chat_channelmembership m ON m.channel_id = c.id AND m.user_id = %s WHERE c.key = %s",
            [uuid_to_column(user_id), key],
        )
        row = cursor.fetchone()
    if row is None:
        return None
    found = ChannelAndMembership(*row)
    return found._replace(
        created_at=time_from_column(found.created_at), archived_at=time_from_column(found.archived_at)
    )


def mentions_count(*, channel_id: int, user_id: str, above: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM chat_mention WHERE user_id = %s AND channel_id = %s AND number > %s",
            [uuid_to_column(user_id), channel_id, above],
        )
        return int(cursor.fetchone()[0])


def messages_select(where: str, parameters: Sequence[Any], *, order: str, limit: int) -> list[MessageColumns]:
    """`where` and `order` are this package's own text; everything of a client's is in `parameters`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, m.number, m.seq, m.changed_seq, u.username, m.text, m.reply_to_id, m.nonce, "  # noqa: S608
            "m.created_at, m.edited_at, m.deleted_at, c.key "
            "FROM chat_message m JOIN accounts_user u ON u.id = m.author_id JOIN chat_channel c ON c.id = m.channel_id "
            f"WHERE {where} ORDER BY {order} LIMIT %s",
            [*parameters, limit],
        )
        rows = cursor.fetchall()
    if connection.features.has_native_uuid_field:
        return [MessageColumns(*row) for row in rows]
    return [_from_sqlite(*row) for row in rows]


def _from_sqlite(
    message_id: str,
    number: int,
    seq: int,
    changed_seq: int,
    author: str,
    text: str,
    reply_to: str | None,
    nonce: str | None,
    created_at: datetime,
    edited_at: datetime | None,
    deleted_at: datetime | None,
    channel: str,
) -> MessageColumns:
    return MessageColumns(
        uuid.UUID(message_id),
        number,
        seq,
        changed_seq,
        author,
        text,
        uuid.UUID(reply_to) if reply_to else None,
        nonce,
        time_from_column(created_at),
        time_from_column(edited_at),
        time_from_column(deleted_at),
        channel,
    )


def attached_to(message_ids: Sequence[uuid.UUID]) -> Iterable[Attached]:
    """The reactions and mentions of these messages, each kind in the order in which they were made."""
    for start in range(0, len(message_ids), PARAMETERS_PER_QUERY):
        ids = [uuid_to_column(message_id) for message_id in message_ids[start : start + PARAMETERS_PER_QUERY]]
        places = ", ".join(["%s"] * len(ids))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT r.message_id, r.emoji, u.username, r.id FROM chat_reaction r "  # noqa: S608  placeholders only
                f"JOIN accounts_user u ON u.id = r.user_id WHERE r.message_id IN ({places}) UNION ALL "
                "SELECT n.message_id, NULL, u.username, n.id FROM chat_mention n "
                f"JOIN accounts_user u ON u.id = n.user_id WHERE n.message_id IN ({places}) ORDER BY 4",
                [*ids, *ids],
            )
            for message_id, emoji, username, _ in cursor.fetchall():
                yield Attached(uuid_from_column(message_id), emoji, username)
