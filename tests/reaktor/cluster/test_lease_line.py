"""Two that want one lease, over a real Redis: who is cut from it gives it back, and an orderly change is quick."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from reaktor.cluster.lease import LeaseAwayError, Tenure
from reaktor.cluster.lease_keeper import LeaseKeeper, boot_clock
from reaktor.cluster.lease_line import LeaseLine
from reaktor.process.bus import Bus
from tests.reaktor.cluster.test_lease_keeper import Duty, Rows
from tests.support.redis import RedisServer, close_layers, running_redis
from tests.support.silent_proxy import silent_proxy
from tests.support.waiting import until


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


class Host:
    """One that stands by, or decides."""

    def __init__(self, rows: Rows, name: str, bus: Bus) -> None:
        self.line = LeaseLine(bus, boot_clock)
        self.keeper = LeaseKeeper(rows, "authority", name, line=self.line)
        self.duty = Duty()

    @property
    def decides(self) -> bool:
        return len(self.duty.tenures) > self.duty.ended and self.duty.tenures[-1].left_s(boot_clock()) > 0


@asynccontextmanager
async def host(rows: Rows, name: str, server: RedisServer, url: str = "") -> AsyncIterator[Host]:
    layer = server.layer(url)
    found = Host(rows, name, Bus(layer))
    tasks = [asyncio.create_task(found.line.run()), asyncio.create_task(found.keeper.run(found.duty.serve))]
    try:
        yield found
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await close_layers(layer)


async def test_who_is_cut_from_redis_gives_the_lease_to_another_who_is_not(redis_server: RedisServer) -> None:
    """It renewed the lease for ever, and nobody heard what it decided."""
    rows = Rows()
    async with (
        silent_proxy(lambda: asyncio.open_unix_connection(str(redis_server.path))) as proxy,
        host(rows, "host a/1", redis_server, f"redis://127.0.0.1:{proxy.port}") as first,
    ):
        await until(lambda: first.decides)
        async with host(rows, "host b/2", redis_server) as second:
            proxy.is_dead = True
            proxy.silence()
            at = time.monotonic()
            await until(lambda: second.decides, 5)
            assert time.monotonic() - at < 3.5
            assert not first.decides
            await until(lambda: first.duty.ended == 1)
            assert rows.row.holder == "host b/2"


async def test_while_redis_is_away_for_all_nobody_decides_and_then_the_holder_goes_on_as_it_was(
    redis_server: RedisServer,
) -> None:
    """A new holder would begin with an empty picture, and people would be seen leaving and coming."""
    rows = Rows()
    async with host(rows, "host a/1", redis_server) as only:
        await until(lambda: only.decides)
        (tenure,) = only.duty.tenures
        redis_server.kill()
        await until(lambda: rows.row.holder == "", 5)
        assert not only.decides
        await asyncio.to_thread(redis_server.start)
        await until(lambda: only.decides, 5)
        assert only.duty.tenures == [tenure]
        assert (only.duty.ended, rows.row.term, rows.row.holder) == (0, tenure.term, "host a/1")


async def test_who_is_not_heard_on_the_bus_does_not_take_a_free_lease(redis_server: RedisServer) -> None:
    rows = Rows()
    redis_server.kill()
    async with host(rows, "host a/1", redis_server) as first:
        await asyncio.sleep(1.0)  # three looks
        assert rows.row.holder == ""
        await asyncio.to_thread(redis_server.start)
        await until(lambda: first.decides, 5)


async def test_a_lease_that_is_handed_over_is_had_by_the_other_at_once_and_stays_there(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = Rows()
    # So long that nobody finds it by looking.
    async with host(rows, "host a/1", redis_server) as first:
        await until(lambda: first.decides)
        monkeypatch.setattr("reaktor.cluster.lease_keeper.LOOK_S", 4.0)
        async with host(rows, "host b/2", redis_server) as second:
            await until(second.line.may_take)
            settled: list[Tenure] = []

            async def settle() -> None:
                assert rows.row.holder == "host a/1", "others would decide before all was said"
                settled.append(first.duty.tenures[-1])

            await asyncio.sleep(1.0)  # it stands by
            at = time.monotonic()
            handed = asyncio.create_task(first.keeper.hand_over(settle))
            await until(lambda: second.decides, 5)
            assert time.monotonic() - at < 2.5
            assert await handed == "host b/2"
            assert len(settled) == 1
            assert second.duty.ended == 0
            with pytest.raises(LeaseAwayError):
                await first.keeper.hand_over()


async def test_a_lease_that_nobody_takes_is_had_again_after_its_time_as_it_was(redis_server: RedisServer) -> None:
    rows = Rows()
    async with host(rows, "host a/1", redis_server) as only:
        await until(lambda: only.decides)
        at = time.monotonic()
        assert await only.keeper.hand_over() == "host a/1"
        assert time.monotonic() - at > 2.9
        assert only.decides
        assert len(only.duty.tenures) == 1


async def test_who_gives_the_last_one_back_wants_none_any_more(redis_server: RedisServer) -> None:
    rows = Rows()
    async with host(rows, "host a/1", redis_server) as only:
        await until(lambda: only.decides)
        assert await only.keeper.hand_over(is_last=True) == ""
        assert rows.row.holder == ""
        await asyncio.sleep(3.5)  # longer than a lease
        assert not only.decides


async def test_a_lease_is_given_back_though_nobody_waits_for_it_any_more(redis_server: RedisServer) -> None:
    """A stop waits for a second. Where the database took longer the supervisor ended with an error."""
    rows = Rows()
    async with host(rows, "host a/1", redis_server) as only:
        await until(lambda: only.decides)
        handing = asyncio.create_task(only.keeper.hand_over(is_last=True))
        await asyncio.sleep(0)
        handing.cancel()
        await until(lambda: rows.row.holder == "")
        await asyncio.sleep(0.3)  # its next look
        assert only.duty.ended == 0
