"""A command that is started now and then: again and again, bounded, and gone with its starter."""

from __future__ import annotations

import asyncio
import logging
import sys
from contextlib import suppress

import psutil
import pytest

from reaktor.cluster.chores import Chore
from tests.support.waiting import until


def running() -> set[int]:
    """The pids of this process's children; servers that other tests share may be among them."""
    return {child.pid for child in psutil.Process().children()}


def chore(code: str, **timings: float) -> Chore:
    fields = {"interval_s": 0.01, "first_s": 0.0, "limit_s": 20.0, **timings}
    return Chore("a chore", (sys.executable, "-I", "-S", "-c", code), {}, **fields)


async def test_it_is_started_again_whatever_became_of_it(tmp_path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    life = asyncio.create_task(chore("print('no luck'); raise SystemExit(3)").run())
    said = "a chore ended with code 3: no luck"
    await until(lambda: [record.getMessage() for record in caplog.records].count(said) >= 2)
    life.cancel()


async def test_one_that_does_not_end_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    before = running()
    life = asyncio.create_task(chore("import time; time.sleep(60)", limit_s=0.3, interval_s=60).run())
    await until(lambda: "did not end within 0.3 s" in caplog.text)
    await until(lambda: running() <= before)
    life.cancel()


async def test_it_goes_when_it_is_not_wanted_any_more() -> None:
    before = running()
    life = asyncio.create_task(chore("import time; time.sleep(60)").run())
    await until(lambda: running() - before)
    life.cancel()
    with suppress(asyncio.CancelledError):
        await life
    assert running() <= before


async def test_one_that_can_not_be_started_is_tried_again(caplog: pytest.LogCaptureFixture, monkeypatch) -> None:
    monkeypatch.setattr("reaktor.cluster.chores.leash.leashed", lambda *command: ("/nowhere/program",))
    life = asyncio.create_task(chore("print()").run())
    await until(lambda: caplog.text.count("a chore can't be started") >= 2)
    life.cancel()
