"""Which Channels layer carries the bus: Django's CHANNEL_LAYERS entry for one process, and for several over a Redis.

The settings choose one of them. The supervisor is no worker: its own settings name the memory layer, and it makes the
layer of its Redis from here. Pure.
"""

from __future__ import annotations

from typing import Any

PREFIX = "reaktor"
"""Begins every key that the layer uses in Redis."""

MEMORY_LAYER: dict[str, Any] = {
    "BACKEND": "channels.layers.InMemoryChannelLayer",
    # At the default of 100, send raises and group_send drops without a word; groups would be forgotten after a day.
    "CONFIG": {"capacity": 100_000, "expiry": 3600, "group_expiry": 10**9},
}


def redis_layer(url: str) -> dict[str, Any]:
    """The pub/sub layer on one Redis. redis-py 8 ends a connection that is idle for 5 s unless told otherwise."""
    return {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [
                {"address": url, "socket_timeout": None, "socket_connect_timeout": 5, "health_check_interval": 0}
            ],
            "prefix": PREFIX,
        },
    }
