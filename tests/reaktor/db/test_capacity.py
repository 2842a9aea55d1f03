"""Whether all hosts together fit into the database: what is counted, and what is said about each limit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from reaktor.config.model import Cluster, Config, Database
from reaktor.db.capacity import Demand, Pooler, Room, advice, demand, read_pooler, read_room
from tests.support.databases import postgresql_url
from tests.support.pgbouncer import pgbouncer
from tests.support.ports import free_port

OWN, OTHER = Demand(60, 9), Demand(30, 9)
ROOM = Room(97, 3)


def said(*others: Demand, room: Room = ROOM, pooler: Pooler | None = None, is_pooled: bool = False) -> str:
    return "\n".join(advice(OWN, others, room, pooler, is_pooled=is_pooled))


def test_a_host_counts_its_workers_one_that_is_replaced_and_what_is_beside_them(tmp_path: Path) -> None:
    config = Config(tmp_path, cluster=Cluster(workers=3), database=Database(pool=10, read_threads=4))
    assert demand(config) == Demand(4 * 15, 9)
    more = replace(config, cluster=Cluster(workers=4))
    assert demand(more).workers == demand(config).workers + 15


def test_nothing_is_said_where_all_fit() -> None:
    assert said() == ""
    assert said(OTHER, room=Room(108, 3)) == ""
    assert said(OTHER, room=Room(50, 3), pooler=Pooler(90, 32), is_pooled=True) == ""


def test_where_they_do_not_fit_one_sentence_says_what_to_do() -> None:
    assert said(OTHER) == (
        "PostgreSQL gives us 97 connections, and 2 hosts may open 108, this one 69: set max_connections (and a "
        "CONNECTION LIMIT of our role or database, if there is one) to 111 or more, or run fewer WORKERS, "
        "or lower DATABASE_POOL."
    )


def test_a_pooler_takes_those_of_the_workers_and_opens_its_own() -> None:
    assert said(OTHER, pooler=Pooler(80, 20), is_pooled=True) == (
        "PgBouncer takes 80 connections, and the workers of 2 hosts may open 90, those of this one 60: set its "
        "max_client_conn to 90 or more, or run fewer WORKERS, or lower DATABASE_POOL."
    )
    assert "may open 118, 100 of them by PgBouncer, this one 9: set" in said(
        OTHER, pooler=Pooler(500, 100), is_pooled=True
    )


def test_a_pooler_that_does_not_tell_its_limits_is_not_guessed_at() -> None:
    assert said(OTHER, is_pooled=True) == (
        "The pooler does not tell its limits: it must take 90 connections of the workers of 2 hosts "
        "(max_client_conn of PgBouncer)."
    )
    assert "may open 18, this one 9" in said(OTHER, room=Room(10, 3), is_pooled=True)


@pytest.mark.database
@pytest.mark.django_db
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="no PostgreSQL is asked")
def test_postgresql_says_what_it_keeps_and_what_our_database_may_have() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW max_connections")
        total = int(cursor.fetchone()[0])
        found = read_room()
        assert found.free + found.kept == total
        assert found.kept >= 3
        cursor.execute(
            f"ALTER DATABASE {connection.ops.quote_name(connection.settings_dict['NAME'])} CONNECTION LIMIT 7"
        )
        assert read_room() == Room(7, found.kept)


@pytest.mark.skipif(postgresql_url() is None, reason="no PostgreSQL lets us in")
def test_a_pgbouncer_is_asked_by_its_console_and_what_is_none_tells_nothing() -> None:
    url = str(postgresql_url())
    with pgbouncer(url, connections=4) as pooled:
        assert read_pooler(pooled) == Pooler(500, 4)
    assert read_pooler(url) is None
    assert read_pooler(f"postgres://me:hush@127.0.0.1:{free_port()}/chat") is None
