"""The index by which channels are found from three letters of their name on, inside the database and kept by it.

SQLite has an FTS5 table of trigrams, filled by triggers; PostgreSQL a GIN index, where its extension pg_trgm
may be had. Neither is something that Django's models know, so they are made after each `migrate`, if they are missing,
and SQLite's triggers stay away while tables are changed. A search that they can't serve reads names, so many at once.

find() gives the condition for a query, found() the ids for the admin; ensure() and put_away() are called by chat.apps
around migrations.
"""

from __future__ import annotations

import logging
import re
from typing import Any, NamedTuple

from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from reaktor.scripts import folded

logger = logging.getLogger(__name__)

TABLE = "chat_channel_names"
INDEX = "channel_name_trigrams"
LEAST_CHARS = 3
"""Trigrams know nothing of shorter texts."""
NAMES_AT_ONCE = 2_000
"""How many names one page of a search reads where no index serves it: they cost about what a full page does."""
_TRIGGERS = ("chat_channel_named", "chat_channel_renamed", "chat_channel_gone")
_LIKE = re.compile("[!%_]")
"""What LIKE would take for more than itself."""

_NAME = "coalesce({row}name_folded, lower({row}name))"
_FORGET = f"INSERT INTO {TABLE} ({TABLE}, rowid, name) VALUES ('delete', old.id, {_NAME.format(row='old.')});"  # noqa: S608  ours
_NOTE = f"INSERT INTO {TABLE} (rowid, name) VALUES (new.id, {_NAME.format(row='new.')});"  # noqa: S608  ours
_SQLITE = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {TABLE} USING fts5(name, content='', tokenize='trigram')",
    f"INSERT INTO {TABLE} ({TABLE}) VALUES ('delete-all')",  # noqa: S608  ours
    f"INSERT INTO {TABLE} (rowid, name) SELECT id, {_NAME.format(row='')} FROM chat_channel",  # noqa: S608  ours
    f"CREATE TRIGGER {_TRIGGERS[0]} AFTER INSERT ON chat_channel BEGIN {_NOTE} END",
    f"CREATE TRIGGER {_TRIGGERS[1]} AFTER UPDATE OF name, name_folded ON chat_channel BEGIN {_FORGET} {_NOTE} END",
    f"CREATE TRIGGER {_TRIGGERS[2]} AFTER DELETE ON chat_channel BEGIN {_FORGET} END",
)
_POSTGRESQL = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    f"CREATE INDEX IF NOT EXISTS {INDEX} ON chat_channel USING gin (({_NAME.format(row='')}) gin_trgm_ops)",
)


class Wanted(NamedTuple):
    """What is added to a query on chat_channel as `c`, and the last id that it looks at (None: no such end)."""

    condition: str
    parameters: list[Any]
    looked_at_up_to: int | None = None


def find(connection: BaseDatabaseWrapper, search: str, cursor: int, limit: int) -> Wanted:
    """Names that contain `search`, whatever case and accents; "" stands in every name.

    `limit` public channels behind the id `cursor` are enough.
    """
    wanted = folded(search)
    if not wanted:
        return Wanted("", [])
    where = f" AND {_NAME.format(row='c.')} LIKE %s ESCAPE '!'"
    pattern = "%" + _LIKE.sub(r"!\g<0>", wanted) + "%"
    if len(wanted) < LEAST_CHARS or not _is_indexed(connection):
        last = _last_of_next(connection, cursor)
        return Wanted(where, [pattern]) if last is None else Wanted(f"{where} AND c.id <= %s", [pattern, last], last)
    if connection.vendor != "sqlite":
        return Wanted(where, [pattern])
    where += (
        " AND c.id IN (SELECT id FROM ("  # noqa: S608  ours
        f"SELECT p.id FROM {TABLE} CROSS JOIN chat_channel p ON p.id = {TABLE}.rowid "
        f"WHERE {TABLE} MATCH %s AND {TABLE}.rowid > %s AND p.kind = 'public' AND p.archived_at IS NULL "
        f"ORDER BY {TABLE}.rowid LIMIT %s))"
    )
    return Wanted(where, [pattern, '"' + wanted.replace('"', '""') + '"', cursor, limit])


def found(
    connection: BaseDatabaseWrapper, search: str, *, limit: int, looked_at: int
) -> tuple[str, tuple[str | int, ...]]:
    """(a SELECT of ids, its parameters): the newest `limit` channels of any kind by name, and the one with that key.

    Where no index serves, they are looked for in the newest `looked_at`.
    """
    wanted = folded(search)
    name, newest = _NAME.format(row="p."), "p.id"
    pattern = "%" + _LIKE.sub(r"!\g<0>", wanted) + "%"
    parameters: tuple[str | int, ...]
    if len(wanted) < LEAST_CHARS or not _is_indexed(connection):
        source, parameters = "(SELECT * FROM chat_channel ORDER BY id DESC LIMIT %s) p WHERE", (looked_at,)
    elif connection.vendor == "sqlite":
        newest = f"{TABLE}.rowid"
        source = f"{TABLE} CROSS JOIN chat_channel p ON p.id = {newest} WHERE {TABLE} MATCH %s AND"
        parameters = ('"' + wanted.replace('"', '""') + '"',)
    else:
        source, parameters = "chat_channel p WHERE", ()
    ids = f"SELECT p.id FROM {source} {name} LIKE %s ESCAPE '!' ORDER BY {newest} DESC LIMIT %s"  # noqa: S608  ours
    return (
        f"SELECT id FROM ({ids}) named UNION ALL SELECT id FROM chat_channel WHERE key = %s",  # noqa: S608  ours
        (*parameters, pattern, limit, search),
    )


def _last_of_next(connection: BaseDatabaseWrapper, cursor: int) -> int | None:
    """The id of the last of the next NAMES_AT_ONCE public channels; None: there are no more than those."""
    with connection.cursor() as asked:
        asked.execute(
            "SELECT max(id), count(*) FROM "
            "(SELECT id FROM chat_channel WHERE kind = 'public' AND id > %s ORDER BY id LIMIT %s) behind",
            [cursor, NAMES_AT_ONCE],
        )
        last, count = asked.fetchone()
    return int(last) if count == NAMES_AT_ONCE else None


def ensure(using: str) -> None:
    """After a migration: make what is missing, of the names that there are."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        if "chat_channel" not in tables:
            return
        columns = connection.introspection.get_table_description(cursor, "chat_channel")
    if "name_folded" not in {column.name for column in columns}:
        return
    if connection.vendor == "sqlite":
        if not _have(connection, _TRIGGERS):
            _make(using, _SQLITE)
    elif connection.vendor == "postgresql":
        _make(using, _POSTGRESQL)


def put_away(using: str) -> None:
    """Before a migration: SQLite makes tables anew, and refuses to drop columns that a trigger names."""
    connection = connections[using]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for name in _TRIGGERS:
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def _make(using: str, statements: tuple[str, ...]) -> None:
    try:
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    except Error as error:
        logger.warning("channels are searched without an index: %s", error)


def _is_indexed(connection: BaseDatabaseWrapper) -> bool:
    if connection.vendor == "sqlite":
        return _have(connection, [TABLE])
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [INDEX])
        return bool(cursor.fetchone()[0])


def _have(connection: BaseDatabaseWrapper, names: tuple[str, ...] | list[str]) -> bool:
    with connection.cursor() as cursor:
        places = ", ".join(["%s"] * len(names))
        cursor.execute(f"SELECT count(*) FROM sqlite_master WHERE name IN ({places})", names)  # noqa: S608  places
        return bool(cursor.fetchone()[0] == len(names))
