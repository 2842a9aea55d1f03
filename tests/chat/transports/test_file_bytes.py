"""How files come in beside those who post: rows one after the other, and rests between writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from chat.transports import file_bytes
from chat.transports.file_bytes import ASKING, REST_S, RESTS, FileBytes
from reaktor.config.model import Files
from reaktor.errors import UnavailableError
from reaktor.sandbox.pictures import Pictures
from reaktor.web.edge import Edge


async def nobody(*_: Any) -> None:
    raise AssertionError("Django is not asked")


class SlowDatabase:
    """Writes wait until they are let go."""

    def __init__(self) -> None:
        self.writing: list[int] = []
        self.most = 0
        self.has_begun, self.go_on = asyncio.Event(), asyncio.Event()

    async def write(self, function: Callable[[], None], number: int) -> int:
        self.writing.append(number)
        self.most = max(self.most, len(self.writing))
        self.has_begun.set()
        await self.go_on.wait()
        self.writing.remove(number)
        return number


@pytest.fixture
def files() -> FileBytes:
    return FileBytes(nobody, Edge(), Files(), Pictures())


async def test_of_many_files_that_begin_at_once_one_row_waits_before_a_post(files: FileBytes) -> None:
    database = SlowDatabase()
    runtime: Any = SimpleNamespace(database=database)
    asked = [asyncio.create_task(files._note(runtime, print, number)) for number in range(10)]
    await database.has_begun.wait()
    database.go_on.set()
    assert await asyncio.gather(*asked) == list(range(10))
    assert database.most == 1


async def test_a_page_that_asks_for_many_files_at_once_has_two_threads_of_the_database(files: FileBytes) -> None:
    database = SlowDatabase()
    runtime: Any = SimpleNamespace(database=SimpleNamespace(read=database.write))
    asked = [asyncio.create_task(files._ask(runtime, print, number)) for number in range(10)]
    await database.has_begun.wait()
    database.go_on.set()
    assert await asyncio.gather(*asked) == list(range(10))
    assert database.most == ASKING == 2


async def test_who_waits_for_a_database_that_hangs_is_told(files: FileBytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_bytes, "TURN_S", 0.01)
    database = SlowDatabase()
    runtime: Any = SimpleNamespace(database=database)
    first = asyncio.create_task(files._note(runtime, print, 0))
    await database.has_begun.wait()
    with pytest.raises(UnavailableError):
        await files._note(runtime, print, 1)
    database.go_on.set()
    assert await first == 0


async def test_whoever_writes_rests_for_longer_than_it_took(files: FileBytes, monkeypatch: pytest.MonkeyPatch) -> None:
    now, rests = [0.0], []
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=rests.append)
    monkeypatch.setattr(file_bytes, "time", clock)

    def work(seconds: float) -> float:
        now[0] += seconds
        return seconds

    def fail() -> None:
        work(0.02)
        raise OSError

    assert await files._write(work, 0.01) == 0.01
    assert await files._write(work, 100 * REST_S) == 100 * REST_S
    with pytest.raises(OSError):
        await files._write(fail)
    assert rests == [pytest.approx(0.01 * RESTS), REST_S, pytest.approx(0.02 * RESTS)]
