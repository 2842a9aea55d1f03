"""`manage.py apply_retention`: delete what has been kept for long enough; the supervisor starts it now and then.

Exit codes: 0 done, 1 refused (another run is at it) or failed, 2 called wrongly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.models import Channel
from chat.retention import Expired, retention_apply, retention_find
from reaktor.config.model import Config
from reaktor.db.exclusive import exclusive
from reaktor.observe.progress import for_command
from reaktor.wording import counted


class Command(BaseCommand):
    help = "Delete messages past RETENTION_DAYS and RETENTION_MESSAGES, or their channel's own rules, for good."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say what would go, and keep it")
        parser.add_argument(
            "--channel", metavar="KEY", help="in this channel alone (--channel=KEY if it begins with -)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.REAKTOR
        key = options["channel"]
        if key is not None and not Channel.objects.filter(key=key).exists():
            raise CommandError(f"There is no channel {key!r}.")
        rule = config.retention
        found = retention_find(days=rule.days, messages=rule.messages, now=datetime.now(UTC), key=key)
        if options["dry_run"]:
            self._show(list(found))
            return
        with exclusive("retention", config.data_dir) as is_ours:
            if not is_ours:
                raise CommandError("Another run is at it.")
            progress = for_command(self.stdout, "Deleted", None)
            trimmed = retention_apply(found, on_progress=progress.advance)
        for each in trimmed:
            longest_ms = each.longest_lock_s * 1000
            self.stdout.write(
                f"{each.key}: {counted(each.deleted, 'message')} (longest transaction {longest_ms:.0f} ms)"
            )
        progress.done()

    def _show(self, expired: list[Expired]) -> None:
        for each in expired:
            self.stdout.write(f"{each.key}: {counted(each.rows, 'message')}, up to number {each.last:,}")
        self.stdout.write(f"{counted(sum(each.rows for each in expired), 'message')} would be deleted.")
