"""The node of a process: what threads ask of its loop, also when that is stuck or closed already."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest
from channels.layers import InMemoryChannelLayer

from reaktor.process import announce, node
from reaktor.process.bus import Bus
from tests.support.waiting import until


@pytest.fixture
def running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture(autouse=True)
def no_node_stays() -> Iterator[None]:
    yield
    node.clear()


def node_on(loop: asyncio.AbstractEventLoop) -> node.Node:
    return node.Node(loop, Bus(InMemoryChannelLayer()), runtime=None)


async def test_a_thread_gets_what_the_coroutine_returns_or_raises() -> None:
    async def answer(value: int) -> float:
        return 1 / value

    here = node_on(asyncio.get_running_loop())
    assert await asyncio.to_thread(here.call, answer(2), 5.0) == 0.5
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(here.call, answer(0), 5.0)


async def test_what_takes_too_long_is_cancelled_so_that_it_does_not_happen_later() -> None:
    ended: list[str] = []

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    here = node_on(asyncio.get_running_loop())
    with pytest.raises(TimeoutError):
        await asyncio.to_thread(here.call, hang(), 0.01)
    await until(lambda: ended == ["cancelled"])


def test_a_process_has_one_node(running_loop: asyncio.AbstractEventLoop) -> None:
    first = node_on(running_loop)
    node.install(first)
    with pytest.raises(RuntimeError):
        node.install(node_on(running_loop))
    assert node.current() is first
    node.clear()
    node.clear()
    assert node.current() is None


def test_what_is_said_while_the_loop_has_just_ended_is_not_said() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    node.install(node_on(loop))
    assert announce.say("group", "kind", {}) is False
