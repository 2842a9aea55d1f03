"""The test database as other processes see it, and how to take it away for a while. SQLite and PostgreSQL.

Models are imported where they are used: conftest.py asks postgresql_url() before Django is set up.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.db import connection, connections, transaction

from chat.domain.ids import ChannelKey, UserId, UserRef

LOCAL_POSTGRESQL = "postgres://postgres@127.0.0.1:5432/reaktor"
KEPT_TABLES = frozenset({"django_migrations", "django_content_type", "auth_permission"})
"""What Django makes of the models; no test changes it."""


def user_ref(name: str, *, is_staff: bool = False) -> UserRef:
    """A stored user of that name."""
    from accounts.models import User

    user = User.objects.create(username=name, password="!", is_staff=is_staff)
    return UserRef(UserId(str(user.pk)), name, is_staff)


def channel_of(owner: UserRef | None, key: str, kind: str = "public") -> ChannelKey:
    """A stored channel."""
    from chat.models import Channel, ChannelMembership

    channel = Channel.objects.create(key=key, name=key, kind=kind)
    if owner is not None:
        ChannelMembership.objects.create(channel=channel, user_id=owner.id, role="owner")
    return ChannelKey(key)


def empty_tables() -> None:
    """What a test with transactions of its own leaves behind is deleted, in place of Django's flush.

    That one truncates, which on PostgreSQL makes a new file for each table and index, and then makes Django's own rows
    anew: half a second a test.
    """
    from chat.models import message_search

    tables = sorted({*connection.introspection.django_table_names()} - KEPT_TABLES)
    deletions = [f"DELETE FROM {connection.ops.quote_name(table)}" for table in tables]
    with connection.constraint_checks_disabled(), transaction.atomic(), connection.cursor() as cursor:
        if is_sqlite():
            for deletion in deletions:
                cursor.execute(deletion)
        else:
            cursor.execute("SET LOCAL session_replication_role = replica")
            cursor.execute("; ".join(deletions))
        # What no model knows.
        message_search.clear()


def is_sqlite() -> bool:
    return connection.vendor == "sqlite"


def database_url() -> str:
    """The URL of the test database, for other processes."""
    settings: dict[str, Any] = connection.settings_dict
    if is_sqlite():
        return f"sqlite:///{Path(settings['NAME']).absolute()}"
    password = f":{settings['PASSWORD']}" if settings["PASSWORD"] else ""
    return f"postgres://{settings['USER']}{password}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


@contextlib.contextmanager
def taken_away() -> Iterator[None]:
    """Inside, nobody can write to the test database (SQLite), or reach it at all (PostgreSQL)."""
    name = str(connection.settings_dict["NAME"])
    if is_sqlite():
        other = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.rollback()
            other.close()
        return
    connections.close_all()
    with database_closed(database_url(), name):
        yield


@contextlib.contextmanager
def database_closed(server_url: str, name: str) -> Iterator[None]:
    """Inside, PostgreSQL lets nobody into this database; whoever was in it is cut off."""
    with _maintenance(server_url) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        try:
            other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            yield
        finally:
            other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')


@contextlib.contextmanager
def own_database(server_url: str, name: str, *, copy_of: str = "template1") -> Iterator[str]:
    """The URL of a new PostgreSQL database on the same server, dropped at the end; a copy of one that nobody uses."""
    with _maintenance(server_url) as other:
        other.execute(f'CREATE DATABASE "{name}" TEMPLATE "{copy_of}"')
        try:
            yield f"{server_url.rsplit('/', 1)[0]}/{name}"
        finally:
            other.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextlib.contextmanager
def _maintenance(server_url: str) -> Iterator[Any]:
    """A connection to the server's maintenance database, each statement its own transaction."""
    import psycopg

    url = f"{server_url.rsplit('/', 1)[0]}/postgres".replace("postgres://", "postgresql://", 1)
    with psycopg.connect(url, autocommit=True) as other:
        yield other


def postgresql_url() -> str | None:
    """TEST_DATABASE_URL, else a PostgreSQL on this machine that lets us in without a password, else None."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        return url if url.startswith("postgres") else None
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", 5432), timeout=0.5).close()
        import psycopg

        with contextlib.suppress(psycopg.Error):
            psycopg.connect("postgresql://postgres@127.0.0.1:5432/postgres", connect_timeout=2).close()
            return LOCAL_POSTGRESQL
    return None
