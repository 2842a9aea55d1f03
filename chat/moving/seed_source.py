"""The replaced server's Redis, read in windows: never more than some thousand rows in memory, nothing written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import redis

from chat.moving.seed_rows import text_of

USER = "user__"
MESSAGES = "channel_msg__"
CHANNELS = "channel__"
PRIVATE = b"private"
SCAN_COUNT = 1_000
SOCKET_S = 30.0


@dataclass(frozen=True, slots=True)
class MessageList:
    """One channel's messages: the Redis key, the channel's key, how many."""

    redis_key: bytes
    channel_key: str
    length: int


class SeedSource:
    """Raises redis.RedisError wherever Redis does not answer."""

    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=SOCKET_S, socket_connect_timeout=SOCKET_S)

    def __enter__(self) -> SeedSource:
        self._redis.ping()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._redis.close()

    def count_users(self) -> int:
        return sum(len(keys) for keys in self._scan(USER))

    def users(self) -> Iterator[list[tuple[str, bytes | None]]]:
        """(name, password) in parts; None for one that has none, or is no hash."""
        for keys in self._scan(USER):
            with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.hget(key, "password")
                found = pipeline.execute(raise_on_error=False)
            yield [
                (text_of(key)[len(USER) :], value if isinstance(value, bytes) else None)
                for key, value in zip(keys, found, strict=True)
            ]

    def channels(self) -> Iterator[tuple[bytes, bool]]:
        """(entry, whether it is listed) of every list of channels, in their order; the listed ones first."""
        lists = [(key.endswith(PRIVATE), key) for keys in self._scan(CHANNELS, "list") for key in keys]
        for is_private, key in sorted(lists):
            for part in self.rows(key, 0):
                yield from ((row, not is_private) for row in part)

    def message_lists(self, on_stray: Callable[[str], None]) -> list[MessageList]:
        """All of them, by key; `on_stray` is told of keys that are named like one and are none."""
        found = []
        for keys in self._scan(MESSAGES):
            with self._redis.pipeline(transaction=False) as pipeline:
                for key in keys:
                    pipeline.llen(key)
                lengths = pipeline.execute(raise_on_error=False)
            for key, length in zip(keys, lengths, strict=True):
                if isinstance(length, int):
                    found.append(MessageList(key, text_of(key)[len(MESSAGES) :], length))
                else:
                    on_stray(text_of(key))
        return sorted(found, key=lambda each: each.redis_key)

    def rows(self, key: bytes, start: int, window: int = SCAN_COUNT) -> Iterator[list[bytes]]:
        """The rest of a list from `start` on, in windows."""
        while part := self._redis.lrange(key, start, start + window - 1):
            yield part
            start += len(part)

    def row(self, key: bytes, index: int) -> bytes | None:
        found: bytes | None = self._redis.lindex(key, index)
        return found

    def _scan(self, prefix: str, kind: str | None = None) -> Iterator[list[bytes]]:
        """Keys with a prefix, each once, in parts."""
        seen: set[bytes] = set()
        part: list[bytes] = []
        for key in self._redis.scan_iter(match=f"{prefix}*", count=SCAN_COUNT, _type=kind):
            if key in seen:
                continue
            seen.add(key)
            part.append(key)
            if len(part) >= SCAN_COUNT:
                yield part
                part = []
        if part:
            yield part
