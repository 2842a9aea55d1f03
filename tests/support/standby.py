"""A PostgreSQL of one's own with a standby that it waits for at each commit. Real servers on ports of 127.0.0.1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import wait_for
from tests.support.postgresql import Postgresql, binaries, servers_folder

NAME = "chat"


class Pair:
    """`primary` and `standby` are the URLs of the same database on both."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._primary, self._standby = (Postgresql(folder, name, programs) for name in ("primary", "standby"))
        self.primary, self.standby = self._primary.url(NAME), self._standby.url(NAME)
        self._primary.create()
        self._primary.start()
        self._primary.ask(f"CREATE DATABASE {NAME}", "postgres")
        self._standby.copy(self._primary)
        self._standby.start()
        self._primary.ask("ALTER SYSTEM SET synchronous_standby_names = '*'", NAME)
        self._primary.ask("SELECT pg_reload_conf()", NAME)
        waits = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_for(lambda: self._primary.ask(waits, NAME) == [(1,)], 30, "the standby to be waited for")

    def kill_primary(self) -> None:
        self._primary.kill()

    def promote(self) -> None:
        self._standby.ask("SELECT pg_promote()", NAME)
        wait_for(lambda: self._standby.ask("SELECT pg_is_in_recovery()", NAME) == [(False,)], 30, "the promotion")

    def stop(self) -> None:
        self._standby.stop()
        self._primary.stop()


@contextmanager
def primary_and_standby() -> Iterator[Pair]:
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed here")
    with servers_folder() as folder:
        pair = Pair(folder, programs)
        try:
            yield pair
        finally:
            pair.stop()
