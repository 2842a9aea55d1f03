"""A consistent copy of an SQLite database that somebody else is writing to, and the way back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path


class BackupError(Exception):
    """No copy was made; the text says why."""


def copy_sqlite(source: Path, path: Path, *, mark: str = "") -> int:
    """Copy the database to `path` (0600, must not exist yet); its size in bytes. Raises BackupError.

    `mark`: a statement that makes the copy tell itself from the original.

    In one step: it reads one state of a WAL database and holds up no writer. In several it would begin again after each
    write of the server's, and might never end.
    """
    if path.exists():
        raise BackupError(f"{path} is there already.")
    if not source.exists():
        raise BackupError(f"There is no database at {source}.")
    # Written aside, so that nobody takes half a copy for a backup. It holds password hashes: its owner's alone.
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(aside)) as copy:
            live.backup(copy)
            if mark:
                copy.execute(mark)
                copy.commit()
            if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise BackupError("The copy is damaged; the database may be, too: see PRAGMA integrity_check.")
        aside.rename(path)
    except (sqlite3.Error, OSError) as error:
        raise BackupError(f"The backup failed: {error}.") from error
    finally:
        with suppress(OSError):
            aside.unlink()
    return path.stat().st_size


def put_sqlite(copy: Path, target: Path) -> Path | None:
    """Put a copy in the place of the database, which nobody may have open; where the former one is kept, if any.

    The copy is checked before anything is moved. Raises BackupError.
    """
    aside = target.with_name(f".{target.name}.{os.getpid()}")
    former = target.with_name(f"{target.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    try:
        copy_sqlite(copy, aside)
        # Its log goes with it: it belongs to the former database alone, and would spoil the copy.
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                target.with_name(target.name + ending).rename(former.with_name(former.name + ending))
        aside.rename(target)
    except OSError as error:
        raise BackupError(f"The restore failed: {error}.") from error
    finally:
        with suppress(OSError):
            aside.unlink()
    return former if former.exists() else None
