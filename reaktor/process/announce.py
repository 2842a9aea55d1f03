"""Saying something on the bus from a thread: services, views, admin and commands after their commit.

In a process with a node it goes through that node's bus. In a management command it goes to the live server: to its
Redis, as one PUBLISH in the pub/sub layer's own format and under the name that the database has for its cluster, or to
the socket of a server that is one process. Where neither is (a unit test), nothing is said.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import redis
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, transaction
from django.utils.module_loading import import_string

from reaktor.config.redis_at import RedisAt
from reaktor.process import node
from reaktor.process.bus import BusError, pack
from reaktor.process.layer import PREFIX
from reaktor.process.live_servers import live_servers
from reaktor.process.local_bus import SCHEME, LocalWire
from reaktor.redis_clients import blocking_client

logger = logging.getLogger(__name__)

PUBLISH_TIMEOUT_S = 2.0
PAUSE_S = 30.0


def announce(group: str, kind: str, body: Mapping[str, Any]) -> None:
    """Say it to every process subscribed to the group once the current transaction commits (at once without one).

    Returns at once and never raises: who must not miss a thing compares with the store. Failures are logged.
    """
    transaction.on_commit(lambda: say(group, kind, body), robust=True)


def say(group: str, kind: str, body: Mapping[str, Any]) -> bool:
    """The same now. True when a live server got it: this process's node, or one that lives on this configuration."""
    running = node.current()
    if running is not None:
        try:
            running.call_soon(_start, running, group, kind, body)
        except RuntimeError:  # its loop closed just now: the process is ending
            return False
        return True
    heard = [publish_once(at, group, kind, body) for at in live_buses()]
    return any(heard)


def _start(running: node.Node, group: str, kind: str, body: Mapping[str, Any]) -> None:
    task = asyncio.get_running_loop().create_task(_broadcast(running, group, kind, body), name=f"announce {kind}")
    running.tasks.add(task)
    task.add_done_callback(running.tasks.discard)


async def _broadcast(running: node.Node, group: str, kind: str, body: Mapping[str, Any]) -> None:
    try:
        await running.bus.broadcast(group, kind, body)
    except BusError as error:
        logger.warning("announce: %s was not said (%s)", kind, error)


def live_buses() -> list[RedisAt]:
    """Where servers hear commands: the configured Redis, else what each live one wrote in its run directory.

    That is its embedded Redis, or its own socket (local://).
    """
    config = settings.REAKTOR
    if config.redis is not None:
        return [config.redis]
    return [RedisAt(str(server.said["bus"])) for server in live_servers(config) if server.said.get("bus")]


def live_scope() -> str:
    """What the live server's mailboxes and groups begin with. Raises DatabaseError or ObjectDoesNotExist."""
    config = settings.REAKTOR
    if not config.cluster_id:
        # Only the supervisor's children are told; any other process asks the database that it shares with the server.
        config = replace(config, cluster_id=import_string(settings.CLUSTER_ID_READER)())
    return str(config.scope)


class RedisWire:
    """A connection to the server's Redis; blocks."""

    def __init__(self, at: RedisAt, timeout_s: float) -> None:
        self._scope: str | None = None
        self._client = blocking_client(at, timeout_s, retries=1)

    def publish(self, group: str, kind: str, body: Mapping[str, Any]) -> bool:
        """One PUBLISH as the pub/sub layer would send it; whether anybody heard it.

        Raises RedisError, DatabaseError, or ObjectDoesNotExist.
        """
        if self._scope is None:
            self._scope = live_scope()
        data = RedisPubSubChannelLayer().serialize(pack(kind, body))
        return int(self._client.publish(f"{PREFIX}__group__{self._scope}{group}", data)) > 0

    def close(self) -> None:
        self._client.close()


class Line:
    """A connection to one live server for what is said there. One that does not answer is left alone for PAUSE_S."""

    def __init__(self, at: RedisAt) -> None:
        is_local = at.url.startswith(SCHEME)
        self._wire = LocalWire(at.url, PUBLISH_TIMEOUT_S) if is_local else RedisWire(at, PUBLISH_TIMEOUT_S)
        self._away_until = 0.0

    def publish(self, group: str, kind: str, body: Mapping[str, Any]) -> bool:
        """Say it; whether the server heard it. Never raises."""
        if time.monotonic() < self._away_until:
            return False
        try:
            return self._wire.publish(group, kind, body)
        except (redis.RedisError, DatabaseError, ObjectDoesNotExist, OSError, ValueError) as error:
            logger.warning("announce: %s was not said (%s)", kind, error)
            self._away_until = time.monotonic() + PAUSE_S
            return False

    def close(self) -> None:
        self._wire.close()


_LINES: ContextVar[dict[RedisAt, Line] | None] = ContextVar("announce_lines", default=None)


@contextmanager
def kept_lines() -> Iterator[None]:
    """Inside, what this thread says goes over one connection: for commands that say a thing per message."""
    lines: dict[RedisAt, Line] = {}
    token = _LINES.set(lines)
    try:
        yield
    finally:
        _LINES.reset(token)
        for line in lines.values():
            line.close()


def publish_once(at: RedisAt, group: str, kind: str, body: Mapping[str, Any]) -> bool:
    """Say it to whoever listens there; whether anybody heard it. A log line when nobody answers."""
    lines = _LINES.get()
    if lines is not None:
        if at not in lines:
            lines[at] = Line(at)
        return lines[at].publish(group, kind, body)
    with closing(Line(at)) as line:
        return line.publish(group, kind, body)
