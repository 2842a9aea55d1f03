"""A real Redis of a test's own, on a private Unix socket, that can be killed and started again; and layers on it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from reaktor.cluster.redis import find_executable
from reaktor.config.redis_at import RedisAt
from reaktor.process.layer import redis_layer
from reaktor.process.redis_layer import RedisLayer
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

    @property
    def at(self) -> RedisAt:
        return RedisAt(self.url)

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

    @property
    def path(self) -> Path:
        """Its socket."""
        return self._path

    def layer(self, url: str = "") -> RedisLayer:
        """A channel layer as one process has it, by another way to it if a `url` is given; see close_layers()."""
        return RedisLayer(**redis_layer(RedisAt(url or self.url))["CONFIG"])


async def close_layers(*layers: RedisLayer) -> None:
    """Close the connections that the layers opened in this loop; to be called in it."""
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
