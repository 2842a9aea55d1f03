"""Work that ends with its owner: refused when the owner goes down, cancelled only before it began."""

from __future__ import annotations

import asyncio
import contextlib
import gc

import pytest

from reaktor.owned import Job, spawn


async def work(done: list[str]) -> None:
    done.append("done")


@pytest.mark.filterwarnings("error")
async def test_a_group_that_goes_down_takes_no_new_task_and_nothing_is_left_behind() -> None:
    """Whoever asked was ended by a RuntimeError, and the coroutine was never awaited."""
    done: list[str] = []
    is_going_down, may_end = asyncio.Event(), asyncio.Event()

    async def last_words() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            is_going_down.set()
            await may_end.wait()

    async def owner() -> None:
        async with asyncio.TaskGroup() as group:
            groups.append(group)
            group.create_task(last_words())
            task = spawn(group, work(done), "early")
            assert task is not None
            await task
            await asyncio.Event().wait()

    groups: list[asyncio.TaskGroup] = []
    life = asyncio.create_task(owner())
    async with asyncio.timeout(10):
        while not done:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    life.cancel()
    async with asyncio.timeout(10):
        await is_going_down.wait()
    assert spawn(groups[0], work(done), "late") is None
    may_end.set()
    with contextlib.suppress(asyncio.CancelledError):
        await life
    assert spawn(groups[0], work(done), "too late") is None
    assert spawn(None, work(done), "nobody's") is None
    gc.collect()
    assert done == ["done"]


def test_a_job_is_made_or_cancelled_never_both() -> None:
    done: list[str] = []
    job = Job(lambda: done.append("made"))
    job()
    assert (job.cancel(), done) == (False, ["made"])
    other = Job(lambda: done.append("made"))
    assert (other.cancel(), other.cancel(), other(), done) == (True, False, None, ["made"])
