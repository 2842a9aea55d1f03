"""`manage.py export_user NAME`: everything that is stored about an account, as one JSON document."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.selectors import user_named
from chat.selectors.export import export_page


def export_parts(user: User) -> Iterator[bytes]:
    """The document in parts, one page of messages in memory at a time."""
    page = export_page(user=user)
    head: dict[str, Any] = {**page}
    del head["messages"], head["next"]
    yield orjson.dumps(head)[:-1] + b',"messages":['
    separator = b""
    while True:
        for message in page["messages"]:
            yield separator + orjson.dumps(message)
            separator = b",\n"
        if page["next"] is None:
            break
        page = export_page(user=user, cursor=page["next"])
    yield b"]}\n"


def _private(path: str, flags: int) -> int:
    """For open(): the file is its owner's alone."""
    return os.open(path, flags, 0o600)


class Command(BaseCommand):
    help = "Write everything that is stored about an account as JSON, to a file or to standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--output", type=Path, help="the file to write (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        user = user_named(options["username"])
        if user is None:
            raise CommandError(f"There is no account named {options['username']}.")
        if options["output"] is None:
            for part in export_parts(user):
                self.stdout.write(part.decode(), ending="")
            return
        try:
            with open(options["output"], "wb", opener=_private) as file:
                # One that was there before keeps its mode unless it is told.
                os.fchmod(file.fileno(), 0o600)
                file.writelines(export_parts(user))
        except OSError as error:
            raise CommandError(f"{options['output']} can't be written: {error.strerror}") from error
