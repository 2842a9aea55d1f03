"""The statements that store messages, written out: a few for a whole commit, whatever the number of its posts.

Called inside one transaction by batches (posts), chat.services (edits take the same lock) and chat.moving (the import
from the replaced server). Parameters only, the same SQL for SQLite and PostgreSQL. The ORM would cost 1 ms more for a
single post, and 60 µs for each further one (docs/adr/0005-hot-path-sql.md).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection

from chat.domain.reading import Head, Marker
from reaktor.db import driver
from reaktor.db.columns import uuid_from_column, uuid_text, uuid_to_column
from reaktor.db.driver import Beside

PARAMETERS_PER_QUERY = 900
"""SQLite takes 999 in its smallest builds."""


MESSAGE_COLUMNS = (
    "id", "channel_id", "author_id", "number", "aside", "seq", "changed_seq", "text", "nonce", "reply_to_id",
    "created_at",
)  # fmt: skip


class LockedChannel(NamedTuple):
    """A channel row under lock: its heads may be moved. `is_followed`: somebody belongs to it; `has_all`: a member has
    asked to be told of all.
    """

    id: int
    key: str
    seq: int
    number: int
    aside: int
    is_archived: bool
    kind: str
    is_frozen: bool
    slow_mode_s: int
    is_followed: bool
    has_all: bool


class MessageRow(NamedTuple):
    """A new message; `seq` is also its first changed_seq."""

    id: uuid.UUID
    channel_id: int
    author_id: str | uuid.UUID
    number: int
    aside: int
    seq: int
    text: str
    nonce: str | None
    reply_to: uuid.UUID | None
    created_at: datetime
    via: str | None = None
    files: str | None = None
    thread_id: uuid.UUID | None = None
    is_aside: bool = False


NonceKey = tuple[int, str, str]
"""(channel id, author id, nonce)."""


def channels_lock(keys: Iterable[str]) -> list[LockedChannel]:
    """The channels with these keys, locked in the order of their ids."""
    wanted = sorted(keys)
    lock = " FOR NO KEY UPDATE" if connection.features.has_select_for_update else ""
    places = ", ".join(["%s"] * len(wanted))
    return [
        LockedChannel(pk, key, seq, number, aside, bool(gone), kind, bool(frozen), slow, bool(followed), bool(asked))
        for pk, key, seq, number, aside, gone, kind, frozen, slow, followed, asked in driver.select(
            "SELECT id, key, seq, number, aside, archived_at IS NOT NULL, kind, frozen_at IS NOT NULL, "  # noqa: S608  ours
            "slow_mode_s, EXISTS (SELECT 1 FROM chat_channelmembership m WHERE m.channel_id = chat_channel.id), "
            "EXISTS (SELECT 1 FROM chat_channelmembership a WHERE a.channel_id = chat_channel.id AND a.level = 'all') "
            f"FROM chat_channel WHERE key IN ({places}) ORDER BY id{lock}",
            wanted,
        )
    ]


def nonces_find(wanted: Sequence[NonceKey]) -> dict[NonceKey, uuid.UUID]:
    """Those already stored, with their messages' ids: one index look-up each.

    A join with the list itself, since separate IN lists would make the planner try every combination of them.
    """
    found: dict[NonceKey, uuid.UUID] = {}
    step = PARAMETERS_PER_QUERY // 3
    for start in range(0, len(wanted), step):
        part = wanted[start : start + step]
        rows = ", ".join(["(%s, %s, %s)"] * len(part))
        known = driver.select(
            f"WITH wanted(channel_id, author_id, nonce) AS (VALUES {rows}) "  # noqa: S608  placeholders only
            "SELECT m.channel_id, m.author_id, m.nonce, m.id FROM wanted JOIN chat_message m "
            "ON m.channel_id = wanted.channel_id AND m.author_id = wanted.author_id AND m.nonce = wanted.nonce "
            "AND m.nonce IS NOT NULL",
            [value for channel_id, author, nonce in part for value in (channel_id, uuid_to_column(author), nonce)],
        )
        for channel_id, author, nonce, message_id in known:
            found[channel_id, uuid_text(author), nonce] = uuid_from_column(message_id)
    return found


def messages_insert(rows: Sequence[MessageRow], outbox: Sequence[uuid.UUID] = ()) -> None:
    """Raises IntegrityError for an author or a channel that is gone. `outbox`: those of which notices are made."""
    created_at: dict[datetime, Any] = {}
    parameters: list[tuple[Any, ...]] = []
    others: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        if row.created_at not in created_at:
            created_at[row.created_at] = connection.ops.adapt_datetimefield_value(row.created_at)
        values = (
            uuid_to_column(row.id),
            row.channel_id,
            uuid_to_column(row.author_id),
            row.number,
            row.aside or None,
            row.seq,
            row.seq,
            row.text,
            row.nonce,
            uuid_to_column(row.reply_to) if row.reply_to else None,
            created_at[row.created_at],
        )
        if row.via is None and row.files is None and row.thread_id is None:
            parameters.append(values)
        else:
            beyond = {
                "via": row.via,
                "files": row.files,
                "thread_id": uuid_to_column(row.thread_id) if row.thread_id else None,
                "is_aside": row.is_aside or None,
            }
            more = {name: value for name, value in beyond.items() if value is not None}
            others.setdefault(tuple(more), []).append((*values, *more.values()))
    beside: Beside | None = Beside("chat_outbox", "message_id", [uuid_to_column(pk) for pk in outbox])
    if parameters:
        driver.insert_rows("chat_message", MESSAGE_COLUMNS, parameters, beside)
        beside = None
    for columns, found in others.items():
        driver.insert_rows("chat_message", (*MESSAGE_COLUMNS, *columns), found, beside)
        beside = None


class Posted(NamedTuple):
    """What a member posted in one commit: in one channel, in this order among all that was posted there.

    `before`: the flow below the first of them. `at`: where their marker stands if they had read everything up to there,
    and `own`, how many of theirs are above that. `messages`: how many they are.
    """

    before: int
    at: Head
    own: int
    messages: int
    membership_id: int


def markers_move(posted: Sequence[Posted]) -> dict[int, Marker]:
    """Bring the markers of who posted up to date (chat.domain.reading), by the id of the membership; one that is
    gone is left out.
    """
    found: dict[int, Marker] = {}
    step = PARAMETERS_PER_QUERY // 6
    for start in range(0, len(posted), step):
        part = posted[start : start + step]
        rows = ", ".join(["(%s, %s, %s, %s, %s, %s)"] * len(part))
        own = "CASE WHEN own_above = read_number THEN chat_channelmembership.own ELSE 0 END"
        has_read = f"posted.before - (read_number - read_aside) - {own} <= 0"
        moved = driver.select(
            f"WITH posted(before, number, aside, own, messages, id) AS (VALUES {rows}) "  # noqa: S608  placeholders only
            "UPDATE chat_channelmembership SET read_rev = read_rev + 1, "
            f"read_number = CASE WHEN {has_read} THEN posted.number ELSE read_number END, "
            f"own_above = CASE WHEN {has_read} THEN posted.number ELSE read_number END, "
            f"read_aside = CASE WHEN {has_read} THEN posted.aside ELSE read_aside END, "
            f"own = CASE WHEN {has_read} THEN posted.own ELSE {own} + posted.messages END "
            "FROM posted WHERE chat_channelmembership.id = posted.id "
            "RETURNING chat_channelmembership.id, read_number, read_aside, chat_channelmembership.own, read_rev",
            [
                value
                for each in part
                for value in (each.before, each.at.number, each.at.aside, each.own, each.messages, each.membership_id)
            ],
        )
        found.update((pk, Marker(Head(number, aside), own, rev)) for pk, number, aside, own, rev in moved)
    return found


def changed_seqs_store(seqs: Sequence[tuple[uuid.UUID, int]]) -> None:
    """(id, changed_seq) of messages of locked channels that were changed."""
    driver.update_rows("chat_message", ("changed_seq",), [(seq, uuid_to_column(pk)) for pk, seq in seqs])


def heads_store(heads: Iterable[tuple[int, int, int]]) -> None:
    """(seq, number, channel id) of each locked channel whose heads moved."""
    driver.update_rows("chat_channel", ("seq", "number"), list(heads))


def asides_store(asides: Sequence[tuple[int, int]]) -> None:
    """(aside, channel id) of each locked channel in which a thread alone shows something new."""
    driver.update_rows("chat_channel", ("aside",), asides)
