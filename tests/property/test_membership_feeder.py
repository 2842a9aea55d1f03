"""Real authority, real feeders, real bus, over a layer that loses, repeats and reorders, in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, Status
from chat.membership.authority import Authority
from chat.membership.protocol import Block, Disconnect, Join, Leave, SetStatus
from reaktor.config.model import MembershipTimings
from reaktor.errors import ReaktorError
from reaktor.process.bus import Bus
from tests.support.faulty_layer import FaultyLayer
from tests.support.membership import LINGERS, NO_GRACE, Node, lease, no_places
from tests.support.virtual_time import run_in_virtual_time

USERS, CHANNELS = ("ann", "bob", "eve"), ("lobby", "news")


@pytest.fixture(autouse=True, scope="module")
def _small_slices() -> Iterator[None]:
    """One for each session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("chat.membership.authority.SLICE_SESSIONS", 1)
        yield


class Cluster:
    """One authority and two workers on one faulty layer."""

    def __init__(self, seed: int, loss: float, repeat: float, delay_s: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.random = random.Random(seed)
        self.layer = FaultyLayer(seed, loss=loss, repeat=repeat, delay_s=delay_s)
        self.bus = Bus(self.layer)
        self.blocks: list[Block] = []
        self.authority, self.authority_task = self._new_authority()
        self.nodes = [self._new_node(WorkerId(1, 1, slot, 1)) for slot in range(2)]
        self.tasks = {node.worker: asyncio.create_task(node.run()) for node in self.nodes}
        self.calls: list[asyncio.Task[None]] = []
        self.count = 0

    def _new_authority(self) -> tuple[Authority, asyncio.Task[None]]:
        async def load_blocks() -> list[Block]:
            return list(self.blocks)

        authority = Authority(
            self.bus,
            MembershipTimings(),
            mandate=lease.take(),
            load_blocks=load_blocks,
            load_places=no_places,
            max_sessions_per_user=3,
            clock=self.loop.time,
        )
        return authority, asyncio.create_task(authority.run())

    def _new_node(self, worker: WorkerId) -> Node:
        return Node(self.bus, worker, MembershipTimings(), clock=self.loop.time)

    async def act(self) -> None:
        node, choose = self.random.choice(self.nodes), self.random.random()
        live = list(node.live) or [SessionId("nobody")]
        session, channel = self.random.choice(live), ChannelKey(self.random.choice(CHANNELS))
        if choose < 0.35:
            self.count += 1
            grace = self.random.choice((LINGERS, NO_GRACE))
            self._call(node.connect(f"s{self.count}", self.random.choice(USERS), grace=grace))
        elif choose < 0.65:
            self._call(node.feeder.submit(Join(session, channel)))
        elif choose < 0.72:
            self._call(node.feeder.submit(Leave(session, channel)))
        elif choose < 0.78:
            self._call(node.feeder.submit(SetStatus(session, self.random.choice(list(Status)))))
        elif choose < 0.88:
            node.live.pop(session, None)
            node.feeder.tell(Disconnect(session, self.random.choice(list(Ending))))
        elif choose < 0.91:
            self.blocks = [] if self.blocks else [Block(UserId("eve"), self.random.choice((None, channel)), None)]
        elif choose < 0.94:
            self.layer.is_cut = True
            self.loop.call_later(self.random.choice((0.1, 1.0, 6.0)), self.layer.mend)
        elif choose < 0.97:
            await self._kill(node)
        elif choose < 0.98:
            self.authority_task.cancel()
            await asyncio.gather(self.authority_task, return_exceptions=True)
            self.authority, self.authority_task = self._new_authority()
        await asyncio.sleep(self.random.choice((0.0, 0.01, 0.3, 2.0)))

    def _call(self, call: object) -> None:
        async def forgiving() -> None:
            with contextlib.suppress(ReaktorError):
                await call  # type: ignore[misc]

        self.calls.append(asyncio.create_task(forgiving()))

    async def _kill(self, node: Node) -> None:
        task = self.tasks.pop(node.worker)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.authority.worker_exited(node.worker)
        reborn = self._new_node(WorkerId(1, 1, node.worker.slot, node.worker.incarnation + 1))
        self.nodes[self.nodes.index(node)] = reborn
        self.tasks[reborn.worker] = asyncio.create_task(reborn.run())

    async def settle(self) -> None:
        self.layer.heal()
        await asyncio.gather(*self.calls)
        # Longer than silence, patience, and two looks for ghosts; far shorter than a keep.
        await asyncio.sleep(25.0)
        status = self.authority.status()
        for node in self.nodes:
            assert node.feeder.is_in_step
            assert node.replica.digest() == status["digest"]
            assert not node.contradictions
            node.shown.matches(node.replica)
            assert set(node.replica.own_sessions()) == node.live.keys(), "a ghost on either side"
        assert status["waiting"] == 0

    async def stop(self) -> None:
        tasks = [self.authority_task, *self.tasks.values(), *self.calls]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(0, 2**32),
    st.sampled_from((0.0, 0.1, 0.4)),
    st.sampled_from((0.0, 0.2)),
    st.sampled_from((0.0, 0.02, 0.2)),
    st.integers(1, 60),
)
def test_real_followers_come_in_step_whatever_the_bus_did(
    seed: int, loss: float, repeat: float, delay_s: float, steps: int
) -> None:
    async def life() -> None:
        cluster = Cluster(seed, loss, repeat, delay_s)
        try:
            for _ in range(steps):
                await cluster.act()
            await cluster.settle()
        finally:
            await cluster.stop()

    run_in_virtual_time(life())
