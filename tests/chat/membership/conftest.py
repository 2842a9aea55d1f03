"""A real Redis, and the buses of three processes on it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from reaktor.process.bus import Bus
from tests.support.redis import RedisServer, close_layers, running_redis


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture
async def buses(redis: RedisServer) -> AsyncIterator[list[Bus]]:
    """One bus for each of three processes."""
    layers = [redis.layer() for _ in range(3)]
    yield [Bus(layer) for layer in layers]
    await close_layers(*layers)
