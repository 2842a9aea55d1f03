"""`manage.py import_chat FILE`: put back what export_chat wrote, into an empty database or (told so) in place of all.

Exit codes: 0 done, 1 refused or failed (in a sentence; nothing has changed then), 2 called wrongly.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.files.carrying import files_in
from chat.files.storage import FileStorage
from chat.moving.restore import RestoreError, header_of, is_empty, restore
from reaktor.observe.progress import for_command
from reaktor.process.live_servers import live_servers


class Command(BaseCommand):
    help = "Read what export_chat wrote. All or nothing; clients of this database start anew."
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="what export_chat wrote; - for standard input")
        parser.add_argument("--files", type=Path, metavar="DIR", help="the directory that export_chat --files wrote")
        parser.add_argument("--replace", action="store_true", help="delete everything that is here first")

    def handle(self, *args: Any, **options: Any) -> None:
        self._refuse_beside_a_live_server()
        if not options["replace"] and not is_empty():
            raise CommandError("This database is not empty. With --replace everything in it is deleted first.")
        try:
            with self._opened(options["file"]) as stream:
                header = header_of(stream.readline())
                progress = for_command(self.stdout, "Imported", sum(header["tables"].values()))
                restore(stream, on_progress=progress.advance)
        except OSError as error:
            raise CommandError(f"Can't read {options['file']}: {error.strerror}.") from error
        except RestoreError as error:
            raise CommandError(f"{error} Nothing was changed.") from error
        progress.done()
        if options["files"] is not None:
            self._take_files(options["files"])

    def _take_files(self, directory: Path) -> None:
        try:
            carried = files_in(FileStorage(settings.REAKTOR), directory)
        except OSError as error:
            raise CommandError(f"The files of {directory} can't be taken: {error.strerror}.") from error
        self.stdout.write(f"Took {carried.files} files; {carried.missing} are not there.")

    def _opened(self, name: str) -> AbstractContextManager[BinaryIO]:
        return nullcontext(sys.stdin.buffer) if name == "-" else open(name, "rb")

    def _refuse_beside_a_live_server(self) -> None:
        """Its membership, its feeds and its sessions would go on about channels and people that are gone."""
        if live_servers(settings.REAKTOR):
            raise CommandError("A server is running on this database. Stop it first.")
