"""`manage.py backup PATH`: a consistent copy of the SQLite database, while the server goes on writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from chat.models import History
from reaktor.db.backup import BackupError, copy_sqlite
from reaktor.db.identity import COPY

MARK = f"UPDATE {History._meta.db_table} SET home = '{COPY}'"  # noqa: S608  our own names
"""So that it begins a new history wherever it is served."""


class Command(BaseCommand):
    help = "Copy the SQLite database to PATH while the server runs. On PostgreSQL use pg_dump."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", type=Path, help="the file to make; it must not exist yet")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "sqlite":
            raise CommandError("This database is PostgreSQL: make backups with pg_dump.")
        try:
            size = copy_sqlite(Path(connection.settings_dict["NAME"]), options["path"], mark=MARK)
        except BackupError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Copied to {options['path']} ({size:,} bytes).")
