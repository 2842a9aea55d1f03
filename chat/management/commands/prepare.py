"""`manage.py prepare`: everything between a new version and its start. May be repeated, and by several at once.

Checks the settings, waits for the database and for Redis, migrates under a lock, sets the time limits of the database's
role, makes the first administrator, and says whether the database takes as many connections as all hosts may open.
Called by the container's entry point, the Procfile's release phase and the systemd unit.
"""

from __future__ import annotations

import asyncio
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from accounts.services import administrator_ensure
from chat.management.host_rows import other_demands
from reaktor.cluster.failures import RedisUnavailableError
from reaktor.cluster.redis import wait_for_redis
from reaktor.config.model import Config, Start
from reaktor.db.capacity import advice, demand, read_pooler, read_room
from reaktor.db.patience import set_role_limits
from reaktor.db.startup import StartupError, migration_lock, wait_for_database
from reaktor.errors import ReaktorError


class Command(BaseCommand):
    help = "Wait for the database and Redis, migrate, make the first administrator. Then runcluster can start."

    def handle(self, *args: Any, **options: Any) -> None:
        config: Config = settings.REAKTOR
        try:
            config.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            wait_for_database(config.start.wait_s, self._say)
            if config.redis is not None:
                asyncio.run(wait_for_redis(config.redis, config.start.wait_s))
            with migration_lock(config.data_dir, config.start.migrate_wait_s, self._say):
                call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
                set_role_limits(self._say)
                # Under the same lock: of two at once one makes the account, the other one finds it.
                self._make_administrator(config.start)
        except (StartupError, RedisUnavailableError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"DATA_DIR: {error}") from error
        except ReaktorError as error:
            raise CommandError(f"DJANGO_SUPERUSER_USERNAME, _PASSWORD: {error.message}") from error
        self._compare_connections(config)
        self._say("Ready to serve.")

    def _compare_connections(self, config: Config) -> None:
        if connection.vendor != "postgresql":
            return
        is_pooled = bool(config.database_direct_url)
        try:
            others, room = other_demands(config), read_room()
        except DatabaseError as error:
            self._say(f"The limits of the database can't be read ({str(error).strip().splitlines()[0]}).")
            return
        pooler = read_pooler(config.database_url) if is_pooled else None
        for sentence in advice(demand(config), others, room, pooler, is_pooled=is_pooled):
            self.stderr.write(f"Warning: {sentence}")

    def _make_administrator(self, start: Start) -> None:
        if not start.admin_username or not start.admin_password:
            return
        user, is_new = administrator_ensure(username=start.admin_username, password=start.admin_password)
        if is_new:
            self._say(f"Made the administrator {user.username}.")
        elif not user.is_superuser:
            self.stderr.write(f"{user.username} has an account that is no administrator's; it was left as it is.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
