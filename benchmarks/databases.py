"""The databases that a scenario runs on: SQLite, and PostgreSQL where one answers, each time a new one."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil
import psycopg

from benchmarks.servers import ROOT, SETTINGS, manage
from tests.support.databases import own_database, postgresql_url

SQLITE = "SQLite"
POSTGRESQL = "PostgreSQL"
COMMITS = 200
NO_POSTGRESQL = "no PostgreSQL: TEST_DATABASE_URL names none, and none on 127.0.0.1:5432 lets us in"


def postgresql_commit_ms() -> float:
    """What a transaction with one small row takes there, in milliseconds: the median."""
    took = []
    with (
        new_database(POSTGRESQL) as url,
        psycopg.connect(url.replace("postgres://", "postgresql://", 1), autocommit=True) as connection,
    ):
        connection.execute("CREATE TABLE kept (said text)")
        for _ in range(COMMITS):
            started = time.perf_counter()
            connection.execute("INSERT INTO kept VALUES (%s)", ["x" * 100])
            took.append(time.perf_counter() - started)
    return sorted(took)[COMMITS // 2] * 1000


def backends(database_url: str) -> list[int]:
    """PostgreSQL's processes for the connections to this database, where they are on this machine; of SQLite none."""
    if not database_url:
        return []
    server, name = database_url.replace("postgres://", "postgresql://", 1).rsplit("/", 1)
    with psycopg.connect(f"{server}/postgres") as connection:
        found = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", [name])
        pids = [int(pid) for (pid,) in found]
    return [pid for pid in pids if psutil.pid_exists(pid) and "postgres" in Path(f"/proc/{pid}/comm").read_text()]


@contextmanager
def new_database(kind: str, tree: Path = ROOT) -> Iterator[str]:
    """The URL of an empty database as the code of `tree` has it, dropped at the end; "" for SQLite in the server's own
    directory.
    """
    if kind == SQLITE:
        yield ""
        return
    empty = _migrated_postgresql(tree)
    server, name = empty.rsplit("/", 1)
    with own_database(f"{server}/postgres", f"{name}_{time.monotonic_ns()}", copy_of=name) as made:
        yield made


@cache
def _migrated_postgresql(tree: Path) -> str:
    """What new ones are copied from, made once; it goes when this process ends."""
    url = postgresql_url()
    if url is None:
        raise RuntimeError(NO_POSTGRESQL)
    kept = ExitStack()
    made = kept.enter_context(own_database(url, f"reaktor_bench_{os.getpid()}_{time.monotonic_ns()}"))
    atexit.register(kept.close)
    with TemporaryDirectory() as folder:
        manage({"DATA_DIR": folder, "DATABASE_URL": made, "DJANGO_SETTINGS_MODULE": SETTINGS}, "migrate", tree=tree)
    return made
