"""The index by which messages are found: what stands in it, and how it is asked. Written by chat.search alone, and by
who deletes rows of messages.

PostgreSQL has a side table of tsvectors with a GIN index; SQLite an FTS5 table, whose rows have integers of our own
that sort as the messages' ids do. Neither is something that Django's models know: migration 0024 made them. Both hold
the lexemes of chat.domain.search, and know nothing of their order.

A place is where a message stands among all: places sort by time, and are this module's own.
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import orjson
from django.db import OperationalError, connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from chat.domain.search import MARK, SPANS, Needle, time_mark
from reaktor.db import driver
from reaktor.db.columns import uuid_from_column, uuid_to_column

TABLE = "chat_search"
KEYS = "chat_search_key"
_KEY_BITS = 20
_MAX_MS = 2**43 - 1
"""What a key has room for: 250 years from now."""
TOP = 2**128
"""Above every place."""


class Entry(NamedTuple):
    """What the index is to hold of one message."""

    message_id: uuid.UUID
    channel_id: int
    lexemes: Sequence[str]


class Wanted(NamedTuple):
    """What a message must have in the index: all of `needles`, one of `any_of` if there are some, none of `barred`.

    `channels`: it is in one of these; None: anywhere.
    """

    needles: Sequence[Needle]
    barred: Sequence[str] = ()
    any_of: Sequence[str] = ()
    channels: Sequence[int] | None = None


class Found(NamedTuple):
    place: int
    message_id: uuid.UUID


class Newest(NamedTuple):
    """What is among the newest messages, and how far down they were looked through; over what time they are, and how
    many of them have the words, in whatever channel. None: it was not looked.
    """

    found: list[Found]
    down_to: int
    span_ms: int | None = None
    matching: int = 0


class TooSlowError(Exception):
    """The index was not asked to the end in the time that there was."""


def clear() -> None:
    """All of it, inside a transaction."""
    driver.execute(f"DELETE FROM {TABLE}")  # noqa: S608  ours
    if _is_sqlite(connection):
        driver.execute(f"DELETE FROM {KEYS}")  # noqa: S608  ours


def _is_sqlite(own: BaseDatabaseWrapper) -> bool:
    return own.vendor == "sqlite"


# -- Writing --------------------------------------------------------------------------------------------------------


def store(entries: Sequence[Entry]) -> None:
    """These messages as they are now, instead of what the index held of them. Inside a transaction; each once."""
    if _is_sqlite(connection):
        _store_sqlite(entries)
    elif entries:
        driver.execute(
            f"INSERT INTO {TABLE} (message_id, channel_id, words) "  # noqa: S608  ours
            "SELECT message_id, channel_id, array_to_tsvector(string_to_array(lexemes, ' ')) "
            "FROM unnest(%s::uuid[], %s::bigint[], %s::text[]) AS new(message_id, channel_id, lexemes) "
            "ON CONFLICT (message_id) DO UPDATE SET words = excluded.words "
            # A reaction is a change, too, and changes nothing here.
            f"WHERE {TABLE}.words IS DISTINCT FROM excluded.words",
            [
                [each.message_id for each in entries],
                [each.channel_id for each in entries],
                [" ".join(each.lexemes) for each in entries],
            ],
        )


def _store_sqlite(entries: Sequence[Entry]) -> None:
    """A few statements for all, since nobody posts meanwhile."""
    # By time SQLite looks with its own keys.
    words = {each.message_id: " ".join(word for word in each.lexemes if not _is_time(word)) for each in entries}
    known = driver.select(
        f"SELECT k.message_id, k.id, f.words FROM json_each(%s) j JOIN {KEYS} k ON k.message_id = j.value "  # noqa: S608  ours
        f"JOIN {TABLE} f ON f.rowid = k.id",
        [_json([each.hex for each in words])],
    )
    for column_id, key, held in known:
        now = words.pop(uuid_from_column(column_id))
        if held != now:
            driver.execute(f"UPDATE {TABLE} SET words = %s WHERE rowid = %s", [now, key])  # noqa: S608  ours
    new = [each for each in entries if each.message_id in words]
    keys = _free_keys([each.message_id for each in new])
    if new:
        rows = zip(new, keys, strict=True)
        driver.insert_rows(
            KEYS,
            ("id", "message_id", "channel_id"),
            [(key, uuid_to_column(each.message_id), each.channel_id) for each, key in rows],
        )
        rows = zip(new, keys, strict=True)
        driver.insert_rows(TABLE, ("rowid", "words"), [(key, words[each.message_id]) for each, key in rows])


def _free_keys(message_ids: Sequence[uuid.UUID]) -> list[int]:
    """A key for each. Of two messages of one moment that would have the same the second one has the next."""
    wanted = [_key_of(each) for each in message_ids]
    found = driver.select(f"SELECT id FROM {KEYS} WHERE id IN (SELECT value FROM json_each(%s))", [_json(wanted)])  # noqa: S608  ours
    taken = {key for (key,) in found}
    keys = []
    for first in wanted:
        key = first
        while key in taken or (key != first and driver.select(f"SELECT 1 FROM {KEYS} WHERE id = %s", [key])):  # noqa: S608  ours
            key += 1
        taken.add(key)
        keys.append(key)
    return keys


def _json(values: Sequence[object]) -> str:
    return orjson.dumps(values).decode()


def _is_time(lexeme: str) -> bool:
    return lexeme.startswith(MARK) and lexeme[1:2].isdigit()


def _key_of(message_id: uuid.UUID) -> int:
    """48 bits of milliseconds and the first 20 random ones of the id, so that keys sort as ids do."""
    random_bits = (message_id.int >> 64 & 0xFFF) << 8 | message_id.int >> 54 & 0xFF
    return min(message_id.int >> 80, _MAX_MS) << _KEY_BITS | random_bits


def forget(message_ids: Sequence[uuid.UUID]) -> None:
    """These are in no index any more. Inside a transaction; some hundred."""
    if not message_ids:
        return
    if _is_sqlite(connection):
        for (key,) in driver.select(
            f"SELECT id FROM {KEYS} WHERE message_id IN (SELECT value FROM json_each(%s))",  # noqa: S608  ours
            [_json([each.hex for each in message_ids])],
        ):
            driver.execute(f"DELETE FROM {TABLE} WHERE rowid = %s", [key])  # noqa: S608  ours
            driver.execute(f"DELETE FROM {KEYS} WHERE id = %s", [key])  # noqa: S608  ours
    else:
        driver.execute(f"DELETE FROM {TABLE} WHERE message_id = ANY(%s::uuid[])", [list(message_ids)])  # noqa: S608  ours


# -- Places ---------------------------------------------------------------------------------------------------------


def place_at(at_ms: int) -> int:
    """Below those of all messages of that moment, above those of all before."""
    return min(at_ms, _MAX_MS) << _KEY_BITS if _is_sqlite(connection) else at_ms << 80


def time_of(place: int) -> int:
    """In Unix milliseconds."""
    return place >> (_KEY_BITS if _is_sqlite(connection) else 80)


def newest_below(place: int) -> int | None:
    """The place of the newest message in the index below this one. One look-up."""
    if _is_sqlite(connection):
        found = driver.select(f"SELECT max(id) FROM {KEYS} WHERE id < %s", [min(place, 2**63 - 1)])  # noqa: S608  ours
    else:
        found = driver.select(
            f"SELECT message_id FROM {TABLE} WHERE message_id < %s ORDER BY message_id DESC LIMIT 1",  # noqa: S608  ours
            [_uuid(place)],
        )
    if not found or found[0][0] is None:
        return None
    return int(found[0][0]) if _is_sqlite(connection) else uuid_from_column(found[0][0]).int


def _uuid(place: int) -> uuid.UUID:
    return uuid.UUID(int=min(max(place, 0), TOP - 1))


# -- Reading --------------------------------------------------------------------------------------------------------

LONGEST = SPANS[-1] + 4
"""Of a look at a part of the time, in bits of milliseconds: 200 days, which 16 marks tell."""
SHORTEST = SPANS[0]
WHOLE = 43
"""Of a look at all times."""
NEWEST_ROWS = 2_000


def look_at_newest(wanted: Wanted, *, low: int, high: int, limit: int, within_s: float) -> Newest:
    """Among the newest NEWEST_ROWS between these places. Raises TooSlowError.

    What many messages have is found so without the index, which knows no order. SQLite's does: there it finds nothing
    and looks at nothing.
    """
    if _is_sqlite(connection):
        return Newest([], high)
    channels = "true" if wanted.channels is None else "channel_id = ANY(%s::bigint[])"
    with _quickly(within_s):
        rows = driver.select(
            f"SELECT message_id, words @@ %s::tsquery, {channels} FROM (SELECT * FROM {TABLE} "  # noqa: S608  ours
            "WHERE message_id < %s AND message_id >= %s ORDER BY message_id DESC LIMIT %s) AS newest",
            [_tsquery(wanted), *_of(wanted.channels), _uuid(high), _uuid(low), NEWEST_ROWS],
        )
    hits = [uuid_from_column(pk) for pk, is_match, is_there in rows if is_match and is_there]
    found = [Found(pk.int, pk) for pk in hits[:limit]]
    down_to = low if len(rows) < NEWEST_ROWS else uuid_from_column(rows[-1][0]).int
    span_ms = time_of(uuid_from_column(rows[0][0]).int) - time_of(down_to) if rows else 0
    if len(hits) > limit:
        down_to = found[-1].place
    return Newest(found, down_to, span_ms, sum(is_match for _, is_match, _ in rows))


def window_start(bits: int, high: int) -> int:
    """The place where a look at so long a time below `high` begins: where the time of a mark does."""
    if bits > LONGEST:
        return 0
    at_ms, span = time_of(high - 1), _span(bits)
    return place_at(max((at_ms >> span) + 1 - (1 << bits - span), 0) << span)


def _span(bits: int) -> int:
    """Of the longest marks that are not longer than that."""
    return max(span for span in SPANS if span <= bits)


def look(wanted: Wanted, *, bits: int, low: int, high: int, limit: int, within_s: float) -> list[Found]:
    """The newest `limit` between these places, of which the lower one is where a look of so many bits begins, or later.
    Raises TooSlowError.
    """
    if _is_sqlite(connection):
        return _look_sqlite(wanted, low, high, limit, within_s)
    conditions, parameters = ["words @@ %s::tsquery"], [_tsquery(wanted)]
    if bits <= LONGEST:
        level = SPANS.index(_span(bits))
        times = range(time_of(low) >> SPANS[level], (time_of(high - 1) >> SPANS[level]) + 1)
        # A condition of its own: what the words have before that time the index then passes over.
        conditions.append("words @@ %s::tsquery")
        parameters.append(" | ".join(_quoted(time_mark(level, at << SPANS[level])) for at in times))
    if wanted.channels is not None:
        conditions.append("channel_id = ANY(%s::bigint[])")
    with _quickly(within_s):
        found = driver.select(
            f"SELECT message_id FROM {TABLE} WHERE {' AND '.join(conditions)} "  # noqa: S608  placeholders only
            # As text, or the planner might go along the index of ids, through all messages for a rare word.
            "AND message_id < %s AND message_id >= %s ORDER BY message_id::text DESC LIMIT %s",
            [*parameters, *_of(wanted.channels), _uuid(high), _uuid(low), limit],
        )
    return [Found(uuid_from_column(pk).int, uuid_from_column(pk)) for (pk,) in found]


def _of(channels: Sequence[int] | None) -> list[list[int]]:
    return [] if channels is None else [list(channels)]


def _tsquery(wanted: Wanted) -> str:
    parts = [_quoted(needle.lexeme) + (":*" if needle.is_prefix else "") for needle in wanted.needles]
    parts += [f"!{_quoted(lexeme)}" for lexeme in wanted.barred]
    if wanted.any_of:
        parts.append(f"({' | '.join(map(_quoted, wanted.any_of))})")
    return " & ".join(parts)


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


@contextmanager
def _quickly(within_s: float) -> Iterator[None]:
    """Inside, PostgreSQL ends a statement that takes longer, and does not read the whole table."""
    if connection.in_atomic_block:
        # What is set would hold for the rest of somebody's transaction.
        yield
        return
    try:
        with transaction.atomic():
            driver.select(
                "SELECT set_config('statement_timeout', %s, true), set_config('enable_seqscan', 'off', true)",
                [f"{max(int(within_s * 1000), 1)}ms"],
            )
            yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) == "57014":
            raise TooSlowError from error
        raise


def _look_sqlite(wanted: Wanted, low: int, high: int, limit: int, within_s: float) -> list[Found]:
    parts = [f'"{needle.lexeme}"' + (" *" if needle.is_prefix else "") for needle in wanted.needles]
    if wanted.any_of:
        parts.append("(" + " OR ".join(f'"{mark}"' for mark in wanted.any_of) + ")")
    asked = " AND ".join(parts) + "".join(f' NOT "{lexeme}"' for lexeme in wanted.barred)
    where, parameters = "", []
    if wanted.channels is not None:
        where = "AND k.channel_id IN (SELECT value FROM json_each(%s)) "
        parameters = [_json(list(wanted.channels))]
    with _interrupted(within_s):
        found = driver.select(
            f"SELECT k.id, k.message_id FROM {TABLE} CROSS JOIN {KEYS} k ON k.id = {TABLE}.rowid "  # noqa: S608  ours
            f"WHERE {TABLE} MATCH %s AND {TABLE}.rowid >= %s AND {TABLE}.rowid < %s {where}"
            f"ORDER BY {TABLE}.rowid DESC LIMIT %s",
            [asked, min(low, 2**63 - 1), min(high, 2**63 - 1), *parameters, limit],
        )
    return [Found(int(key), uuid_from_column(pk)) for key, pk in found]


_STEPS = 2_000
"""So many steps of SQLite's machine take less than a millisecond."""


@contextmanager
def _interrupted(within_s: float) -> Iterator[None]:
    """Inside, SQLite ends a statement that takes longer."""
    connection.ensure_connection()
    own: sqlite3.Connection = connection.connection
    until = time.monotonic() + within_s
    is_late: Callable[[], int] = lambda: time.monotonic() > until  # noqa: E731
    own.set_progress_handler(is_late, _STEPS)
    try:
        yield
    except OperationalError as error:
        if str(error) == "interrupted":
            raise TooSlowError from error
        raise
    finally:
        own.set_progress_handler(None, 0)
