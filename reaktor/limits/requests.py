"""How many HTTP requests one address and one user may make of this process, each counted in a token bucket of its own.

Asked on the loop, before a thread or an application works on a request. Every refusal is a RateLimitedError; LIMITS=off
lifts both. Pure but for the clock.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from itertools import islice

from reaktor.addresses import address_group
from reaktor.config.model import Limits, Rate
from reaktor.errors import RateLimitedError

MAX_KEYS = 50_000
FORGOTTEN_AT_ONCE = 2
_ROUNDING_S = 1e-9


class Buckets:
    """A token bucket for each key: `rate.count` at once, and what was taken comes back evenly over `rate.period_s`.

    A full bucket is forgotten. Of more than `max_keys` the one that was asked longest ago is, too.
    """

    def __init__(self, rate: Rate, *, max_keys: int = MAX_KEYS) -> None:
        self._rate = rate
        self._max_keys = max_keys
        # When each bucket is full again; the key that was granted longest ago first.
        self._full_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, now: float) -> float | None:
        """Take one at `now` (monotonic seconds). None: it was there; else the seconds until there is one.

        What is refused takes nothing.
        """
        self._forget(now)
        full_at = max(self._full_at.get(key, 0.0), now) + self._rate.period_s / self._rate.count
        wait_s = full_at - now - self._rate.period_s
        if wait_s > _ROUNDING_S:
            return wait_s
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        return None

    def _forget(self, now: float) -> None:
        """Two at most, which is more than one call can add."""
        for key, full_at in list(islice(self._full_at.items(), FORGOTTEN_AT_ONCE)):
            if full_at > now and len(self._full_at) < self._max_keys:
                break
            del self._full_at[key]


class RequestRates:
    """Owned once per process that serves. A worker counts what comes to it: an address stays with one worker."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_enabled = limits.enabled
        self._addresses = Buckets(limits.requests_per_address)
        self._users = Buckets(limits.requests_per_user)
        self._clock = clock

    def check_address(self, address: str) -> None:
        """Count one request from there. Raises RateLimitedError."""
        self._check(self._addresses, address_group(address))

    def check_user(self, user_id: str) -> None:
        """Count one request of this user. Raises RateLimitedError."""
        self._check(self._users, user_id)

    def _check(self, buckets: Buckets, key: str) -> None:
        if self._is_enabled and (wait_s := buckets.take(key, self._clock())) is not None:
            raise RateLimitedError(retry_after_s=wait_s)
