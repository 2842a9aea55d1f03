"""`served`: an Engine.IO server of the test's own; `hurried`: one that waits 0.2 s for a client, not a minute."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.engineio_served import HURRIED, Served


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async with Served().running() as served:
        yield served


@pytest_asyncio.fixture
async def hurried() -> AsyncIterator[Served]:
    async with Served(HURRIED).running() as served:
        yield served
