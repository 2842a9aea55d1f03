"""A real Redis of a test's own, on a private Unix socket, that can be killed and started again; and layers on it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from channels_redis.pubsub import RedisPubSubChannelLayer

from reaktor.cluster.redis import find_executable
from tests.support.ports import wait_for


class RedisServer:
    """redis-server without persistence. start(), kill(), start() again on the same socket; stop() at the end."""

    def __init__(self) -> None:
        # Not below pytest's own directory: Redis cuts socket paths beyond 107 bytes without a word.
        self._folder = Path(tempfile.mkdtemp(prefix="reaktor-redis-"))
        self._path = self._folder / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self._path}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._path.unlink(missing_ok=True)
        options = {"port": "0", "unixsocket": str(self._path), "save": "", "appendonly": "no", "dir": str(self._folder)}
        arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen([find_executable(), *arguments], stdout=subprocess.DEVNULL)
        wait_for(self._answers, 10.0, "an answer from Redis")

    def _answers(self) -> bool:
        client = redis.Redis.from_url(self.url, socket_timeout=1.0)
        try:
            return bool(client.ping())
        except (redis.RedisError, OSError):
            return False
        finally:
            client.close()

    def kill(self) -> None:
        """End it without warning, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def stop(self) -> None:
        """Kill it and clean up."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def layer(self) -> RedisPubSubChannelLayer:
        """A channel layer as one process has it; close_layers() in the loop that used it."""
        host = {"address": self.url, "socket_timeout": None, "socket_connect_timeout": 2, "health_check_interval": 0}
        return RedisPubSubChannelLayer(hosts=[host], prefix="reaktor")


async def close_layers(*layers: RedisPubSubChannelLayer) -> None:
    """Close the connections that the layers opened in this loop."""
    for layer in layers:
        await layer.flush()


@contextmanager
def running_redis() -> Iterator[RedisServer]:
    """A started server, stopped at the end of the block."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.stop()
