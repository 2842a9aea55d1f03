"""Whether PostgreSQL, and a PgBouncer in front of it, take as many connections as all hosts of a cluster may open.

Asked by `manage.py prepare`, which says what advice() says. Figures are upper bounds: most connections are opened when
they are needed. So a server that lacks some may work for long, and is warned, not refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from django.db import connection

from reaktor.config.model import Config
from reaktor.wording import counted

CHORES = 2
LEASE = COMMAND = 1
CONNECT_S = 2
CONSOLE = "pgbouncer"
"""The database of PgBouncer's own that says how it is set up, to those of its admin_users and stats_users."""


class Demand(NamedTuple):
    """Connections that one host opens at most: its workers, and all else, which goes past a pooler if it can."""

    workers: int
    beside: int


class Room(NamedTuple):
    """Connections that PostgreSQL gives us, and how many of max_connections it keeps from us."""

    free: int
    kept: int


class Pooler(NamedTuple):
    """Connections that a PgBouncer takes from us, and opens for us."""

    clients: int
    servers: int


def demand(config: Config) -> Demand:
    """Of this host. One worker more than it has lives for a while whenever one is replaced."""
    database = config.database
    workers = (config.cluster.workers + 1) * (database.pool + database.own_connections)
    return Demand(workers, database.own_connections + LEASE + CHORES + COMMAND)


def read_room() -> Room:
    """As PostgreSQL has it for our role and our database."""
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT current_setting('max_connections')::int,
                   current_setting('superuser_reserved_connections')::int
                   + COALESCE(current_setting('reserved_connections', true)::int, 0),
                   (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
                   (SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user)
        """)
        total, kept, *limits = cursor.fetchone()
    return Room(min([total - kept, *(limit for limit in limits if limit >= 0)]), kept)


def read_pooler(url: str) -> Pooler | None:
    """Of the PgBouncer at a DATABASE_URL. None: there is none, or it does not tell us."""
    import psycopg  # here, since servers on SQLite count their connections, too, and have no use for it

    try:
        console = psycopg.conninfo.make_conninfo(url, dbname=CONSOLE, connect_timeout=CONNECT_S)
        with psycopg.connect(console, autocommit=True) as connected:
            found = {str(row[0]): str(row[1]) for row in connected.execute("SHOW CONFIG")}
        most = int(found.get("max_db_connections", 0))
        servers = int(found["default_pool_size"]) + int(found.get("reserve_pool_size", 0))
        return Pooler(int(found["max_client_conn"]), min(servers, most) if most else servers)
    except (psycopg.Error, KeyError, ValueError):
        return None


def advice(own: Demand, others: Sequence[Demand], room: Room, pooler: Pooler | None, *, is_pooled: bool) -> list[str]:
    """A sentence for each limit that is too low, or that nobody tells. `is_pooled`: workers come by way of a pooler."""
    workers, beside = (sum(part) for part in zip(own, *others, strict=True))
    hosts = counted(1 + len(others), "host")
    less = "run fewer WORKERS, or lower DATABASE_POOL"
    found = []
    if pooler is not None and pooler.clients < workers:
        found.append(
            f"PgBouncer takes {pooler.clients} connections, and the workers of {hosts} may open {workers}, those of "
            f"this one {own.workers}: set its max_client_conn to {workers} or more, or {less}."
        )
    if pooler is None and is_pooled:
        found.append(
            f"The pooler does not tell its limits: it must take {workers} connections of the workers of {hosts} "
            "(max_client_conn of PgBouncer)."
        )
    through = workers if not is_pooled else pooler.servers if pooler is not None else 0
    if room.free < (needed := through + beside):
        mine = own.beside if is_pooled else sum(own)
        pooled = f", {through} of them by PgBouncer," if through and is_pooled else ","
        found.append(
            f"PostgreSQL gives us {room.free} connections, and {hosts} may open {needed}{pooled} this one {mine}: set "
            f"max_connections (and a CONNECTION LIMIT of our role or database, if there is one) to "
            f"{needed + room.kept} or more, or {less}."
        )
    return found
