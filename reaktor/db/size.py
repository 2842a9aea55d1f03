"""How much room the database takes, for people who look after the server."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from django.db import connection

BESIDE = ("", "-wal", "-shm")
"""What SQLite keeps beside a database's file."""


def database_bytes() -> int:
    """On disk, as the database itself counts it; a few stat() calls. Raises DatabaseError."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            return int(cursor.fetchone()[0])
    total = 0
    for ending in BESIDE:
        with suppress(FileNotFoundError):
            total += Path(f"{connection.settings_dict['NAME']}{ending}").stat().st_size
    return total
