"""Statements handed straight to the database's driver, on this thread's Django connection and in its transaction.

For the few paths where Django's cursor costs more than the statement itself (docs/adr/0005-hot-path-sql.md). In go
text with `%s` for each parameter, and values as the columns hold them (reaktor.db.columns); out come rows. Errors are
Django's own classes. While somebody counts or logs the queries, they pass Django's cursor and are seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

Row = tuple[Any, ...]
POSTGRESQL_PARAMETERS = 65_535
"""What one statement may have."""


def select(statement: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """All rows of one statement. Raises django.db.DatabaseError."""
    with _cursor(statement) as (cursor, spelled):
        cursor.execute(spelled, parameters)
        return list(cursor.fetchall())


def execute(statement: str, parameters: Sequence[Any] = ()) -> None:
    """One statement without rows to return. Raises django.db.DatabaseError."""
    with _cursor(statement) as (cursor, spelled):
        cursor.execute(spelled, parameters)


class Beside(NamedTuple):
    """Values for one column of another table, a row each, which are inserted along with others."""

    table: str
    column: str
    values: Sequence[Any]


def insert_rows(
    table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], beside: Beside | None = None
) -> None:
    """Insert rows of values for these columns; what stands `beside` them costs PostgreSQL no statement of its own.

    Raises django.db.DatabaseError.
    """
    row = _places(len(columns))
    into = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "  # noqa: S608  names of ours alone
    if _has_cheap_statements():
        _execute_each(into + row, rows)
        if beside is not None and beside.values:
            _execute_each(
                f"INSERT INTO {beside.table} ({beside.column}) VALUES (%s)",  # noqa: S608  the same
                [(value,) for value in beside.values],
            )
        return
    for part in _parts(rows, 0 if beside is None else 1):
        statement, values = into + ", ".join([row] * len(part)), [value for row in part for value in row]
        if beside is not None and beside.values:
            places = ", ".join(["(%s)"] * len(beside.values))
            along = f"INSERT INTO {beside.table} ({beside.column}) VALUES {places}"  # noqa: S608  the same
            statement, values = f"WITH beside AS ({along}) {statement}", [*beside.values, *values]
            beside = None
        execute(statement, values)


def update_rows(table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]], key: str = "id") -> None:
    """Set these columns of rows; behind the values of each stands its `key`. Raises django.db.DatabaseError."""
    if _has_cheap_statements():
        _execute_each(f"UPDATE {table} SET {' = %s, '.join(columns)} = %s WHERE {key} = %s", rows)  # noqa: S608  ours
        return
    row = _places(len(columns) + 1)
    for part in _parts(rows):
        execute(
            f"WITH changed({', '.join(columns)}, {key}) AS (VALUES {', '.join([row] * len(part))}) "  # noqa: S608  ours
            f"UPDATE {table} SET {', '.join(f'{name} = changed.{name}' for name in columns)} "
            f"FROM changed WHERE {table}.{key} = changed.{key}",
            [value for row in part for value in row],
        )


def _has_cheap_statements() -> bool:
    """SQLite is quickest with a small statement for each row, which is compiled once.

    To PostgreSQL each is a message of its own: a worker needs twice the processor time of one statement with all rows.
    """
    return connections[DEFAULT_DB_ALIAS].vendor == "sqlite"


def _execute_each(statement: str, rows: Sequence[Sequence[Any]]) -> None:
    with _cursor(statement) as (cursor, spelled):
        cursor.executemany(spelled, rows)


def _places(count: int) -> str:
    return f"({', '.join(['%s'] * count)})"


def _parts(rows: Sequence[Sequence[Any]], more: int = 0) -> Iterator[Sequence[Sequence[Any]]]:
    """`more`: values of each row that go with it, and are not among its own."""
    step = POSTGRESQL_PARAMETERS // (len(rows[0]) + more) if rows else 1
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


@contextmanager
def _cursor(statement: str) -> Iterator[tuple[Any, str]]:
    """A cursor, and the statement as it wants it: the driver's own, or Django's while the queries are watched.

    Opens the connection where it isn't; refuses, as Django does, in a broken transaction.
    """
    own = connections[DEFAULT_DB_ALIAS]
    if own.queries_logged or own.execute_wrappers:
        with own.cursor() as watched:
            yield watched, statement
        return
    if own.connection is None:
        own.ensure_connection()
    if own.needs_rollback:
        own.validate_no_broken_transaction()
    with own.wrap_database_errors, closing(_driver_cursor(own)) as cursor:
        yield cursor, _spelled(statement, own.vendor)


def _driver_cursor(own: BaseDatabaseWrapper) -> Any:
    """Django's PostgreSQL cursors write the values into the statement, in Python: half the cost of a small one."""
    if own.vendor == "sqlite":
        return own.connection.cursor()
    from psycopg import RawCursor  # whoever has SQLite need not load it

    return RawCursor(own.connection)


@lru_cache(maxsize=512)
def _spelled(statement: str, vendor: str) -> str:
    """The statement with the placeholders of that driver. No statement of ours has a percent sign in its text."""
    if vendor == "sqlite":
        return statement.replace("%s", "?")
    first, *others = statement.split("%s")
    return first + "".join([f"${number}{text}" for number, text in enumerate(others, 1)])
