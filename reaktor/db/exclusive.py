"""Only one at a time: a lock between the processes, and with PostgreSQL the hosts, that share a database.

For commands that would do the same work twice. Held by a connection or an open file, so it ends with its holder.
"""

from __future__ import annotations

import fcntl
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection


@contextmanager
def exclusive(name: str, directory: Path) -> Iterator[bool]:
    """Whether the lock of this name is ours inside; never waits. `directory`: where lock files are, with SQLite."""
    if connection.vendor == "postgresql":
        key = zlib.crc32(f"reaktor {name}".encode())
        is_ours = bool(_asked("SELECT pg_try_advisory_lock(%s)", key))
        try:
            yield is_ours
        finally:
            if is_ours:
                _asked("SELECT pg_advisory_unlock(%s)", key)
        return
    directory.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def _asked(statement: str, key: int) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, [key])
        row = cursor.fetchone()
    return row[0] if row else None
