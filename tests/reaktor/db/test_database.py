"""The database as the loop sees it: bounded, timed, and one lost connection is replaced once."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from django.db import InterfaceError, OperationalError, connection

from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from reaktor.errors import InvalidError, UnavailableError
from reaktor.settings.base import SQLITE_OPTIONS

pytestmark = pytest.mark.django_db(transaction=True)
MakeDatabase = Callable[..., Database]


@pytest.fixture
async def make_database() -> AsyncIterator[MakeDatabase]:
    made: list[Database] = []

    def make(**figures: float) -> Database:
        made.append(Database(DatabaseConfig(**figures)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for database in made:
        await asyncio.to_thread(database.close)


def select_one() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return int(cursor.fetchone()[0])


async def test_reads_run_beside_each_other_and_writes_one_after_another(make_database: MakeDatabase) -> None:
    database = make_database(read_threads=3)
    together = threading.Barrier(3, timeout=10)
    await asyncio.gather(*(database.read(together.wait) for _ in range(3)))
    names = await asyncio.gather(*(database.write(lambda: threading.current_thread().name) for _ in range(5)))
    assert len(set(names)) == 1


async def test_a_full_queue_refuses_at_once_and_the_others_are_served(make_database: MakeDatabase) -> None:
    database = make_database(read_threads=1, read_queue=2, write_queue=2)
    gate = threading.Event()
    for run in (database.read, database.write):
        gate.clear()
        waiting = [asyncio.create_task(run(gate.wait, 10)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError):
            await run(select_one)
        gate.set()
        assert await asyncio.gather(*waiting) == [True, True]
        assert await run(select_one) == 1


async def test_who_waits_too_long_is_told_and_the_place_is_taken_until_the_thread_ends(
    make_database: MakeDatabase,
) -> None:
    database = make_database(read_threads=1, read_queue=1, timeout_s=0.1)
    gate = threading.Event()
    with pytest.raises(UnavailableError, match="does not answer"):
        await database.read(gate.wait, 10)
    with pytest.raises(UnavailableError, match="too much to do"):
        await database.read(select_one)
    gate.set()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await database.read(select_one) == 1
                break
            except UnavailableError:
                await asyncio.sleep(0.01)


class Flaky:
    """Loses its connection `failures` times."""

    def __init__(self, failures: int, error: type[Exception] = OperationalError) -> None:
        self.failures, self.error = failures, error
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error("the connection is lost")
        return select_one()


@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
async def test_a_read_whose_connection_was_lost_is_repeated_once_on_a_new_one(
    make_database: MakeDatabase, error: type[Exception]
) -> None:
    database = make_database()
    once, twice = Flaky(1, error), Flaky(2, error)
    assert (await database.read(once), once.calls) == (1, 2)
    with pytest.raises(UnavailableError, match="away"):
        await database.read(twice)
    assert twice.calls == 2


async def test_a_write_is_never_repeated_since_it_may_have_been_committed(make_database: MakeDatabase) -> None:
    database, once = make_database(), Flaky(1)
    with pytest.raises(UnavailableError) as caught:
        await database.write(once)
    assert (once.calls, caught.value.retry_after_s) == (1, 1.0)
    assert await database.write(once) == 1


async def test_other_errors_are_the_callers(make_database: MakeDatabase) -> None:
    database = make_database()

    def refuse() -> None:
        raise InvalidError("no")

    with pytest.raises(InvalidError):
        await database.read(refuse)
    with pytest.raises(ZeroDivisionError):
        await database.write(lambda: 1 // 0)


def test_a_commit_of_sqlite_is_on_the_disk_itself(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "any.sqlite3")) as store:
        store.executescript(SQLITE_OPTIONS["init_command"])
        names = ("journal_mode", "synchronous", "fullfsync")
        found = [store.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
    assert found == ["wal", 2, 1]


async def test_what_fails_after_its_caller_has_gone_is_no_error_in_the_log(
    make_database: MakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """A client that left while its question was refused left a traceback behind."""
    database = make_database()
    is_running, may_fail = threading.Event(), threading.Event()

    def refuse() -> None:
        is_running.set()
        may_fail.wait(10)
        raise InvalidError("no")

    asking = asyncio.create_task(database.read(refuse))
    await asyncio.to_thread(is_running.wait, 10)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    may_fail.set()
    async with asyncio.timeout(5):
        while database.waiting["read"]:  # noqa: ASYNC110  the lane tells nobody
            await asyncio.sleep(0.01)
    del asking
    gc.collect()
    assert caplog.records == []
