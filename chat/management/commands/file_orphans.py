"""`manage.py file_orphans`: which files are kept that the database knows nothing of; `--remove` removes them.

For the time after a restore. Exit codes: 0 done, 1 failed (in a sentence), 2 called wrongly.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.files.orphans import orphans
from chat.files.storage import FileStorage


class Command(BaseCommand):
    help = "Write the ids of files whose bytes are kept though the database knows nothing of them, a line each."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--remove", action="store_true", help="remove them: no other server may keep files there")

    def handle(self, *args: Any, **options: Any) -> None:
        storage = FileStorage(settings.REAKTOR)
        try:
            for file_id in orphans(storage):
                if options["remove"]:
                    storage.remove(file_id)
                self.stdout.write(str(file_id))
        except OSError as error:
            raise CommandError(f"The files can't be looked through: {error}.") from error
