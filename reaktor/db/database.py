"""The database as the loop sees it: bounded threads of our own, timeouts, one error.

Channels and Django share a single thread among all consumers of a process; here reads have a few threads and
writes one (group commit makes one writer enough). Full queues, timeouts and lost connections are UnavailableError.
A call that no thread has begun ends with its caller; one that runs goes on. begin_write() is for who does not wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError, connection, connections

from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.patience import ANSWER_S, ANSWER_SETTING
from reaktor.errors import ReaktorError, UnavailableError
from reaktor.observe.logcontext import run_in_context
from reaktor.owned import Job

logger = logging.getLogger(__name__)
P = ParamSpec("P")
T = TypeVar("T")

POSTGRESQL_DISK_FULL = "53100"
LOST = (OperationalError, InterfaceError)
LOCK_SHARE = 0.8
"""How much of its time a call may wait for a lock: it then fails by itself before its caller is told that it did."""


REPEAT_S = 1.0
"""A connection that was lost since its last use fails at once; what took longer is not tried a second time."""


class _Lane:
    """One pool of threads with a bound on what waits for it."""

    def __init__(self, name: str, threads: int, bound: int, timeout_s: float) -> None:
        own = partial(own_connection, timeout_s)
        self.executor = ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=own)
        self.threads = threads
        self.bound = bound
        self.waiting = 0


class Database:
    """read() and write() run a function in a database thread; one instance per process, closed with it.

    `is_up`: whether the last call was answered.
    """

    def __init__(self, config: DatabaseConfig) -> None:
        self._timeout_s = config.timeout_s
        self._reads = _Lane("db-read", config.read_threads, config.read_queue, config.timeout_s)
        self._writes = _Lane("db-write", 1, config.write_queue, config.timeout_s)
        self.is_up = True

    @property
    def waiting(self) -> dict[str, int]:
        """How many calls run or wait, by lane."""
        return {"read": self._reads.waiting, "write": self._writes.waiting}

    async def read(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The function's result. A connection that was lost since its last use is replaced once.

        Raises what the function raises, and UnavailableError.
        """
        return await self._run(self._reads, partial(_guarded, True, partial(function, *args, **kwargs)))

    async def read_once(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The same, never repeated: for a function that counts something, which a second call would count twice."""
        return await self._run(self._reads, partial(_guarded, False, partial(function, *args, **kwargs)))

    async def write(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """read_once() for a function that writes: a lost connection may have committed."""
        return await self._run(self._writes, partial(_guarded, False, partial(function, *args, **kwargs)))

    def begin_write(self, function: Callable[[], T], on_done: Callable[[T | Exception], None]) -> None:
        """write() for who does not wait: `on_done` is called once, in the loop, with the result or the error.

        Time and number have no bound here: the caller sees to that. As a call may serve many, it is made in nobody's
        log context (reaktor.observe.logcontext).
        """
        self._writes.waiting += 1
        tell = partial(self._told, self._writes, on_done)
        self._writes.executor.submit(_made_and_told, function, asyncio.get_running_loop(), tell)

    def _told(self, lane: _Lane, on_done: Callable[[T | Exception], None], found: T | Exception) -> None:
        lane.waiting -= 1
        if not isinstance(found, Exception):
            self.is_up = True
        elif isinstance(found, UnavailableError):
            self.is_up = False
        on_done(found)

    def no_answer(self) -> UnavailableError:
        """A call has taken too long: the error for who waits for it."""
        self.is_up = False
        return UnavailableError("The database does not answer.")

    async def _run(self, lane: _Lane, call: Callable[[], T]) -> T:
        if lane.waiting >= lane.bound:
            raise UnavailableError("The database has too much to do.")
        lane.waiting += 1
        job = Job(run_in_context(call))
        future = asyncio.get_running_loop().run_in_executor(lane.executor, job)
        # A cancelled job, too, keeps its place until a thread has passed it: what waits stays bounded.
        future.add_done_callback(partial(self._done, lane))
        try:
            async with asyncio.timeout(self._timeout_s):
                found: T = await self._noted(future)
                return found
        except TimeoutError:
            _give_up(job, future)
            raise self.no_answer() from None
        except asyncio.CancelledError:
            _give_up(job, future)
            raise

    async def _noted(self, future: asyncio.Future[Any]) -> Any:
        try:
            found = await asyncio.shield(future)
        except UnavailableError:
            self.is_up = False
            raise
        self.is_up = True
        return found

    @staticmethod
    def _done(lane: _Lane, future: asyncio.Future[Any]) -> None:
        lane.waiting -= 1
        if not future.cancelled():
            future.exception()  # asked for, since whoever waited may be gone: asyncio would log it as an error

    def close(self) -> None:
        """Wait for what runs, end the threads and their connections."""
        for lane in (self._reads, self._writes):
            for _ in range(lane.threads):
                lane.executor.submit(connections.close_all)
            lane.executor.shutdown(wait=True)


def is_disk_full(error: BaseException) -> bool:
    """Whether a write failed for want of space alone: reading goes on. `error` is Django's."""
    cause = error.__cause__
    return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL or (
        getattr(cause, "sqlstate", None) == POSTGRESQL_DISK_FULL
    )


def probe() -> None:
    """The shortest question there is: does it answer?"""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def forget_pooled() -> None:
    """The database was lost: give up the connections that REST's threads share. May be repeated.

    The pool would find out about each of them alone, and make a request wait a second and more for every dead one.
    """
    if settings.DATABASES[DEFAULT_DB_ALIAS].get("OPTIONS", {}).get("pool"):
        pool = connections.create_connection(DEFAULT_DB_ALIAS).pool  # type: ignore[attr-defined]  # PostgreSQL's
        if not pool.closed:
            pool.drain()


def ended_by_a_limit(error: Exception) -> bool:
    """Whether PostgreSQL itself ended the statement, for waiting or running too long: the connection is good."""
    return getattr(error.__cause__, "sqlstate", None) in ("55P03", "57014")


def own_connection(timeout_s: float, *, answer_s: float = ANSWER_S, connect_s: int | None = None) -> None:
    """Give this thread a connection of its own, whatever REST's threads share; it waits less than its callers do.

    A pool makes its users wait while the database is away; what live sessions ask must be refused at once.
    `answer_s`: after so long without PostgreSQL's answer the connection is given up; `connect_s`: so long it may take
    to be made (None: as the settings have it).
    """
    own = connections[DEFAULT_DB_ALIAS]
    options = {name: value for name, value in own.settings_dict["OPTIONS"].items() if name != "pool"}
    if own.vendor == "sqlite":
        options["timeout"] = min(options.get("timeout", timeout_s), timeout_s * LOCK_SHARE)
    elif connect_s is not None:
        options["connect_timeout"] = connect_s
    own.settings_dict = {**own.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": None, ANSWER_SETTING: answer_s}


def _give_up(job: Job[T], future: asyncio.Future[T | None]) -> None:
    """The caller is gone: so is the job, unless a thread has begun it."""
    if not job.cancel():
        future.add_done_callback(_ended_late)


def _ended_late(future: asyncio.Future[Any]) -> None:
    error = None if future.cancelled() else future.exception()
    if error is not None and not isinstance(error, ReaktorError):
        logger.error("database: a call failed after its caller was gone: %r", error, exc_info=error)


def _made_and_told(function: Callable[[], T], loop: asyncio.AbstractEventLoop, tell: Callable[[Any], None]) -> None:
    found: T | Exception
    try:
        found = _guarded(False, function)
    except Exception as error:  # noqa: BLE001  it is told
        found = error
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is there to be told
        loop.call_soon_threadsafe(tell, found)


def _guarded(may_repeat: bool, call: Callable[[], T]) -> T:
    began = time.monotonic()
    try:
        return call()
    except LOST as error:
        if not ended_by_a_limit(error):
            connections.close_all()
            forget_pooled()
            if may_repeat and time.monotonic() - began < REPEAT_S:
                return _guarded(False, call)
        logger.warning("database: %s", str(error).strip().splitlines()[0] if str(error) else type(error).__name__)
        raise UnavailableError("The database is away.") from error
