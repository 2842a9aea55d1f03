"""Which Channels layer carries the bus: Django's CHANNEL_LAYERS entry for one process, and for several over a Redis.

The settings choose one of them. The supervisor is no worker: its own settings name the memory layer, and it makes the
layer of its Redis from here. Pure.
"""

from __future__ import annotations

import socket
from typing import Any

from reaktor.config.redis_at import RedisAt

PREFIX = "reaktor"
"""Begins every key that the layer uses in Redis."""

MEMORY_LAYER: dict[str, Any] = {
    "BACKEND": "channels.layers.InMemoryChannelLayer",
    # At the default of 100, send raises and group_send drops without a word; groups would be forgotten after a day.
    "CONFIG": {"capacity": 100_000, "expiry": 3600, "group_expiry": 10**9},
}


LINE_OPTIONS = {"TCP_KEEPIDLE": 5, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 8_000}
"""A route that drops packets without a word is noticed in about ten seconds; the kernel's own patience is hours."""


CONNECT_S = 2


def redis_layer(at: RedisAt) -> dict[str, Any]:
    """The pub/sub layer on one Redis. redis-py 8 ends a connection that is idle for 5 s unless told otherwise."""
    host: dict[str, Any] = {**at.options(), "socket_timeout": None, "health_check_interval": 0}
    host["socket_connect_timeout"] = CONNECT_S
    if at.sentinels:
        host |= {"master_name": at.master, "sentinels": at.sentinels, "sentinel_kwargs": at.sentinel_options()}
    else:
        host["address"] = at.url
    if not at.url.startswith("unix:"):
        # Which of them there are depends on the system.
        options = {getattr(socket, name): value for name, value in LINE_OPTIONS.items() if hasattr(socket, name)}
        host |= {"socket_keepalive": True, "socket_keepalive_options": options}
    return {
        "BACKEND": "reaktor.process.redis_layer.RedisLayer",
        "CONFIG": {"hosts": [host], "prefix": PREFIX},
    }
