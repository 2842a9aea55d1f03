"""`manage.py restore FILE`: put a copy that `backup` made in the place of the SQLite database. Ends a history.

For a database that something else has set back (a snapshot of its disk) there is `manage.py new_history`.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from chat import services
from chat.files import replay
from reaktor.cluster import authority_lock
from reaktor.cluster.failures import ClusterError
from reaktor.db.backup import BackupError, put_sqlite
from reaktor.db.startup import StartupError, migration_lock
from reaktor.process.live_servers import live_servers


class Command(BaseCommand):
    help = (
        "Put FILE, which backup made, in the place of the SQLite database, and begin a new history. A dump that "
        "pg_restore or psql has read needs neither."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE", help="what backup wrote")

    def handle(self, *args: Any, **options: Any) -> None:
        config = settings.REAKTOR
        if live_servers(config):
            raise CommandError("A server is running on this database. Stop it first.")
        try:
            authority_lock.hold(config.data_dir, config.cluster.port)
            with migration_lock(config.data_dir, 0, self.stdout.write):
                deleted = self._deleted()
                self._put(options["file"])
                call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
                replay.files_delete_again(deleted)
                services.history_begin()
        except (BackupError, ClusterError, StartupError) as error:
            raise CommandError(str(error)) from error
        finally:
            authority_lock.let_go(config.data_dir)
        self.stdout.write("A new history has begun: clients read everything anew.")

    @staticmethod
    def _deleted() -> list[uuid.UUID]:
        """What was deleted since the copy was made must not come back; nothing, where no database was."""
        try:
            return replay.files_deleted()
        except DatabaseError:
            return []

    def _put(self, file: Path) -> None:
        if connection.vendor != "sqlite":
            raise CommandError(
                "This database is PostgreSQL: restore it with pg_restore or psql, then start the server."
            )
        connection.close()
        kept = put_sqlite(file, Path(connection.settings_dict["NAME"]))
        self.stdout.write(f"Restored {file}." + (f" What was there before is now {kept}." if kept else ""))
