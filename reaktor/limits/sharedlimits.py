"""Limits that hold for all processes of a server: counted here first, then in the server's Redis.

SharedCounts is the Redis part (each question one atomic script), SharedRate and SharedBackoff put it together with this
process's own counts. When Redis does not answer in time each process counts alone until it does: chatting goes on, and
what one client may do grows by the number of processes at most. Blocks for a round trip: called in threads, never on
the loop. Without a SharedCounts (one process, tests) only this process counts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

import redis

from reaktor.config.model import Rate
from reaktor.config.redis_at import RedisAt
from reaktor.errors import RateLimitedError
from reaktor.limits.backoff import Backoff, Counted
from reaktor.limits.ratelimit import RateLimiter
from reaktor.redis_clients import blocking_client

logger = logging.getLogger(__name__)

TIMEOUT_S = 0.25
"""A hundred round trips of a busy Redis on the same machine; the writer waits for it, so it can't be more."""
PAUSE_S = 1.0

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""
# The times of the last accepted hits, oldest first; the same rule as in reaktor.limits.ratelimit.
_WINDOWS = (
    _NOW
    + """
local count, period = tonumber(ARGV[1]), tonumber(ARGV[2])
local waits = {}
for i, key in ipairs(KEYS) do
  local wait = 0
  if redis.call('LLEN', key) >= count then
    wait = math.max(tonumber(redis.call('LINDEX', key, 0)) + period - now, 0)
    if wait == 0 then redis.call('LPOP', key) end
  end
  if wait == 0 then
    redis.call('RPUSH', key, now)
    redis.call('PEXPIRE', key, period)
  end
  waits[i] = wait
end
return waits
"""
)
# Per key a hash: n failures, `till` when it stands in the way; four figures of its Delay each. As in backoff.py.
_BEGIN = (
    _NOW
    + """
local wait = 0
for _, key in ipairs(KEYS) do
  wait = math.max(wait, tonumber(redis.call('HGET', key, 'till') or 0) - now)
end
if wait > 0 then return wait end
for i, key in ipairs(KEYS) do
  local free, first, longest, memory = unpack(ARGV, i * 4 - 3, i * 4)
  local over = redis.call('HINCRBY', key, 'n', 1) - free
  if over > 0 then
    redis.call('HSET', key, 'till', now + math.min(first * 2 ^ math.min(over - 1, 64), tonumber(longest)))
  end
  redis.call('PEXPIRE', key, memory)
end
return 0
"""
)
_UNDO = """
for i, key in ipairs(KEYS) do
  if redis.call('EXISTS', key) == 1 then
    local n = redis.call('HINCRBY', key, 'n', -1)
    if n <= tonumber(ARGV[i]) then redis.call('HDEL', key, 'till') end
    if n <= 0 then redis.call('DEL', key) end
  end
end
"""


def hashed(*parts: str) -> str:
    """A short key for texts of any length that strangers chose (a name may be a password typed into the wrong box)."""
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


class SharedCounts:
    """One server's counts in its Redis, under `scope`. Every method gives None when Redis does not answer.

    None ever raises. After a failure it is left alone for PAUSE_S, so that a Redis that hangs costs one time-out a
    second, not one each.
    """

    def __init__(
        self, at: RedisAt, scope: str, *, timeout_s: float = TIMEOUT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._prefix = f"{scope}limit:"
        self._client = blocking_client(at, timeout_s)
        self._clock = clock
        self._away_until = 0.0
        self._is_away = False
        self._windows = self._client.register_script(_WINDOWS)
        self._begin = self._client.register_script(_BEGIN)
        self._undo = self._client.register_script(_UNDO)

    def hits(self, keys: Sequence[str], rate: Rate) -> list[float] | None:
        """One hit for each key, in order: 0 where it is accepted, else the seconds until one would be."""
        figures = [rate.count, round(rate.period_s * 1000)]
        waits = self._ask(lambda: self._windows([self._prefix + key for key in keys], figures))
        return None if waits is None else [wait / 1000 for wait in waits]

    def begin(self, counted: Counted) -> float | None:
        """Backoff.begin(), but 0 where the attempt may go on."""
        figures: list[float] = []
        for _, delay in counted:
            seconds = (delay.first_s, delay.longest_s, delay.memory_s)
            figures += [delay.free, *(round(each * 1000) for each in seconds)]
        wait = self._ask(lambda: self._begin([self._prefix + key for key, _ in counted], figures))
        return None if wait is None else wait / 1000

    def undo(self, counted: Counted) -> None:
        keys = [self._prefix + key for key, _ in counted]
        self._ask(lambda: self._undo(keys, [delay.free for _, delay in counted]))

    def clear(self, key: str) -> None:
        self._ask(lambda: self._client.delete(self._prefix + key))

    def remember(self, key: str, seconds: float) -> None:
        """Note a key for so long; knows() says whether it is."""
        self._ask(lambda: self._client.set(self._prefix + key, 1, px=round(seconds * 1000)))

    def knows(self, key: str) -> bool | None:
        found = self._ask(lambda: self._client.exists(self._prefix + key))
        return None if found is None else bool(found)

    def _ask(self, question: Callable[[], Any]) -> Any:
        if self._clock() < self._away_until:
            return None
        try:
            answer = question()
        except redis.RedisError as error:
            self._away_until = self._clock() + PAUSE_S
            # Of a master that became a replica, only a new connection finds the next one.
            self._client.connection_pool.disconnect(inuse_connections=False)
            if not self._is_away:
                logger.warning("limits: Redis does not answer (%s); each process counts alone", type(error).__name__)
            self._is_away = True
            return None
        if self._is_away:
            logger.info("limits: Redis answers again; all processes count together")
        self._is_away = False
        return answer


class SharedRate:
    """At most `rate.count` accepted hits of a key within any `rate.period_s` seconds, in all processes together.

    The two steps of check() may be taken apart: here() at once on the loop, everywhere() for many in a thread.
    `unasked`: so many hits of a key are accepted in each process without a question, which makes the rest cheap;
    processes together may then exceed the rate by so many for each process but one.
    """

    def __init__(
        self,
        name: str,
        rate: Rate,
        shared: SharedCounts | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        unasked: int = 0,
    ) -> None:
        self._name = name
        self._shared = shared
        self._clock = clock
        self._here = RateLimiter(rate)
        self._unasked = RateLimiter(replace(rate, count=unasked)) if unasked else None
        self._asked = replace(rate, count=rate.count - unasked)
        self.refused_total = 0

    def check(self, key: str) -> None:
        """Count one hit. Raises RateLimitedError with the seconds to wait; then it is not counted anywhere."""
        self.here(key)
        if (error := self.everywhere([key])[0]) is not None:
            raise error

    def here(self, key: str) -> None:
        """Count one hit in this process. Raises RateLimitedError."""
        if (wait_s := self._here.hit(key, self._clock())) is not None:
            self.refused_total += 1
            raise RateLimitedError(retry_after_s=wait_s)

    def left(self, key: str) -> None:
        """Count nothing. Raises RateLimitedError where here() would."""
        if (wait_s := self._here.wait_s(key, self._clock())) is not None:
            self.refused_total += 1
            raise RateLimitedError(retry_after_s=wait_s)

    def must_ask(self, key: str) -> bool:
        """Whether everywhere() would ask for one hit of this key, which here() accepted; if not, it is granted now."""
        if self._shared is None:
            return False
        return self._unasked is None or self._unasked.hit(key, self._clock()) is not None

    def everywhere(self, keys: Sequence[str]) -> list[RateLimitedError | None]:
        """Count hits that here() accepted in all processes, in order; those refused are taken back here."""
        verdicts: list[RateLimitedError | None] = [None] * len(keys)
        if self._shared is None:
            return verdicts
        unasked, now = self._unasked, self._clock()
        places = [at for at, key in enumerate(keys) if unasked is None or unasked.hit(key, now) is not None]
        waits = self._shared.hits([f"{self._name}:{keys[at]}" for at in places], self._asked) if places else None
        for at, wait_s in zip(places, waits or (), strict=False):
            if wait_s:
                self._here.undo(keys[at])
                self.refused_total += 1
                verdicts[at] = RateLimitedError(retry_after_s=wait_s)
        return verdicts


class SharedBackoff:
    """Growing delay in all processes together."""

    def __init__(self, shared: SharedCounts | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._shared = shared
        self._clock = clock
        self._here = Backoff()

    def begin(self, counted: Counted) -> None:
        """Begin an attempt, which counts as failed. Raises RateLimitedError; then it does not count."""
        wait_s = self._here.begin(counted, self._clock())
        if wait_s is None and self._shared is not None:
            wait_s = self._shared.begin(counted)
            if wait_s:
                self._here.undo(counted)
        if wait_s:
            raise RateLimitedError(retry_after_s=wait_s)

    def undo(self, counted: Counted) -> None:
        """The attempt failed at nothing."""
        self._here.undo(counted)
        if self._shared is not None:
            self._shared.undo(counted)

    def clear(self, key: str) -> None:
        """Forget the failures of a key."""
        self._here.clear(key)
        if self._shared is not None:
            self._shared.clear(key)
