"""What an application receives, by receive() or at once: the same messages, in the same order."""

import asyncio
from contextvars import ContextVar

import pytest

from reaktor.cluster.inbox import Inbox

WHO: ContextVar[str] = ContextVar("who", default="nobody")


async def until_it_waits() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_a_message_is_offered_only_while_the_application_waits_for_one() -> None:
    """One that came at once while an earlier one was under way would overtake it."""
    inbox, taken, received = Inbox(), [], []

    def take(message: str | bytes) -> bool:
        taken.append(message)
        return True

    async def application() -> None:
        inbox.offer_to(take)
        while True:
            received.append((await inbox.receive())["text"])
            await asyncio.sleep(0)

    inbox.put_message("before")
    task = asyncio.create_task(application())
    inbox.put_message("not yet")
    await until_it_waits()
    await until_it_waits()
    inbox.put_message("at once")
    assert (taken, received) == (["at once"], ["before", "not yet"])
    inbox.put_nowait({"type": "websocket.receive", "text": "queued"})
    inbox.put_message("behind it")
    await until_it_waits()
    await until_it_waits()
    assert (taken, received[2:]) == (["at once"], ["queued", "behind it"])
    task.cancel()


async def test_what_is_not_taken_is_received() -> None:
    inbox = Inbox()
    inbox.offer_to(lambda message: message == "mine")
    waiting = asyncio.create_task(inbox.receive())
    await until_it_waits()
    inbox.put_message("mine")
    inbox.put_message(b"")
    inbox.put_message("mine")
    assert await waiting == {"type": "websocket.receive", "bytes": b""}
    assert await inbox.receive() == {"type": "websocket.receive", "text": "mine"}


async def test_a_message_is_taken_in_the_context_of_the_application() -> None:
    """Else a line of its log would name the session that the loop served before."""
    inbox, seen = Inbox(), []

    async def application() -> None:
        WHO.set("the application")
        inbox.offer_to(lambda message: bool(seen.append(WHO.get())) or True)
        await inbox.receive()

    task = asyncio.create_task(application())
    await until_it_waits()
    inbox.put_message("x")
    assert seen == ["the application"]
    task.cancel()


async def test_an_error_of_the_application_ends_the_application() -> None:
    def take(message: str | bytes) -> bool:
        raise RuntimeError("its own")

    inbox = Inbox()
    inbox.offer_to(take)
    waiting = asyncio.create_task(inbox.receive())
    await until_it_waits()
    inbox.put_message("x")
    with pytest.raises(RuntimeError, match="its own"):
        await waiting


async def test_it_is_idle_when_the_application_asks_for_more() -> None:
    inbox, told = Inbox(), []
    inbox.put_message("x")
    inbox.when_idle(lambda: told.append("busy before"))
    await inbox.receive()
    assert told == []
    waiting = asyncio.create_task(inbox.receive())
    await until_it_waits()
    assert told == ["busy before"]
    inbox.when_idle(lambda: told.append("idle"))
    assert told == ["busy before", "idle"]
    waiting.cancel()


async def test_whoever_stops_waiting_takes_no_message_along() -> None:
    """Also when it was just being woken for one."""
    inbox = Inbox()
    gone, woken, other = (asyncio.create_task(inbox.receive()) for _ in range(3))
    await until_it_waits()
    gone.cancel()
    await until_it_waits()
    inbox.put_nowait({"type": "first"})
    woken.cancel()
    assert await other == {"type": "first"}
    inbox.put_nowait({"type": "second"})
    assert await inbox.receive() == {"type": "second"}
    assert (gone.cancelled(), woken.cancelled()) == (True, True)


async def test_of_several_who_wait_each_gets_one() -> None:
    inbox = Inbox()
    waiting = [asyncio.create_task(inbox.receive()) for _ in range(2)]
    await until_it_waits()
    inbox.put_nowait({"type": "first"})
    await until_it_waits()
    inbox.put_nowait({"type": "second"})
    assert [found["type"] for found in await asyncio.gather(*waiting)] == ["first", "second"]
    assert inbox.qsize() == 0
