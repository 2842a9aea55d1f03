"""The statements of what is read most, written out: a channel as one user sees it; messages, and what hangs on them.

Used by the other modules of this package. Parameters only; the same SQL for SQLite and PostgreSQL. The ORM takes half a
millisecond to make each of them anew, which is five times what the database takes to answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import connection

from chat.domain.hiding import HIDING_KINDS
from chat.domain.reading import Head, Marker
from reaktor.db.columns import time_from_column, uuid_text, uuid_to_column

PARAMETERS_PER_QUERY = 400
"""Each id stands twice in a statement, and SQLite takes 999 parameters in its smallest builds."""
MAX_CHANNELS = 10_000
"""Of one answer; nobody belongs to so many."""


class ChannelColumns(NamedTuple):
    """A channel row, the asking user's membership in it (role None: none) and their unread mentions."""

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
    frozen_at: datetime | None
    slow_mode_s: int
    aside: int
    has_threads: bool
    everybody_pins: bool
    called: int
    role: str | None
    level: str
    is_hidden: bool
    read_number: int
    read_aside: int
    own: int
    read_rev: int
    mentions: int
    ban_id: int | None
    """The sanction that keeps the asking user out of it now, if there is one."""
    partner: str | None
    """The other one's name, of a direct channel."""


class LastColumns(NamedTuple):
    """The newest message of a channel, if it is there, and when the channel was active last."""

    id: str | None
    author: str | None
    text: str | None
    deleted_at: datetime | None
    active_at: datetime
    files: str | None


class ThreadColumns(NamedTuple):
    """What is known of the thread that a message begins or is in. `root`: None for the root itself."""

    root: str | None
    is_aside: bool
    number: int | None
    """The root's. None: there is no row of it."""
    seq: int
    replies: int
    active_at: datetime | None
    participants: str


class MessageColumns(NamedTuple):
    """A message row with its author's name."""

    id: str
    number: int
    flow: int
    seq: int
    changed_seq: int
    author: str
    text: str
    reply_to: str | None
    nonce: str | None
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    channel: str
    is_bot: bool
    via: str | None
    files: str | None
    calls: str | None
    thread: ThreadColumns | None
    column_id: Any
    """The id as the driver gave it, and attached_to() wants it."""


class Attached(NamedTuple):
    """A reaction (emoji), or a mention (None), of a message by a user's name."""

    column_id: Any
    emoji: str | None
    username: str


_KINDS = ", ".join(f"'{kind.value}'" for kind in HIDING_KINDS)
IS_HEARD = (
    # Counted, since PostgreSQL may read whole tables to find out once what is not there.
    f"CASE WHEN c.kind IN ({_KINDS}) THEN (SELECT count(*) FROM chat_message x JOIN chat_userblock b "  # noqa: S608  ours
    "ON b.blocked_id = x.author_id WHERE x.id = n.message_id AND b.user_id = n.user_id) ELSE 0 END = 0"
)
"""Whether a mention (n, in channel c) is of a message that is not hidden: chat.domain.hiding, in SQL. A block that is
younger than the mention hides it."""
_ME = "'%%' || replace(CAST(m.user_id AS text), '-', '') || '%%'"
CALLED = (
    "FROM chat_call k WHERE k.channel_id = m.channel_id AND k.number > m.read_number AND m.level <> 'nothing' "
    f"AND k.created_at > m.created_at AND (k.present IS NULL OR k.present LIKE {_ME}) AND k.but NOT LIKE {_ME}"
)
"""Messages above a membership's marker (m) that call its user: who followed the channel when it was said, and is not at
level `nothing` now. Without subqueries: PostgreSQL would plan them anew each time.
"""
_OF_CHANNEL = (
    "SELECT c.id, c.key, c.name, c.topic, c.kind, c.seq, c.number, c.floor_seq, c.created_at, c.archived_at, "  # noqa: S608  ours
    "c.frozen_at, c.slow_mode_s, c.aside, c.has_threads, c.everybody_pins, c.called, m.role, coalesce(m.level, ''), "
    "CASE WHEN m.hidden_number >= c.number THEN 1 ELSE 0 END, coalesce(m.read_number, 0), "
    "coalesce(m.read_aside, 0), "
    "CASE WHEN m.own_above = m.read_number THEN m.own ELSE 0 END, coalesce(m.read_rev, 0), "
    "CASE WHEN m.role IS NULL THEN 0 ELSE (SELECT count(*) FROM chat_mention n WHERE n.user_id = %s "
    f"AND n.channel_id = c.id AND n.number > m.read_number AND {IS_HEARD}) END, "
)
_FROM = "FROM chat_channel c LEFT JOIN chat_channelmembership m ON m.channel_id = c.id AND m.user_id = %s "
_BANNED_AND_PARTNER = (
    "(SELECT max(s.id) FROM chat_sanction s WHERE s.user_id = %s AND s.channel_id = c.id AND s.lifted_at IS NULL "
    "AND s.kind = 'ban' AND (s.until IS NULL OR s.until > %s)), "
    "CASE WHEN c.kind = 'direct' THEN (SELECT u.username FROM chat_channelmembership o "
    "JOIN accounts_user u ON u.id = o.user_id WHERE o.channel_id = c.id AND o.user_id <> %s LIMIT 1) END"
)
_CHANNELS = f"{_OF_CHANNEL}{_BANNED_AND_PARTNER} {_FROM}"
_LISTED = _OF_CHANNEL + "NULL, NULL " + _FROM + "WHERE c.kind = 'public' AND c.archived_at IS NULL "


def channels_select(user_id: str, where: str, parameters: Sequence[Any], *, limit: int) -> list[ChannelColumns]:
    """Channels as the user sees them, oldest first. `where` is this package's own text."""
    me, now = uuid_to_column(user_id), connection.ops.adapt_datetimefield_value(datetime.now(UTC))
    return _channels(
        user_id, f"{_CHANNELS} WHERE {where} ORDER BY c.id LIMIT %s", [me, me, now, me, me, *parameters, limit]
    )


def listed_select(user_id: str, where: str, parameters: Sequence[Any], *, limit: int) -> list[ChannelColumns]:
    """The public channels among them, without a look for bans, which a list does not show."""
    me = uuid_to_column(user_id)
    return _channels(user_id, f"{_LISTED} AND {where} ORDER BY c.id LIMIT %s", [me, me, *parameters, limit])


def _channels(user_id: str, statement: str, parameters: Sequence[Any]) -> list[ChannelColumns]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found = [_channel_columns(row) for row in cursor.fetchall()]
    return _with_calls(user_id, found)


def _with_calls(user_id: str, found: Sequence[ChannelColumns]) -> list[ChannelColumns]:
    """What calls the user and is unread counts as a mention. One query more where there may be something.

    Inside the statement it would make each read of a channel a quarter dearer on PostgreSQL, which plans it anew.
    """
    asked = [row.id for row in found if row.role is not None and row.called > row.read_number]
    called: dict[int, int] = {}
    for start in range(0, len(asked), PARAMETERS_PER_QUERY):
        part = asked[start : start + PARAMETERS_PER_QUERY]
        places = ", ".join(["%s"] * len(part))
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT m.channel_id, (SELECT count(*) {CALLED}) FROM chat_channelmembership m "  # noqa: S608  ours
                f"WHERE m.user_id = %s AND m.channel_id IN ({places})",
                [uuid_to_column(user_id), *part],
            )
            called |= dict(cursor.fetchall())
    return [row._replace(mentions=row.mentions + called[row.id]) if row.id in called else row for row in found]


def _channel_columns(row: Sequence[Any]) -> ChannelColumns:
    return ChannelColumns._make((*row[:8], *map(time_from_column, row[8:11]), *row[11:]))


def members_select(user_id: str, channel_ids: Sequence[int]) -> dict[int, list[str]]:
    """The names of who else belongs to these channels, in their order, by channel."""
    found: dict[int, list[str]] = {}
    for start in range(0, len(channel_ids), PARAMETERS_PER_QUERY):
        part = channel_ids[start : start + PARAMETERS_PER_QUERY]
        places = ", ".join(["%s"] * len(part))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT m.channel_id, u.username FROM chat_channelmembership m "  # noqa: S608  placeholders only
                f"JOIN accounts_user u ON u.id = m.user_id WHERE m.channel_id IN ({places}) AND m.user_id <> %s "
                "ORDER BY u.username",
                [*part, uuid_to_column(user_id)],
            )
            for channel_id, name in cursor.fetchall():
                found.setdefault(channel_id, []).append(name)
    return found


def channels_select_mine(user_id: str, keys: Sequence[str]) -> list[ChannelColumns]:
    """The channels that the user durably belongs to, and those with these keys."""
    # A union of ids, since an OR across two tables would read every channel.
    places = ", ".join(["%s"] * len(keys)) or "NULL"
    where = (
        "c.id IN (SELECT channel_id FROM chat_channelmembership WHERE user_id = %s "  # noqa: S608  placeholders only
        f"UNION SELECT id FROM chat_channel WHERE key IN ({places}))"
    )
    return channels_select(user_id, where, [uuid_to_column(user_id), *keys], limit=MAX_CHANNELS)


def readable_select(user_id: str) -> list[int]:
    """The ids of the channels that the user durably belongs to, without those that they are banned from."""
    me, now = uuid_to_column(user_id), connection.ops.adapt_datetimefield_value(datetime.now(UTC))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.channel_id FROM chat_channelmembership m WHERE m.user_id = %s AND NOT EXISTS ("
            "SELECT 1 FROM chat_sanction s WHERE s.user_id = %s AND s.channel_id = m.channel_id "
            "AND s.lifted_at IS NULL AND s.kind = 'ban' AND (s.until IS NULL OR s.until > %s)) "
            "ORDER BY m.channel_id LIMIT %s",
            [me, me, now, MAX_CHANNELS],
        )
        return [channel_id for (channel_id,) in cursor.fetchall()]


_ACTIVE_AT = "coalesce(l.created_at, c.created_at)"
_MINE = (
    f"{_OF_CHANNEL}{_BANNED_AND_PARTNER}, l.id, a.username, l.text, l.deleted_at, l.created_at, l.files {_FROM}"
    "LEFT JOIN chat_message l ON l.channel_id = c.id AND l.number = c.number "
    "LEFT JOIN accounts_user a ON a.id = l.author_id WHERE m.user_id = %s "
)
_UNREAD = (
    "AND c.number - c.aside - m.read_number + m.read_aside "
    "- CASE WHEN m.own_above = m.read_number THEN m.own ELSE 0 END > 0 "
)


def mine_select(
    user_id: str, *, kind: str | None, is_unread: bool, before: tuple[datetime, int] | None, limit: int
) -> list[tuple[ChannelColumns, LastColumns]]:
    """The channels that the user durably belongs to, newest activity first, those with the same by id. `before`: when
    the one before these was active, and its id.
    """
    me, now = uuid_to_column(user_id), connection.ops.adapt_datetimefield_value(datetime.now(UTC))
    statement, parameters = _MINE, [me, me, now, me, me, me]
    if kind is not None:
        statement, parameters = f"{statement}AND c.kind = %s ", [*parameters, kind]
    if is_unread:
        statement += _UNREAD
    if before is not None:
        at, channel_id = before
        statement += f"AND ({_ACTIVE_AT}, c.id) < (%s, %s) "
        parameters = [*parameters, connection.ops.adapt_datetimefield_value(at), channel_id]
    width = len(ChannelColumns._fields)
    with connection.cursor() as cursor:
        cursor.execute(f"{statement}ORDER BY {_ACTIVE_AT} DESC, c.id DESC LIMIT %s", [*parameters, limit])
        found = [_with_last(_channel_columns(row[:width]), *row[width:]) for row in cursor.fetchall()]
    return list(zip(_with_calls(user_id, [row for row, _ in found]), (last for _, last in found), strict=True))


def _with_last(
    channel: ChannelColumns,
    message: Any,
    author: str | None,
    text: str | None,
    deleted_at: Any,
    created_at: Any,
    files: str | None,
) -> tuple[ChannelColumns, LastColumns]:
    if message is None:
        return channel, LastColumns(None, None, None, None, channel.created_at, None)
    return channel, LastColumns(
        uuid_text(message), author, text, time_from_column(deleted_at), time_from_column(created_at), files
    )


def reads_select(columns: Sequence[Any]) -> list[tuple[str, str, Head, Marker, int]]:
    """(user id, channel key, head, marker, unread mentions) of each membership of these users, given as columns."""
    places = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.user_id, c.key, c.number, c.aside, m.read_number, m.read_aside, "  # noqa: S608  placeholders only
            "CASE WHEN m.own_above = m.read_number THEN m.own ELSE 0 END, m.read_rev, "
            "(SELECT count(*) FROM chat_mention n WHERE n.user_id = m.user_id AND n.channel_id = m.channel_id "
            f"AND n.number > m.read_number AND {IS_HEARD}) + (SELECT count(*) {CALLED}) "
            "FROM chat_channelmembership m JOIN chat_channel c ON c.id = m.channel_id "
            f"WHERE m.user_id IN ({places})",
            columns,
        )
        return [
            (uuid_text(user_id), key, Head(number, aside), Marker(Head(read, read_aside), own, rev), mentions)
            for user_id, key, number, aside, read, read_aside, own, rev, mentions in cursor.fetchall()
        ]


def memberships_select(
    channel_id: int, *, before: tuple[str, int] | None, limit: int
) -> list[tuple[int, str, str, datetime]]:
    """(id, username, role, since when) of who belongs to the channel, by role and id from the end. `before`: both of
    the one before these.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, u.username, m.role, m.created_at FROM chat_channelmembership m "  # noqa: S608  own text alone
            "JOIN accounts_user u ON u.id = m.user_id WHERE m.channel_id = %s "
            f"{'AND (m.role, m.id) < (%s, %s) ' if before else ''}ORDER BY m.role DESC, m.id DESC LIMIT %s",
            [channel_id, *(before or ()), limit],
        )
        return [(pk, name, role, time_from_column(since)) for pk, name, role, since in cursor.fetchall()]


def public_select(always: Sequence[str], newest: int) -> list[tuple[str, str]]:
    """(key, name) of the public channels with these keys and of so many newest ones, oldest first."""
    is_listed = "kind = 'public' AND archived_at IS NULL"
    # The LIMIT is for SQLite: without it the three are looked for among all public ones.
    first = f"SELECT * FROM chat_channel WHERE key IN ({', '.join(['%s'] * len(always))}) LIMIT {len(always)}"  # noqa: S608  ours
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT key, name, id FROM ({first}) AS first WHERE {is_listed} "  # noqa: S608  placeholders only
            f"UNION SELECT * FROM (SELECT key, name, id FROM chat_channel WHERE {is_listed} ORDER BY id DESC LIMIT %s) "
            "AS newest ORDER BY 3",
            [*always, newest],
        )
        return [(key, name) for key, name, _ in cursor.fetchall()]


def number_select(channel_id: int) -> int:
    """The number of the channel's newest message; 0 where there is none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(number), 0) FROM chat_channel WHERE id = %s", [channel_id])
        return int(cursor.fetchone()[0])


def messages_select(where: str, parameters: Sequence[Any], *, order: str, limit: int) -> list[MessageColumns]:
    """`where` and `order` are this package's own text; everything of a client's is in `parameters`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT m.id, m.number, m.number - coalesce(m.aside, 0), m.seq, m.changed_seq, u.username, "  # noqa: S608  ours
            "m.text, m.reply_to_id, m.nonce, m.created_at, m.edited_at, m.deleted_at, c.key, u.is_bot, m.via, m.files, "
            "m.calls, m.thread_id, m.is_aside, t.root_number, t.seq, t.replies, t.active_at, t.participants "
            "FROM chat_message m JOIN accounts_user u ON u.id = m.author_id JOIN chat_channel c ON c.id = m.channel_id "
            "LEFT JOIN chat_thread t ON t.root_id = coalesce(m.thread_id, m.id) "
            f"WHERE {where} ORDER BY {order} LIMIT %s",
            [*parameters, limit],
        )
        rows = cursor.fetchall()
    return [_message_columns(*row) for row in rows]


def replies_walk(root: Any, number: int, *, limit: int, is_back: bool) -> list[Any]:
    """The ids of so many replies of a thread from this number on, back or forth, as columns.

    One step along the index for each. Asked for a page at once, PostgreSQL takes the thread for as long as threads are
    on average; where that is about a page it reads and sorts the whole one, however long it is.
    """
    nearest, side = ("max", "<") if is_back else ("min", ">")
    step = f"SELECT {nearest}(r.number) FROM chat_message r WHERE r.thread_id = %s AND r.number {side}"  # noqa: S608  ours
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH RECURSIVE page(number, place) AS (SELECT ({step} %s), 1 UNION ALL "  # noqa: S608  own text alone
            f"SELECT ({step} page.number), page.place + 1 FROM page WHERE page.number IS NOT NULL AND page.place < %s) "
            "SELECT (SELECT r.id FROM chat_message r WHERE r.thread_id = %s AND r.number = page.number) "
            "FROM page WHERE page.number IS NOT NULL",
            [root, number, root, limit, root],
        )
        return [column_id for (column_id,) in cursor.fetchall()]


def _message_columns(
    column_id: Any,
    number: int,
    flow: int,
    seq: int,
    changed_seq: int,
    author: str,
    text: str,
    reply_to: Any,
    nonce: str | None,
    created_at: datetime,
    edited_at: datetime | None,
    deleted_at: datetime | None,
    channel: str,
    is_bot: Any,
    via: str | None,
    files: str | None,
    calls: str | None,
    *thread: Any,
) -> MessageColumns:
    return MessageColumns(
        uuid_text(column_id),
        number,
        flow,
        seq,
        changed_seq,
        author,
        text,
        uuid_text(reply_to) if reply_to else None,
        nonce,
        time_from_column(created_at),
        time_from_column(edited_at),
        time_from_column(deleted_at),
        channel,
        bool(is_bot),
        via,
        files,
        calls,
        _thread_columns(*thread),
        column_id,
    )


def _thread_columns(
    root: Any, is_aside: Any, number: int | None, seq: int, replies: int, active_at: Any, participants: str
) -> ThreadColumns | None:
    if root is None and number is None:
        return None
    at = time_from_column(active_at)
    return ThreadColumns(uuid_text(root) if root else None, bool(is_aside), number, seq, replies, at, participants)


def attached_to(column_ids: Sequence[Any]) -> Iterable[Attached]:
    """The reactions and mentions of these messages, each kind in the order in which they were made."""
    for start in range(0, len(column_ids), PARAMETERS_PER_QUERY):
        ids = column_ids[start : start + PARAMETERS_PER_QUERY]
        places = ", ".join(["%s"] * len(ids))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT r.message_id, r.emoji, u.username, r.id FROM chat_reaction r "  # noqa: S608  placeholders only
                f"JOIN accounts_user u ON u.id = r.user_id WHERE r.message_id IN ({places}) UNION ALL "
                "SELECT n.message_id, NULL, u.username, n.id FROM chat_mention n "
                f"JOIN accounts_user u ON u.id = n.user_id WHERE n.message_id IN ({places}) ORDER BY 4",
                [*ids, *ids],
            )
            for column_id, emoji, username, _ in cursor.fetchall():
                yield Attached(column_id, emoji, username)
