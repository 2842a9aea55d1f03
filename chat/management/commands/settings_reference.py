"""`manage.py settings_reference`: write the documents that the settings' own descriptions make."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from reaktor.config.environment import variables
from reaktor.config.reference import env_file, page

COMPOSE = {
    "PUBLIC_URL": "http://localhost:8000",
    "REDIS_URL": "redis://redis:6379/0",
    "TRUSTED_PROXIES": "172.30.8.10",
    "LOG_FORMAT": "json",
    "REGISTRATION": "open",
}
"""What docker/chat.env sets: the addresses in compose.yaml, which brings DATABASE_URL with the password itself."""


class Command(BaseCommand):
    help = "Print docs/settings.md, or docker/chat.env with --env, as the code describes the settings."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--env", action="store_true", help="docker/chat.env instead")

    def handle(self, *args: Any, **options: Any) -> None:
        found = variables()
        self.stdout.write(env_file(found, COMPOSE) if options["env"] else page(found), ending="")
