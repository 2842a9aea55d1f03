"""`served`: an Engine.IO server of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from tests.support.engineio_served import Served


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    async with Served().running() as served:
        yield served
