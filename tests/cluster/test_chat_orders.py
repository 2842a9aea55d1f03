"""An operator's orders under load: reload by SIGHUP, more and fewer workers. Nothing is refused, nothing is lost."""

from __future__ import annotations

import asyncio
import os
import signal

import httpx
import pytest

from tests.support.chat_cluster import ChatCluster
from tests.support.cluster import clusterctl
from tests.support.verdict import crowd

pytestmark = pytest.mark.cluster


class Knocking:
    """Connects anew, all the time, from addresses of every slot; counts how that went."""

    def __init__(self, chat: ChatCluster, slots: tuple[int, ...]) -> None:
        self._chat = chat
        self._sources = [chat.source(slot, slots) for slot in slots for _ in range(2)]
        self._stop = asyncio.Event()
        self.refused: list[str] = []
        self.served = 0

    async def __aenter__(self) -> Knocking:
        self._tasks = [asyncio.create_task(self._knock(source)) for source in self._sources]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    async def _knock(self, source: str) -> None:
        transport = httpx.AsyncHTTPTransport(local_address=source)
        async with httpx.AsyncClient(transport=transport, timeout=20) as client:
            while not self._stop.is_set():
                try:
                    answer = await client.get(f"{self._chat.url}/healthz", headers={"connection": "close"})
                    self.served += answer.status_code == 200
                    if answer.status_code != 200:
                        self.refused.append(str(answer.status_code))
                except httpx.HTTPError as error:
                    self.refused.append(repr(error))
                await asyncio.sleep(0.02)


async def test_a_reload_under_load_refuses_no_connection_and_loses_no_message(chat: ChatCluster):
    before = {slot: chat.pid(slot) for slot in (1, 2)}
    async with crowd(chat, per_slot=5) as people, Knocking(chat, (1, 2)) as knocking:
        async with people.talking(0.3):
            await asyncio.sleep(0.3)
            os.kill(chat.process.pid, signal.SIGHUP)
            for slot in (1, 2):
                await asyncio.to_thread(chat.wait_replaced, slot, before[slot])
            await asyncio.gather(*(person.until(lambda p=person: p.connects == 2, 30) for person in people.people))
        await people.verdict()
        assert [[bye["code"] for bye in person.byes] for person in people.people] == [[4001]] * 10
        assert len({bye["retry_after"] for person in people.people for bye in person.byes}) > 5
    assert knocking.refused == []
    assert knocking.served > 50


@pytest.mark.long
async def test_scaling_from_one_to_three_to_two_under_load(chat: ChatCluster):
    """The tests of this module share two workers: here the way is 2, 1, 3, 2."""
    async with crowd(chat, per_slot=4) as people, Knocking(chat, (1, 2, 3)) as knocking:
        async with people.talking(0.3):
            for count in (1, 3, 2):
                code, _, said = await asyncio.to_thread(clusterctl, chat, "scale", str(count))
                assert code == 0, said
                await asyncio.to_thread(chat.wait_workers, count)
                if count == 3:
                    third = await asyncio.gather(*(people.add(chat.source(3, (1, 2, 3))) for _ in range(2)))
                    found = await asyncio.to_thread(chat.wait_agreed)
                    assert next(worker for worker in found["workers"] if worker["slot"] == 3)["sessions"] >= 2
            await asyncio.gather(*(person.until(lambda p=person: p.connects > 1, 30) for person in third))
        await people.verdict()
        # Whoever was on a worker that went was told; whoever was not was left alone.
        assert {person.connects for person in people.on[1]} == {1}
        assert all(bye["code"] == 4001 for person in people.people for bye in person.byes)
    assert knocking.refused == []
    assert knocking.served > 50
