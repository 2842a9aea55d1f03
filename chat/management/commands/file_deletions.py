"""`manage.py file_deletions`: which files were deleted of late; with `--replay FILE`, delete them once more.

For a restore by other means than `manage.py restore`: write the list before it, replay it after it.
Exit codes: 0 done, 1 failed (in a sentence), 2 called wrongly.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.files import replay


class Command(BaseCommand):
    help = "Write the ids of files that were deleted in the last 90 days, a line each; or delete those of a list again."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--replay", type=Path, metavar="FILE", help="a list that this command wrote")

    def handle(self, *args: Any, **options: Any) -> None:
        source: Path | None = options["replay"]
        if source is None:
            for file_id in replay.files_deleted():
                self.stdout.write(str(file_id))
            return
        try:
            ids = [uuid.UUID(line) for line in source.read_text().split()]
        except OSError as error:
            raise CommandError(f"Can't read {source}: {error.strerror}.") from error
        except ValueError as error:
            raise CommandError(f"{source} is no list of this command.") from error
        self.stdout.write(f"Deleted again: {replay.files_delete_again(ids)}.")
