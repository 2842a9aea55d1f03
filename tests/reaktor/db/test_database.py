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

from accounts.models import User
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db import database as database_module
from reaktor.db.database import Database
from reaktor.errors import InvalidError, UnavailableError
from reaktor.settings.base import SQLITE_OPTIONS
from tests.support.databases import taken_away
from tests.support.waiting import until

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


class Held:
    """The only thread of a lane is held until let_go() is called; what ran behind it is noted."""

    def __init__(self) -> None:
        self._gate = threading.Event()
        self.ran: list[str] = []

    def hold(self) -> str:
        self._gate.wait(10)
        return "held"

    def let_go(self) -> None:
        self._gate.set()


@pytest.mark.parametrize("lane", ["read", "write"])
async def test_a_call_that_timed_out_before_a_thread_began_it_is_never_made(
    make_database: MakeDatabase, lane: str
) -> None:
    """A ban was answered `unavailable` while the database hung, and was carried out minutes later."""
    database, held = make_database(read_threads=1, timeout_s=0.1), Held()
    run = getattr(database, lane)
    refused = await asyncio.gather(run(held.hold), run(held.ran.append, "late"), return_exceptions=True)
    assert [type(error) for error in refused] == [UnavailableError] * 2
    held.let_go()
    await until(lambda: not database.waiting[lane])
    assert (await run(select_one), held.ran) == (1, [])


async def test_a_call_whose_caller_was_cancelled_before_a_thread_began_it_is_never_made(
    make_database: MakeDatabase,
) -> None:
    """A client that went away still had its edit done."""
    database, held = make_database(), Held()
    first = asyncio.create_task(database.write(held.hold))
    second = asyncio.create_task(database.write(held.ran.append, "late"))
    await until(lambda: database.waiting["write"] == 2)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    held.let_go()
    assert (await first, await database.write(select_one), held.ran) == ("held", 1, [])


async def test_a_write_that_waits_for_a_lock_fails_before_its_caller_gives_it_up(make_database: MakeDatabase) -> None:
    """SQLite waited for a lock twice as long as the caller: what had been refused was written when the lock went."""
    database = make_database(timeout_s=1.0)
    await database.write(select_one)
    away = taken_away()
    await asyncio.to_thread(away.__enter__)
    try:
        with pytest.raises(UnavailableError, match="away"):
            await database.write(User.objects.create, username="late", password="!")
    finally:
        await asyncio.to_thread(away.__exit__, None, None, None)
    assert not database.waiting["write"]


async def test_who_does_not_wait_is_told_in_the_loop_how_it_ended(make_database: MakeDatabase) -> None:
    database, told = make_database(), list[object]()
    database.begin_write(lambda: threading.current_thread(), told.append)
    database.begin_write(Flaky(1), lambda found: told.extend((found, database.is_up, threading.current_thread())))
    assert database.waiting["write"] == 2
    await until(lambda: len(told) == 4)
    assert isinstance(told[1], UnavailableError)
    assert told[2:] == [False, threading.current_thread()]
    assert not database.waiting["write"]
    assert (await database.write(threading.current_thread), database.is_up) == (told[0], True)


async def test_who_does_not_wait_is_told_of_any_error(make_database: MakeDatabase) -> None:
    database, told = make_database(), list[object]()

    def fail() -> None:
        raise ZeroDivisionError

    database.begin_write(fail, told.append)
    await until(lambda: told)
    assert [type(error) for error in told] == [ZeroDivisionError]
    assert database.is_up


async def test_an_error_that_comes_too_late_is_logged_and_a_refusal_is_not(
    make_database: MakeDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    database, held = make_database(timeout_s=0.1), Held()

    def fail(error: Exception) -> None:
        held.hold()
        raise error

    for error in (InvalidError("no"), ZeroDivisionError("oh")):
        with pytest.raises(UnavailableError):
            await database.write(fail, error)
        if isinstance(error, InvalidError):
            held.let_go()
            await until(lambda: not database.waiting["write"])
            held = Held()
    held.let_go()
    await until(lambda: not database.waiting["write"])
    assert [record.getMessage() for record in caplog.records] == [
        "database: a call failed after its caller was gone: ZeroDivisionError('oh')"
    ]


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


class Ended(Exception):  # noqa: N818  a driver's error, of which only this counts
    sqlstate = "55P03"


async def test_a_read_that_the_database_itself_ended_or_that_took_long_is_not_tried_a_second_time(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read that had waited for all of its time was begun anew, for nobody, and held its thread twice as long."""
    database, slow, calls = make_database(read_threads=1), Flaky(1), list[object]()

    def wait_for_a_lock() -> None:
        calls.append(connection.connection)
        raise OperationalError("canceling statement due to lock timeout") from Ended()

    await database.read(select_one)
    for _ in range(2):
        with pytest.raises(UnavailableError):
            await database.read(wait_for_a_lock)
    assert len(calls) == 2
    assert calls[0] is calls[1], "the connection is good"
    monkeypatch.setattr(database_module, "REPEAT_S", 0.0)
    with pytest.raises(UnavailableError):
        await database.read(slow)
    assert slow.calls == 1


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
