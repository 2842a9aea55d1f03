"""Sessions begin so many at a time: a storm of a thousand hellos was served side by side, and none of them in time."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from chat.live.arrivals import WAIT_S, Arrivals
from reaktor.errors import UnavailableError


async def test_they_are_let_in_in_the_order_in_which_they_came() -> None:
    arrivals, order, inside = Arrivals(places=2), list[int](), list[int]()

    async def arrive(number: int) -> None:
        async with arrivals.place():
            order.append(number)
            inside.append(number)
            await asyncio.sleep(0)
            assert len(inside) <= 2
            inside.remove(number)

    await asyncio.gather(*map(arrive, range(9)))
    assert order == list(range(9))


async def test_who_waits_too_long_is_told_when_to_come_again_and_holds_nothing() -> None:
    arrivals = Arrivals(places=1, wait_s=0.05)
    async with arrivals.place():
        with pytest.raises(UnavailableError) as refused:
            async with arrivals.place():
                pass
        assert refused.value.retry_after_s
    async with arrivals.place():
        pass


async def test_the_place_of_one_that_fails_is_the_next_ones() -> None:
    arrivals = Arrivals(places=1, wait_s=5.0)
    with pytest.raises(ZeroDivisionError):
        async with arrivals.place():
            raise ZeroDivisionError
    async with arrivals.place():
        pass


def test_whoever_waits_is_answered_before_the_web_client_gives_up() -> None:
    """It came again just before its turn, and made a storm of itself."""
    session = (Path(__file__).parents[3] / "chat/static/chat/client/session.js").read_text()
    gives_up_s = float(re.findall(r"HELLO_TIMEOUT_S = (\d+)", session)[0])
    assert gives_up_s - WAIT_S >= 2
