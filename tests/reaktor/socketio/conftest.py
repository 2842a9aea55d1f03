"""`served`: a Socket.IO server of the test's own; `hurried`: one whose clients have 0.2 s to join.

The first gives a client more time than any stall of the machine takes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from reaktor.config.model import EngineIO
from reaktor.socketio import client
from tests.support.socketio_served import Served


@pytest_asyncio.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(client, "REFUSED_CLOSE_S", 0.05)
    async with _running(EngineIO(connect_timeout_s=60.0)) as served:
        yield served


@pytest_asyncio.fixture
async def hurried() -> AsyncIterator[Served]:
    async with _running(EngineIO(connect_timeout_s=0.2)) as served:
        yield served


@asynccontextmanager
async def _running(options: EngineIO) -> AsyncIterator[Served]:
    served = Served(options)
    running = asyncio.ensure_future(served.server.run())
    yield served
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
