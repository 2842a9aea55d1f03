"""`manage.py runcluster`: the whole server on one port. The composition root of the supervisor.

Workers are started by the machinery (reaktor.cluster); what is chat's own here is the authority over the membership.
Where there is no Redis for workers to talk over, one process is the whole server (reaktor.cluster.lone).
Serves the flows supervisor start and worker crash.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, connection

from accounts.models import User
from chat.management.cluster_authority import ClusterAuthority
from chat.management.greeting import next_steps
from chat.selectors import cluster_id
from chat.services import history_settle
from reaktor.cluster import supervisor
from reaktor.cluster.chores import Chore
from reaktor.cluster.composition import Cluster, worker_environment
from reaktor.cluster.dispatcher import check_port
from reaktor.cluster.failures import ClusterError, ListenError, RedisUnavailableError, RunDirError
from reaktor.cluster.lone import Lone
from reaktor.cluster.redis import find_executable
from reaktor.config.model import Config
from reaktor.config.redis_at import RedisAt
from reaktor.db.patience import missing_limits, set_role_limits
from reaktor.db.startup import StartupError, migration_lock, refusal
from reaktor.observe import error_reports as reports
from reaktor.process.live_servers import live_servers
from reaktor.process.relay_pass import relay_key

MAX_PORT = 65_535
FLUSH_S = 1.0
RETENTION_FIRST_S = 60.0
EXPIRY_INTERVAL_S = 86_400.0
EXPIRY_FIRST_S = 900.0
EXPIRY_LIMIT_S = 600.0
RETENTION_LIMIT_S = 3_600.0


def chores(config: Config, redis: RedisAt | None) -> list[Chore]:
    """What a server does now and then, be it a cluster or one process."""
    expired = expiry(config, redis)
    return [expired, retention(config, redis)] if config.retention.interval_s else [expired]


def retention(config: Config, redis: RedisAt | None) -> Chore:
    """`apply_retention`, in a process of its own. A lock in the database keeps two of them apart."""
    interval_s = config.retention.interval_s
    return Chore(
        name="retention",
        command=(sys.executable, "-m", "django", "apply_retention"),
        environment=worker_environment(config, redis, os.environ),
        interval_s=interval_s,
        first_s=min(interval_s, RETENTION_FIRST_S),
        limit_s=max(interval_s, RETENTION_LIMIT_S),
    )


def must_be_alone(config: Config, *, is_production: bool) -> bool:
    """Whether one process has to be the whole server, as there is no Redis for workers to talk over.

    Raises RedisUnavailableError where that is not what was asked for.
    """
    if config.redis is not None:
        return False
    try:
        find_executable()
    except RedisUnavailableError:
        cluster = config.cluster
        if is_production:
            # Others rely on it: that one process does the work of all must not go unseen.
            raise
        if cluster.are_workers_given and cluster.workers > 1:
            raise RedisUnavailableError(
                f"{cluster.workers} workers need a Redis, and there is none here: install redis-server, name one by "
                "REDIS_URL, or ask for one worker."
            ) from None
        return True
    return False


def expiry(config: Config, redis: RedisAt | None) -> Chore:
    """`clear_expired`, in a process of its own: a day late costs nothing but a few rows."""
    return Chore(
        name="expiry",
        command=(sys.executable, "-m", "django", "clear_expired"),
        environment=worker_environment(config, redis, os.environ),
        interval_s=EXPIRY_INTERVAL_S,
        first_s=EXPIRY_FIRST_S,
        limit_s=EXPIRY_LIMIT_S,
    )


def _companion(config: Config, redis: RedisAt) -> ClusterAuthority:
    return ClusterAuthority(config, redis, chores(config, redis))


def read_cluster_id() -> str:
    """From the database. Raises CommandError where it can't be read."""
    try:
        return cluster_id()
    except (DatabaseError, ObjectDoesNotExist) as error:
        raise CommandError("The database is not ready for this version: run `manage.py prepare` first.") from error


def whole_number(name: str, maximum: int) -> Callable[[str], int]:
    """An argparse type: 1 to `maximum`."""

    def parse(text: str) -> int:
        if not text.isdigit() or not 1 <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(f"the {name} is a whole number from 1 to {maximum}")
        return int(text)

    return parse


class Command(BaseCommand):
    help = (
        "Run the server: a supervisor and its workers on one port, Redis included unless REDIS_URL names one. "
        "One process where there is no Redis."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        workers = whole_number("number of workers", supervisor.MAX_WORKERS)
        parser.add_argument("--workers", type=workers, help="worker processes (default: WORKERS, else CPUs less one)")
        parser.add_argument("--bind", help="host to listen on, `::` for IPv6 and IPv4 (default: BIND)")
        parser.add_argument("--port", type=whole_number("port", MAX_PORT), help="port (default: PORT, else 8000)")
        parser.add_argument("--migrate", action="store_true", help="bring the tables of the database up to date first")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.IS_WORKER:
            # Only an authority's own supervisor may have it.
            raise CommandError("A worker can't start a server: REAKTOR_WORKER is set by a supervisor alone.")
        config = _with_options(settings.REAKTOR, options)
        try:
            # What can be refused at once is refused before anything is changed or started.
            is_alone = must_be_alone(config, is_production=settings.PRODUCTION)
            self._check_port(config)
            self._check_database(config, migrate=options["migrate"])
            greet = self._greet(config)
            if is_alone:
                Lone(config, greet, [chore.run for chore in chores(config, None)]).run()
            else:
                reports.start(config.sentry_dsn)
                config = replace(config, cluster_id=read_cluster_id())
                # The supervisor asks in threads of its own; this one would hold a connection for nothing.
                connection.close()
                key = relay_key(settings.SECRET_KEY, config.cluster_id)
                asyncio.run(Cluster(config, partial(_companion, config), greet, relay_key=key).run())
        except (ClusterError, StartupError) as error:
            raise CommandError(str(error)) from error

    def _check_port(self, config: Config) -> None:
        try:
            check_port(config.cluster)
        except ListenError as error:
            port = config.cluster.port
            if here := [server for server in live_servers(config) if server.port == port]:
                raise RunDirError(
                    f"Reaktor is already running on port {port} (process {here[0].said['pid']})."
                ) from error
            raise ListenError(f"{error} PORT={port + 1} chooses another one.") from error

    def _check_database(self, config: Config, *, migrate: bool) -> None:
        if (reason := refusal()) is not None:
            raise StartupError(reason)
        if migrate:
            with migration_lock(config.data_dir, config.start.migrate_wait_s, self._say):
                call_command("migrate", verbosity=0, interactive=False, skip_checks=True)
                set_role_limits(self._say)
        else:
            self.check_migrations()
            if (sentence := missing_limits()) is not None:
                self.stderr.write(f"Warning: {sentence}")

    def _settle_history(self) -> None:
        if history_settle():
            self._say("This database is a restored copy: a new history begins, and clients read everything anew.")

    def _greet(self, config: Config) -> Callable[[str], None]:
        """What to do with the line that says that the server serves."""
        try:
            self._settle_history()
            has_administrator = User.objects.filter(is_superuser=True, is_active=True).exists()
        except DatabaseError as error:
            raise StartupError("The database has not the tables of this version: run manage.py prepare.") from error
        finally:
            connection.close()
        steps = next_steps(config, is_production=settings.PRODUCTION, has_administrator=has_administrator)

        def greet(line: str) -> None:
            self._say("\n".join([line, *steps]))

        return greet

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _with_options(config: Config, options: dict[str, Any]) -> Config:
    given = {name: options[name] for name in ("workers", "bind", "port") if options[name] is not None}
    if "workers" in given:
        given["are_workers_given"] = True
    # From now on it is this port and no other, for whatever is started, too.
    return replace(config, cluster=replace(config.cluster, **given, is_port_given=True))
