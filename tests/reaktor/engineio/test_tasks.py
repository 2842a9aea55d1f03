"""Tasks of the Socket.IO transport: they end with their owner, and what one raises ends nothing else."""

from __future__ import annotations

import asyncio

import pytest

from reaktor.engineio.tasks import Tasks
from tests.support.waiting import until


async def test_what_a_task_raises_is_logged_and_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    tasks, is_over = Tasks(), asyncio.Event()

    async def wait() -> None:
        await is_over.wait()

    tasks.spawn(wait())
    tasks.spawn(fail())
    await until(lambda: len(tasks) == 1)
    assert "a task of the Socket.IO transport failed" in caplog.text
    is_over.set()
    await until(lambda: len(tasks) == 0)


async def test_the_end_waits_a_little_and_then_cancels_what_is_left() -> None:
    tasks, ended = Tasks(), list[str]()

    async def last(name: str, for_s: float) -> None:
        try:
            await asyncio.sleep(for_s)
            ended.append(name)
        except asyncio.CancelledError:
            ended.append(f"{name}, cancelled")
            raise

    tasks.spawn(last("short", 0.01))
    tasks.spawn(last("long", 60))
    await asyncio.sleep(0)
    await tasks.aclose(grace_s=1.0)
    assert ended == ["short", "long, cancelled"]
    assert len(tasks) == 0
    await tasks.aclose()
