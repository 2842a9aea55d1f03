"""A file of chat.moving.backup into this database: all of it or nothing, and under a new epoch.

One transaction: what is wrong with the file, or ends the process, leaves the database as it was. Clients see the new
epoch in their next greeting and drop their cursors, which may point at what this database never had.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from typing import Any

import orjson
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management.color import no_style
from django.db import DatabaseError, connection, transaction
from django.db.models import Field, Model

from accounts.claims import names_fill
from accounts.models import User
from accounts.name_columns import OfName
from chat.models import History, Message, message_search
from chat.moving import backup


class RestoreError(Exception):
    """Why the file was not taken, in a sentence; nothing has changed."""


def is_empty() -> bool:
    """Whether there is nothing to lose: nobody has registered, nothing was said."""
    return not User.objects.exists() and not Message.objects.exists()


def header_of(line: bytes) -> dict[str, Any]:
    """The header, from a file's first line. Raises RestoreError."""
    header = _parsed(line, 1)
    version = header.get(backup.HEADER)
    if not isinstance(version, int) or not isinstance(header.get("tables"), dict):
        raise RestoreError("That is no export of a Reaktor server.")
    if version > backup.VERSION:
        raise RestoreError(f"The file has format {version}; this server reads up to {backup.VERSION}.")
    return header


def restore(lines: Iterable[bytes], *, on_progress: Callable[[int], None]) -> int:
    """Replace everything by the lines behind a header; how many rows that was. Raises RestoreError."""
    try:
        with transaction.atomic():
            _clear()
            rows = _Rows(on_progress)
            for number, line in enumerate(lines, 2):
                rows.take(_parsed(line, number), number)
            rows.finish()
            names_fill()
            _continue_sequences()
            History.objects.update_or_create(pk=1, defaults={"epoch": uuid.uuid4()})
    except User.DoesNotExist as error:
        raise RestoreError("A group has a member who is not in the file.") from error
    except DatabaseError as error:
        raise RestoreError(f"The database refuses it: {str(error).strip().splitlines()[0]}") from error
    return rows.count


class _Rows:
    """Gathers rows of one table and stores them together.

    By statements of its own: the ORM would set the times of some tables anew.
    """

    def __init__(self, on_progress: Callable[[int], None]) -> None:
        self._on_progress = on_progress
        self._fields: dict[str, dict[str, Field[Any, Any]]] = {
            backup.name_of(model): {field.attname: field for field in model._meta.concrete_fields}
            for model in backup.tables()
        }
        self._inserts = {backup.name_of(model): _insert(model) for model in backup.tables()}
        self._groups: list[tuple[str, str]] = []
        self._name = ""
        self._waiting: list[list[Any]] = []
        self._end: int | None = None
        self.count = 0

    def take(self, row: dict[str, Any], number: int) -> None:
        if self._end is not None:
            raise RestoreError(f"Line {number}: there is more behind the end.")
        if isinstance(row.get(backup.END), int):
            self._end = row[backup.END]
            return
        ((name, values),) = row.items() if len(row) == 1 else (("", None),)
        if name == backup.GROUPS and isinstance(values, dict):
            self._groups.append((str(values.get("user_id")), str(values.get("group_name"))))
            return
        if name not in self._fields or not isinstance(values, dict):
            raise RestoreError(f"Line {number}: {name or 'this'!r} is no table of this version.")
        if name != self._name or len(self._waiting) >= backup.ROWS_TOGETHER:
            self._store()
            self._name = name
        self._waiting.append(self._prepared(name, values, number))

    def _prepared(self, name: str, values: dict[str, Any], number: int) -> list[Any]:
        """The row's values for the database, in the order of the columns; defaults for what an older file lacks, and
        for what is made of names, since this version may make it otherwise."""
        fields = self._fields[name]
        if unknown := values.keys() - fields.keys():
            raise RestoreError(f"Line {number}: {name} has no column {min(unknown)!r} in this version.")
        try:
            python = (
                field.to_python(values[column])
                if column in values and not isinstance(field, OfName)
                else field.get_default()
                for column, field in fields.items()
            )
            return [
                field.get_db_prep_save(value, connection) for field, value in zip(fields.values(), python, strict=True)
            ]
        except (ValidationError, ValueError, TypeError) as error:
            raise RestoreError(f"Line {number}: a value that {name} can't have.") from error

    def _store(self) -> None:
        if self._waiting:
            with connection.cursor() as cursor:
                cursor.executemany(self._inserts[self._name], self._waiting)
            self.count += len(self._waiting)
            self._on_progress(len(self._waiting))
            self._waiting = []

    def finish(self) -> None:
        self._store()
        for user_id, name in self._groups:
            # A group that this database has not is made without permissions: those are given by hand, here as there.
            User.objects.get(pk=user_id).groups.add(Group.objects.get_or_create(name=name)[0])
        self.count += len(self._groups)
        if self._end != self.count:
            raise RestoreError("The file ends too early: it is not whole.")


def _insert(model: type[Model]) -> str:
    quote = connection.ops.quote_name
    fields = model._meta.concrete_fields
    columns = ", ".join(quote(str(field.column)) for field in fields)
    places = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608  our own names


def _parsed(line: bytes, number: int) -> dict[str, Any]:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise RestoreError(f"Line {number} is no JSON.") from error
    if not isinstance(row, dict):
        raise RestoreError(f"Line {number} is no JSON object.")
    return row


def _clear() -> None:
    """Written out: the audit log, for one, deletes nothing that goes through the ORM."""
    message_search.clear()
    with connection.cursor() as cursor:
        for model in backup.tables_to_clear():
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(model._meta.db_table)}")  # noqa: S608  our own name


def _continue_sequences() -> None:
    """New rows get ids above the imported ones."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), backup.tables()):
            cursor.execute(statement)
