"""What comes before serving: a database that answers, and migrations that one process at a time runs.

Used by `manage.py prepare` and `runcluster`. Synchronous; every wait is bounded, and says what it waits for.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import OperationalError, connection

Say = Callable[[str], None]

RETRY_S = 0.25
# The advisory lock's number: any that nothing else in this database uses ("reaktor" in ASCII).
MIGRATION_LOCK = 0x7265616B746F72


class StartupError(Exception):
    """Serving can't begin; the text says why."""


def database_name() -> str:
    """The database in words, without its password."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"SQLite at {settings['NAME']}"
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    return f"{connection.display_name} at {settings['HOST'] or 'the local socket'}{port}"


def refusal() -> str | None:
    """Why the database does not let us in, in a sentence without its password; None: it does."""
    reason = _reason()
    return None if reason is None else f"{database_name()} does not let us in ({reason})."


def _reason() -> str | None:
    try:
        connection.ensure_connection()
    except OperationalError as error:
        connection.close()
        return (str(error).strip() or type(error).__name__).splitlines()[0]
    return None


def wait_for_database(seconds: float, say: Say) -> None:
    """Return when the database lets us in. Raises StartupError after `seconds`, with the last reason."""
    deadline = time.monotonic() + seconds
    is_said = False
    while (reason := _reason()) is not None:
        if time.monotonic() >= deadline:
            raise StartupError(f"{database_name()} does not let us in within {seconds:g} s ({reason}).")
        if not is_said:
            say(f"Waiting for {database_name()} ({reason}).")
            is_said = True
        time.sleep(RETRY_S)


@contextmanager
def migration_lock(data_dir: Path, seconds: float, say: Say) -> Iterator[None]:
    """Inside, no other process migrates this database. Raises StartupError when another one does for too long.

    PostgreSQL: an advisory lock of the session, which ends with the connection whatever happens. SQLite: a locked file.
    """
    taken = _locked_file(data_dir / "migrate.lock") if connection.vendor == "sqlite" else _advisory_lock()
    deadline = time.monotonic() + seconds
    is_said = False
    with taken as try_lock:
        while not try_lock():
            if time.monotonic() >= deadline:
                raise StartupError(f"Another process has been migrating {database_name()} for {seconds:g} s.")
            if not is_said:
                say("Waiting for another process that is migrating the database.")
                is_said = True
            time.sleep(RETRY_S)
        yield


@contextmanager
def _advisory_lock() -> Iterator[Callable[[], bool]]:
    def ask(function: str) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT {function}(%s)", [MIGRATION_LOCK])
            return bool(cursor.fetchone()[0])

    try:
        yield lambda: ask("pg_try_advisory_lock")
    finally:
        ask("pg_advisory_unlock")


@contextmanager
def _locked_file(path: Path) -> Iterator[Callable[[], bool]]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def try_lock() -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield try_lock
    finally:
        os.close(descriptor)
