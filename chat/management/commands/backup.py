"""`manage.py backup PATH`: a consistent copy of the SQLite database, while the server goes on writing."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection


class Command(BaseCommand):
    help = "Copy the SQLite database to PATH while the server runs. On PostgreSQL use pg_dump."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the file to make; it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["path"]
        if connection.vendor != "sqlite":
            raise CommandError("This database is PostgreSQL: make backups with pg_dump.")
        if path.exists():
            raise CommandError(f"{path} is there already.")
        source = Path(connection.settings_dict["NAME"])
        if not source.exists():
            raise CommandError(f"There is no database at {source}.")
        # Written aside, so that nobody takes half a copy for a backup. It holds password hashes: its owner's alone.
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(aside)) as copy:
                # In one step: it reads one state of a WAL database and holds up no writer. In several it would begin
                # again after each write of the server's, and might never end.
                live.backup(copy)
                if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                    raise CommandError("The copy is damaged; the database may be, too: see PRAGMA integrity_check.")
            aside.rename(path)
        except (sqlite3.Error, OSError) as error:
            raise CommandError(f"The backup failed: {error}.") from error
        finally:
            with suppress(OSError):
                aside.unlink()
        self.stdout.write(f"Copied to {path} ({path.stat().st_size:,} bytes).")
