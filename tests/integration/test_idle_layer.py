"""The idle-connection trap between redis-py 8 and channels-redis, and that our layer does not fall into it."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import redis.asyncio.connection
from channels_redis.core import RedisChannelLayer
from django.utils.module_loading import import_string

from reaktor.process.bus import Bus
from reaktor.process.layer import redis_layer
from tests.support.redis import RedisServer, running_redis

IDLE_S = 5.5
"""Longer than the time after which redis-py ends a silent read."""


@pytest.fixture
def private_redis() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def default_socket_timeout_s() -> object:
    parameters = inspect.signature(redis.asyncio.connection.AbstractConnection.__init__).parameters
    return parameters["socket_timeout"].default


def counted_reads(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One for each read that any connection begins from now on."""
    reads: list[bool] = []
    read = redis.asyncio.connection.AbstractConnection.read_response

    def record(self: Any, *args: Any, **kwargs: Any) -> Any:
        reads.append(True)
        return read(self, *args, **kwargs)

    monkeypatch.setattr(redis.asyncio.connection.AbstractConnection, "read_response", record)
    return reads


async def test_a_subscription_that_is_idle_for_longer_than_redis_py_likes_still_receives(
    private_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The trap: since redis-py 8 a connection reads for 5 s unless told otherwise. channels-redis waits for messages
    # with blocking reads that are meant to last (its core layer's here end with an error), and never says otherwise.
    # So does ours, which looks after its lines itself.
    assert default_socket_timeout_s() == 5
    description = redis_layer(private_redis.at)
    assert description["CONFIG"]["hosts"][0]["socket_timeout"] is None
    layer = import_string(description["BACKEND"])(**description["CONFIG"])
    bus = Bus(layer)
    received: list[str] = []

    async def listen() -> None:
        async for kind, _ in bus.listen("mailbox"):
            received.append(kind)

    listening = asyncio.create_task(listen())
    trapped = RedisChannelLayer(hosts=[{"address": private_redis.url}], prefix="trapped")
    waiting = asyncio.create_task(trapped.receive("mailbox"))
    await asyncio.sleep(0.1)
    await bus.subscribe("group", "mailbox")

    reads = counted_reads(monkeypatch)
    await asyncio.wait([waiting], timeout=IDLE_S + 2)
    # Ten times a second it used to be, in each worker.
    assert len(reads) < 3 * IDLE_S
    assert isinstance(waiting.exception(), redis.exceptions.TimeoutError), "the trap is real"

    await bus.broadcast("group", "by group", {})
    await bus.send("mailbox", "by mailbox", {})
    async with asyncio.timeout(5):
        while len(received) < 2:  # noqa: ASYNC110  the layer knows no event
            await asyncio.sleep(0.01)
    assert sorted(received) == ["by group", "by mailbox"]
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    await layer.flush()
    await trapped.flush()
