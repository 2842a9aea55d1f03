"""The two ways to hold something to a rate in this process: a sliding window for each key, a token bucket for itself.

RateLimiter is exact, in bounded memory, and has a lock, since views ask from threads and live sessions from the loop;
reaktor.limits.sharedlimits makes it count for all processes. A TokenBucket belongs to one session or connection: its
operations, its Engine.IO packets, its frames. Pure: `now` is an argument.
"""

from __future__ import annotations

import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from itertools import islice

from reaktor.config.model import Rate

MAX_KEYS = 50_000
FORGOTTEN_AT_ONCE = 2
_ROUNDING_S = 1e-9


class RateLimiter:
    """At most `rate.count` accepted hits of a key within any `rate.period_s` seconds.

    Holds what the last period needs: hits, and keys, that it is over for are forgotten as others come. Knows at most
    `max_keys` keys; beyond that the one that was accepted longest ago is forgotten, which is harmless unless all of
    them were accepted within one period (then the forgotten one starts anew).
    """

    def __init__(self, rate: Rate, *, max_keys: int = MAX_KEYS) -> None:
        self._rate = rate
        self._max_keys = max_keys
        # The times of accepted hits, oldest first; the key that was accepted longest ago first.
        self._hits: OrderedDict[str, array[float]] = OrderedDict()
        self._lock = threading.Lock()
        self.refused_total = 0

    def __len__(self) -> int:
        return len(self._hits)

    @property
    def remembered(self) -> int:
        """How many hits are held, of all keys."""
        with self._lock:
            return sum(map(len, self._hits.values()))

    def hit(self, key: str, now: float) -> float | None:
        """Count one hit at `now` (monotonic seconds). None: accepted; else the seconds until one would be.

        A refused hit is not counted: who keeps trying is not shut out for longer.
        """
        with self._lock:
            self._forget_quiet(now)
            times = self._hits.get(key)
            if times is None:
                times = self._hits[key] = array("d")
                if len(self._hits) > self._max_keys:
                    self._hits.popitem(last=False)
            if len(times) >= self._rate.count:
                wait_s = times[-self._rate.count] + self._rate.period_s - now
                if wait_s > 0:
                    self.refused_total += 1
                    return wait_s
            # By half at least, so that a hit costs the same however many there are.
            over = bisect_right(times, now - self._rate.period_s)
            if 2 * over >= len(times):
                del times[:over]
            times.append(now)
            self._hits.move_to_end(key)
            return None

    def wait_s(self, key: str, now: float) -> float | None:
        """What hit() would say, without counting anything."""
        with self._lock:
            times = self._hits.get(key)
            if times is None or len(times) < self._rate.count:
                return None
            left_s = times[-self._rate.count] + self._rate.period_s - now
            return left_s if left_s > 0 else None

    def undo(self, key: str) -> None:
        """Take the newest accepted hit of a key back: somebody else refused what it stood for."""
        with self._lock:
            if times := self._hits.get(key):
                times.pop()

    def _forget_quiet(self, now: float) -> None:
        """Keys without a hit in the last period: two at most, which is more than one hit can add."""
        for key, times in list(islice(self._hits.items(), FORGOTTEN_AT_ONCE)):
            if times and times[-1] + self._rate.period_s > now:
                break
            del self._hits[key]


class TokenBucket:
    """`rate.count` at once; what was taken comes back evenly over `rate.period_s` seconds."""

    __slots__ = ("_full_at",)

    def __init__(self) -> None:
        self._full_at = 0.0

    def take(self, rate: Rate, now: float) -> float | None:
        """Take one at `now` (monotonic seconds). None: it was there; else the seconds until there is one.

        What is refused takes nothing, so whoever keeps trying does not wait for longer.
        """
        full_at = max(self._full_at, now) + rate.period_s / rate.count
        wait_s = full_at - now - rate.period_s
        if wait_s > _ROUNDING_S:
            return wait_s
        self._full_at = full_at
        return None

    def charge(self, count: int, rate: Rate, now: float) -> float:
        """Take so many at `now` whether they are there or not: for what has come already.

        Returns the seconds until the debt is paid; 0: there is none.
        """
        self._full_at = max(self._full_at, now) + count * rate.period_s / rate.count
        return max(self._full_at - now - rate.period_s, 0.0)
