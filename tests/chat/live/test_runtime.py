"""The runtime of one process: what it does when the bus is gone, and what the end of a session costs."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from channels.layers import InMemoryChannelLayer

from accounts.models import User
from chat.delivery.feed import Feed
from chat.delivery.recent import Recent
from chat.domain.ids import ChannelKey, WorkerId
from chat.domain.sessions import Ending
from chat.live.feeds.open_feeds import OpenFeed
from chat.live.runtime import Runtime
from chat.membership.protocol import Command, Disconnect
from chat.posting.textrules import CurrentTextRules
from reaktor.config.model import Config, MembershipTimings
from reaktor.errors import CloseCode
from reaktor.limits.rates import Rates
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.faulty_layer import FaultyLayer
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = MembershipTimings(heartbeat_s=0.1, silence_s=0.3, bus_lost_s=1.5)


async def test_sessions_are_told_4007_when_the_bus_stays_away_and_not_before(tmp_path: Path) -> None:
    config = replace(Config(tmp_path), membership=QUICK)
    layer = FaultyLayer(1)
    rates, text_rules = Rates(config.limits), CurrentTextRules(config.limits)
    runtime = Runtime(config, layer, WorkerId(0, 1), rates=rates, text_rules=text_rules, with_authority=True)
    life = asyncio.create_task(runtime.run())
    try:
        await asyncio.wait_for(runtime.wait_ready(), 5)
        ann = str(uuid.UUID(int=1))
        session = FakeSession("ann", FakeFormat(), user=ann)
        await runtime.connect(session, lambda: User(pk=ann, username=ann))
        layer.is_cut = True
        await until(lambda: not runtime.status()["bus"] and not runtime.status()["in_step"])
        assert session.closed == []
        await until(lambda: session.closed, 5.0)
        (told,) = session.closed[:1]
        assert told.code is CloseCode.BUS_LOST
        assert told.retry_after_s is not None
    finally:
        life.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await life


async def test_what_an_ending_costs_does_not_grow_with_the_feeds_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of 5,000 sessions that ended together walked all open feeds: the loop stood still for 0.7 s."""
    config = Config(tmp_path)
    rates, text_rules = Rates(config.limits), CurrentTextRules(config.limits)
    layer = InMemoryChannelLayer()
    runtime = Runtime(config, layer, WorkerId(0, 1), rates=rates, text_rules=text_rules, with_authority=False)
    told: list[Command] = []
    monkeypatch.setattr(runtime.feeder, "tell", told.append)
    monkeypatch.setattr(runtime.feeds, "heads", lambda: pytest.fail("all open feeds were walked"))
    session = FakeSession("ann", FakeFormat())
    runtime.hub.attach(session)
    for key in (ChannelKey("open"), ChannelKey("closed")):
        runtime.hub.enter(session, key)
    recent = Recent(changed=[], newest=[], floor=7, head_number=7, changes=5, numbers=5)
    monkeypatch.setitem(runtime.feeds._open, ChannelKey("open"), OpenFeed(Feed(ChannelKey("open"), 1, 7, recent), 0))
    session.waiting = {ChannelKey("waits"): 3, ChannelKey("begins"): None}
    runtime.disconnect(session, Ending.LOST)
    await asyncio.to_thread(runtime.database.close)
    assert told == [Disconnect(session.info.session_id, Ending.LOST, {ChannelKey("open"): 7, ChannelKey("waits"): 3})]
