"""The runtime of a process whose bus is gone."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from accounts.models import User
from chat.domain.ids import WorkerId
from chat.live.runtime import Runtime
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
