"""The Channels layer over Redis: channels_redis's, which subscribes whenever it is asked to and notices a dead route.

The library keeps a list of what it is subscribed to and believes it: after an unsubscribe that was cancelled half-way
it takes a group for subscribed for ever after. And it only reads: a connection whose route has died stays silent, and
this process deaf, until the kernel gives up, which without anything to send is never.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer, RedisPubSubLoopLayer, RedisSingleShardConnection
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

QUIET_S = 5.0
"""Nothing heard for so long, on a bus with a beat each second: ask."""
ANSWER_S = 3.0
READ_S = 0.1
RETRY_S = 1.0


class RedisLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # untyped library
    """To be named as the BACKEND."""

    def _get_layer(self) -> Any:
        loop = asyncio.get_running_loop()
        if loop not in self._layers:
            layer = super()._get_layer()
            layer._shards = [_Shard(shard.host, layer) for shard in layer._shards]
        return self._layers[loop]


class _Shard(RedisSingleShardConnection):  # type: ignore[misc]  # untyped library
    def __init__(self, host: dict[str, Any], channel_layer: RedisPubSubLoopLayer) -> None:
        super().__init__(host, channel_layer)
        self._heard_at = 0.0
        self._is_asked = False

    async def subscribe(self, channel: str) -> None:
        """Always said: Redis takes a repetition for nothing, and it heals whatever went wrong before."""
        async with self._lock:
            self._ensure_redis()
            self._ensure_receiver()
            await self._pubsub.subscribe(channel)
            self._subscribed_to.add(channel)

    async def unsubscribe(self, channel: str) -> None:
        async with self._lock:
            self._subscribed_to.discard(channel)
            self._ensure_redis()
            self._ensure_receiver()
            await self._pubsub.unsubscribe(channel)

    async def _do_receiving(self) -> None:
        self._heard()
        while True:
            try:
                await self._receive_next()
            except (RedisError, OSError):
                # The connection is made anew by the next read; whoever sends says that Redis is away.
                await asyncio.sleep(RETRY_S)
                self._heard()
            except Exception:
                logger.exception("redis: a message was not received")
                await asyncio.sleep(RETRY_S)

    async def _receive_next(self) -> None:
        if not (self._pubsub and self._pubsub.subscribed):
            await asyncio.sleep(READ_S)
            self._heard()
            return
        message = await self._pubsub.get_message(timeout=READ_S)
        if message is None:
            await self._look_after_line()
            return
        self._heard()
        if message["type"] == "message":
            self._receive_message(message)

    def _heard(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._is_asked = False

    async def _look_after_line(self) -> None:
        quiet_s = asyncio.get_running_loop().time() - self._heard_at
        if quiet_s > QUIET_S and not self._is_asked:
            self._is_asked = True
            await self._pubsub.ping()
        elif quiet_s > QUIET_S + ANSWER_S:
            logger.warning("redis: nothing heard for %.0f s, not even an answer; connecting anew", quiet_s)
            self._heard()
            with contextlib.suppress(RedisError, OSError):
                await self._pubsub.connection.disconnect(nowait=True)
