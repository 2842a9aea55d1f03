"""A WebSocket is read no faster than its pace, whatever its frames are, and loses nothing by it."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import connect

from reaktor.cluster.pace import LEAST_REST_S, Pace, PaceRates, pace_rates
from reaktor.config.model import Limits, Rate


@settings(deadline=None)
@given(st.lists(st.floats(0, 0.2), max_size=200))
def test_who_rests_as_told_is_read_no_faster_than_the_rate(pauses: list[float]) -> None:
    """Two sockets of empty frames took the worker's whole core."""
    pace, now = Pace(PaceRates(Rate(20, 2), Rate(1_000, 1))), 100.0
    for read, pause_s in enumerate(pauses):
        assert read <= 20 + 10 * (now - 100.0) + 1
        now += pause_s + pace.on_frame(now)


def test_bytes_that_have_come_already_are_paid_for_afterwards() -> None:
    pace = Pace(PaceRates(Rate(20, 2), Rate(1_000, 2)))
    assert pace.on_bytes(1_000, 0.0) == 0
    assert pace.on_bytes(10, 0.0) == LEAST_REST_S
    assert pace.on_bytes(990, 0.0) == pytest.approx(2.0)
    assert pace.on_bytes(1, 10.0) == 0


def test_limits_off_lifts_the_pace() -> None:
    assert pace_rates(Limits(enabled=False)) is None


async def echoes(client, count):
    async with asyncio.timeout(30):
        return [await client.recv() for _ in range(count)]


async def test_empty_parts_of_a_message_are_read_at_the_pace(paced):
    """A flood of them never reached the application that could have counted it: others' posts took 700 ms."""
    async with connect(f"{paced.ws}/echo") as client:
        started = time.monotonic()
        await client.send(["begun", *[""] * 50, "done"])
        assert await echoes(client, 1) == ["begundone"]
    assert time.monotonic() - started > 2.5


@pytest.mark.parametrize("kind", ["ping", "pong"])
async def test_pings_and_pongs_are_read_at_the_pace(paced, kind):
    async with connect(f"{paced.ws}/echo") as client:
        started = time.monotonic()
        for number in range(50):
            await getattr(client, kind)(str(number))
        await client.send("behind them")
        assert await echoes(client, 1) == ["behind them"]
    assert time.monotonic() - started > 2.5


async def test_many_bytes_are_read_at_the_pace(paced):
    async with connect(f"{paced.ws}/echo", max_queue=None) as client:
        started = time.monotonic()
        for _ in range(10):
            await client.send("x" * 50_000)
        assert [len(each) for each in await echoes(client, 10)] == [50_000] * 10
    assert time.monotonic() - started > 2


async def test_a_client_that_leaves_while_it_is_not_read_is_let_go(paced):
    async with connect(f"{paced.ws}/echo", close_timeout=0.1) as client:
        for _ in range(60):
            await client.send("x")
        client.transport.abort()
    async with connect(f"{paced.ws}/echo") as other:
        await other.send("still here")
        assert await echoes(other, 1) == ["still here"]
