"""`manage.py import_reaktor --redis URL`: take over from the replaced server: its users, channels and messages.

May be interrupted and repeated. Exit codes: 0 done, 1 failed (in a sentence), 2 called wrongly.
"""

from __future__ import annotations

from typing import Any

import redis
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.moving.report import Report
from chat.moving.seed_import import SeedImport
from chat.moving.seed_source import SeedSource
from reaktor.config.model import Config, ConfigError
from reaktor.config.urls import REDIS_SCHEMES, normal_service_url
from reaktor.db.exclusive import exclusive
from reaktor.observe.progress import for_command


class Command(BaseCommand):
    help = (
        "Import users (passwords included), channels and messages from the Redis of the server that this one replaces."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--redis", required=True, metavar="URL", help="redis://host:port/db, rediss://…, unix://…")
        parser.add_argument("--dry-run", action="store_true", help="read everything, say what would be, change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.REAKTOR
        report = Report()
        try:
            source = SeedSource(normal_service_url(options["redis"], REDIS_SCHEMES))
        except ConfigError as error:
            raise CommandError(f"The URL of the Redis {error}.", returncode=2) from error
        try:
            with source, exclusive("import", config.data_dir) as is_ours:
                if not is_ours:
                    raise CommandError("Another import is at it.")
                max_chars = config.limits.text_chars
                self._run(source, SeedImport(source, report, max_chars=max_chars, dry_run=options["dry_run"]))
        except redis.RedisError as error:
            raise CommandError(f"Redis does not answer ({error}). Started again, it goes on from here.") from error
        for line in report.lines():
            self.stdout.write(line)
        if options["dry_run"]:
            self.stdout.write("A dry run: nothing was changed.")

    def _run(self, source: SeedSource, found: SeedImport) -> None:
        users = for_command(self.stdout, "Users", source.count_users())
        found.users(users.advance)
        users.done()
        found.channels()
        lists = found.message_lists()
        messages = for_command(self.stdout, "Messages", sum(each.length for each in lists))
        for each in lists:
            found.messages(each, messages.advance)
        messages.done()
