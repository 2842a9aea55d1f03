"""Orders from host to host: carried out once whatever the bus loses, and whoever is not heard is said to be silent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from reaktor.cluster import host_orders
from reaktor.cluster.contract import Home
from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.host_orders import ANSWER_S, ORDER, HostOrders
from reaktor.process.bus import Bus
from tests.support.faulty_layer import FaultyLayer
from tests.support.waiting import until

HERE, THERE = Home(1, 4), Home(2, 9)


class Host:
    """One that takes orders, and what it was ordered."""

    def __init__(self, layer: FaultyLayer, home: Home) -> None:
        self.ahead_s = 0.0
        self.bus = Bus(layer)
        self.orders = HostOrders(self.bus, clock=lambda: time.monotonic() + self.ahead_s)
        self.home = home
        self.obeyed: list[Mapping[str, Any]] = []
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def obey(self, order: Mapping[str, Any]) -> dict[str, Any]:
        self.obeyed.append(order)
        await self.may_end.wait()
        if order["do"] == "fail":
            raise ZeroDivisionError("a bug")
        return {"ok": False, "error": "No."} if order["do"] == "refuse" else {"ok": True, "result": {"reloaded": [1]}}


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch) -> FaultyLayer:
    monkeypatch.setattr(host_orders, "REPEAT_S", 0.02)
    return FaultyLayer(7)


@pytest.fixture
async def here(layer: FaultyLayer) -> AsyncIterator[Host]:
    async with running(Host(layer, HERE)) as host:
        yield host


@pytest.fixture
async def there(layer: FaultyLayer) -> AsyncIterator[Host]:
    async with running(Host(layer, THERE)) as host:
        yield host


@asynccontextmanager
async def running(host: Host) -> AsyncIterator[Host]:
    task = asyncio.create_task(host.orders.run(host.home, host.obey))
    try:
        yield host
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_order_is_carried_out_there_and_answered(here: Host, there: Host) -> None:
    assert await here.orders.ask(THERE, {"do": "reload"}) == {"reloaded": [1]}
    assert await here.orders.ask(HERE, {"do": "ping"}) == {"reloaded": [1]}
    assert (there.obeyed, here.obeyed) == ([{"do": "reload"}], [{"do": "ping"}])
    with pytest.raises(SupervisorError, match=r"^No\.$"):
        await here.orders.ask(THERE, {"do": "refuse"})
    with pytest.raises(SupervisorError, match=r"It failed: ZeroDivisionError\('a bug'\)"):
        await here.orders.ask(THERE, {"do": "fail"})


async def test_it_is_carried_out_once_though_the_bus_loses_and_repeats(
    layer: FaultyLayer, here: Host, there: Host
) -> None:
    layer.loss, layer.repeat, layer.delay_s = 0.5, 0.5, 0.03
    there.may_end.clear()
    asking = asyncio.create_task(here.orders.ask(THERE, {"do": "reload"}))
    await until(lambda: there.obeyed)
    await asyncio.sleep(0.2)
    assert not asking.done()
    there.may_end.set()
    assert await asking == {"reloaded": [1]}
    assert len(there.obeyed) == 1


@pytest.mark.parametrize("life", [8, 9])
async def test_a_host_that_is_not_heard_or_begins_another_life_is_given_up(here: Host, life: int) -> None:
    asking = asyncio.create_task(here.orders.ask(Home(2, life), {"do": "ping"}))
    await asyncio.sleep(0.1)
    assert not asking.done()
    here.ahead_s = ANSWER_S + 0.1
    with pytest.raises(SupervisorError, match="nothing was heard of it for 5 s"):
        await asking


async def test_who_falls_silent_while_it_obeys_is_given_up_and_who_goes_on_is_not(
    layer: FaultyLayer, here: Host, there: Host
) -> None:
    there.may_end.clear()
    asking = asyncio.create_task(here.orders.ask(THERE, {"do": "reload"}))
    await until(lambda: there.obeyed)
    for _ in range(3):
        # It takes long, and is heard all the while.
        here.ahead_s += 0.9 * ANSWER_S
        await asyncio.sleep(0.1)
        assert not asking.done()
    layer.is_cut = True
    here.ahead_s += 1.1 * ANSWER_S
    with pytest.raises(SupervisorError, match="does not answer"):
        await asking


async def test_more_orders_than_are_remembered_let_the_oldest_go_that_ended(here: Host, there: Host) -> None:
    for _ in range(3 * host_orders.REMEMBERED):
        await here.orders.ask(THERE, {"do": "reload"})
    assert len(there.orders._taken) == len(there.orders._answers) == host_orders.REMEMBERED
    there.may_end.clear()
    asking = [asyncio.create_task(here.orders.ask(THERE, {"do": "reload"})) for _ in range(host_orders.REMEMBERED + 1)]
    await until(lambda: len(there.obeyed) == 4 * host_orders.REMEMBERED)
    here.ahead_s = ANSWER_S * 0.9
    await asyncio.sleep(0.1)
    here.ahead_s = ANSWER_S * 1.1
    answers = asyncio.gather(*asking, return_exceptions=True)
    await until(lambda: any(each.done() for each in asking))
    there.may_end.set()
    refused = [answer for answer in await answers if isinstance(answer, SupervisorError)]
    assert len(refused) == 1


async def test_what_can_not_be_read_harms_nobody(here: Host, there: Host) -> None:
    for body in ({}, {"id": "x"}, {"id": "x", "reply_to": 3, "order": {}}, {"id": "y", "reply_to": [], "order": {}}):
        await here.bus.send("host.2.9", ORDER, body)
    assert await here.orders.ask(THERE, {"do": "reload"}) == {"reloaded": [1]}
