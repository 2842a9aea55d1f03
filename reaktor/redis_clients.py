"""Clients of the server's Redis, as its settings (RedisAt) want them: by URL, with TLS, by Sentinel.

Everything that talks to it and is no channel layer gets its client here: counts, keys, announcements, waiting for it.
Each wait on it takes `timeout_s` at most, and nothing is tried again unless told. The errors are redis-py's.
"""

from __future__ import annotations

from redis import Redis, asyncio
from redis.asyncio.sentinel import Sentinel as SoonSentinel
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from reaktor.config.redis_at import RedisAt


def blocking_client(at: RedisAt, timeout_s: float, *, retries: int = 0) -> Redis:
    """For threads and commands."""
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    options = {**at.options(), **timeouts, "retry": Retry(NoBackoff(), retries)}
    if not at.sentinels:
        return Redis.from_url(at.url, **options)
    sentinel = Sentinel(at.sentinels, sentinel_kwargs=at.sentinel_options())  # type: ignore[no-untyped-call]
    client: Redis = sentinel.master_for(at.master, **options)  # type: ignore[no-untyped-call]
    return client


def soon_client(at: RedisAt, timeout_s: float) -> asyncio.Redis:
    """For the loop."""
    timeouts = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s}
    options = {**at.options(), **timeouts}
    if not at.sentinels:
        return asyncio.Redis.from_url(at.url, **options)
    sentinel = SoonSentinel(at.sentinels, sentinel_kwargs=at.sentinel_options())  # type: ignore[no-untyped-call]
    client: asyncio.Redis = sentinel.master_for(at.master, **options)
    return client


async def close_soon(client: asyncio.Redis) -> None:
    """Close it, and what it asked Sentinels by. Raises what redis-py does."""
    sentinel = getattr(client.connection_pool, "sentinel_manager", None)
    await client.aclose(close_connection_pool=True)
    if sentinel is not None:
        await sentinel.aclose()
