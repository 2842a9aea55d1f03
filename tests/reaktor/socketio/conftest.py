"""`served`: a Socket.IO server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from reaktor.config.model import EngineIO
from reaktor.socketio import client
from tests.support.socketio_served import Served


@pytest_asyncio.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(client, "REFUSED_CLOSE_S", 0.05)
    served = Served(EngineIO(connect_timeout_s=0.2))
    running = asyncio.ensure_future(served.server.run())
    yield served
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
