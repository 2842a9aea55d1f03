"""`manage.py clear_expired`: delete rows about tokens and names whose time is over; run once a day.

Exit codes: 0 done, 1 failed, 2 called wrongly.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand

from accounts.expired import expired_clear


class Command(BaseCommand):
    help = "Delete what the database keeps about expired tokens, and about names that are free again."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        for kind, rows in expired_clear(datetime.now(UTC)).items():
            self.stdout.write(f"{kind}: {rows:,}")
