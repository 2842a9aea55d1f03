"""`manage.py export_chat`: everything of this server as JSON lines, for backup and staging; beside a live server too.

Exit codes: 0 done, 1 failed (in a sentence), 2 called wrongly.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.files.carrying import files_out
from chat.files.storage import FileStorage
from chat.moving import backup
from reaktor.observe.progress import for_command


class Command(BaseCommand):
    help = "Write users, channels, messages and all that belongs to them as JSON lines."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--output", type=Path, metavar="FILE", help="write here (default: standard output)")
        parser.add_argument("--files", type=Path, metavar="DIR", help="copy the bytes of files there, too")

    def handle(self, *args: Any, **options: Any) -> None:
        self._write_rows(options["output"])
        if options["files"] is not None:
            self._copy_files(options["files"])

    def _write_rows(self, output: Path | None) -> None:
        if output is None:
            self._write(sys.stdout.buffer)
            return
        part = output.with_name(f"{output.name}.part")
        try:
            # Password hashes are in it.
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
                self._write(stream)
                stream.flush()
                os.fsync(stream.fileno())
            part.replace(output)
        except OSError as error:
            raise CommandError(f"Can't write {output}: {error.strerror}.") from error
        finally:
            part.unlink(missing_ok=True)

    def _copy_files(self, directory: Path) -> None:
        """After the rows, so that each file in them is there unless it was deleted meanwhile."""
        try:
            carried = files_out(FileStorage(settings.REAKTOR), directory)
        except OSError as error:
            raise CommandError(f"Can't write to {directory}: {error.strerror}.") from error
        self.stderr.write(f"Copied {carried.files} files; {carried.missing} are not there.")

    def _write(self, stream: BinaryIO) -> None:
        with backup.snapshot():
            counts = backup.counted()
            progress = for_command(self.stderr, "Exported", sum(counts.values()))
            for line in backup.lines(counts):
                stream.write(line)
                progress.advance()
        progress.count -= 2  # its header and its end are no rows
        progress.done()
