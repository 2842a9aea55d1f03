"""Statements handed straight to the database's driver, on this thread's Django connection and in its transaction.

For the few paths where Django's cursor costs more than the statement itself (docs/adr/0005-hot-path-sql.md). In go
text with `%s` for each parameter, and values as the columns hold them (reaktor.db.columns); out come rows. Errors are
Django's own classes. While somebody counts or logs the queries, they pass Django's cursor and are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

Row = tuple[Any, ...]


def select(statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """All rows of one statement. Raises django.db.DatabaseError."""
    own = connections[DEFAULT_DB_ALIAS]
    if _is_watched(own):
        with own.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())
    with own.wrap_database_errors:
        cursor = _cursor(own)
        try:
            cursor.execute(_spelled(statement, own.vendor), parameters)
            return list(cursor.fetchall())
        finally:
            cursor.close()


def execute_many(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """One statement for each of the rows of parameters. Raises django.db.DatabaseError."""
    own = connections[DEFAULT_DB_ALIAS]
    if _is_watched(own):
        with own.cursor() as cursor:
            cursor.executemany(statement, rows)
        return
    with own.wrap_database_errors:
        cursor = _cursor(own)
        try:
            if len(rows) == 1:
                cursor.execute(_spelled(statement, own.vendor), rows[0])
            else:
                cursor.executemany(_spelled(statement, own.vendor), rows)
        finally:
            cursor.close()


def _is_watched(own: BaseDatabaseWrapper) -> bool:
    return own.queries_logged or bool(own.execute_wrappers)


def _cursor(own: BaseDatabaseWrapper) -> Any:
    """The driver's cursor. Opens the connection where it isn't; refuses, as Django does, in a broken transaction."""
    if own.connection is None:
        own.ensure_connection()
    if own.needs_rollback:
        own.validate_no_broken_transaction()
    return own.connection.cursor()


@lru_cache(maxsize=512)
def _spelled(statement: str, vendor: str) -> str:
    """The statement with the placeholders of that driver. No statement of ours has a percent sign in its text."""
    return statement.replace("%s", "?") if vendor == "sqlite" else statement
