"""Values between Python and a hand-written statement, where SQLite and PostgreSQL differ.

Used by the few modules that write SQL out; the ORM does the same for everybody else.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection


def uuid_to_column(value: uuid.UUID | str) -> Any:
    """A UUID, or one in the form that clients see, as the database's driver wants it.

    That is itself, or its hexadecimal digits where there is no such type. Where the text comes from a client, make a
    UUID of it first: it is not looked at here.
    """
    if isinstance(value, uuid.UUID):
        return value if _has_uuids() else value.hex
    return uuid.UUID(value) if _has_uuids() else value.replace("-", "")


@cache
def _has_uuids() -> bool:
    """Asked once: a process has one database, and Django's way to its connection takes longer than the conversion."""
    return bool(connection.features.has_native_uuid_field)


def uuid_from_column(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def uuid_text(value: Any) -> str:
    """A UUID as a driver gives it, in the form that clients see; without a UUID object in between, which costs most."""
    if isinstance(value, str) and len(value) == 32:
        return f"{value[:8]}-{value[8:12]}-{value[12:16]}-{value[16:20]}-{value[20:]}"
    return str(value)


def time_from_column(value: Any) -> Any:
    """A time as a driver gives it (None stays None), with its zone: SQLite's have none, and are in UTC."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value
