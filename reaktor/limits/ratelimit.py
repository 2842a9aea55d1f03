"""The two ways to hold something to a rate in this process: a sliding window for each key, a token bucket for itself.

RateLimiter is exact, in bounded memory, and has a lock, since views ask from threads and live sessions from the loop;
reaktor.limits.sharedlimits makes it count for all processes. A TokenBucket belongs to one session: its operations, its
Engine.IO packets. Pure: `now` is an argument.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field

from reaktor.config.model import Rate

MAX_KEYS = 50_000
_ROUNDING_S = 1e-9


@dataclass(slots=True)
class _Window:
    """The times of the last accepted hits as a ring: once it is full, `times[oldest]` decides."""

    times: array[float] = field(default_factory=lambda: array("d"))
    oldest: int = 0


class RateLimiter:
    """At most `rate.count` accepted hits of a key within any `rate.period_s` seconds.

    Knows at most `max_keys` keys; beyond that the one that was accepted longest ago is forgotten, which is harmless
    unless all of them were accepted within one period (then the forgotten one starts anew).
    """

    def __init__(self, rate: Rate, *, max_keys: int = MAX_KEYS) -> None:
        self._rate = rate
        self._max_keys = max_keys
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._lock = threading.Lock()
        self.refused_total = 0

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, key: str, now: float) -> float | None:
        """Count one hit at `now` (monotonic seconds). None: accepted; else the seconds until one would be.

        A refused hit is not counted: who keeps trying is not shut out for longer.
        """
        with self._lock:
            window = self._windows.get(key)
            if window is None:
                window = self._windows[key] = _Window()
                if len(self._windows) > self._max_keys:
                    self._windows.popitem(last=False)
            if len(window.times) < self._rate.count:
                window.times.append(now)
            else:
                wait_s = window.times[window.oldest] + self._rate.period_s - now
                if wait_s > 0:
                    self.refused_total += 1
                    return wait_s
                window.times[window.oldest] = now
                window.oldest = (window.oldest + 1) % self._rate.count
            self._windows.move_to_end(key)
            return None

    def undo(self, key: str) -> None:
        """Take the newest accepted hit of a key back: somebody else refused what it stood for."""
        with self._lock:
            window = self._windows.get(key)
            if window is None or not window.times:
                return
            if len(window.times) < self._rate.count:
                window.times.pop()
            else:
                # The newest stands before the oldest in the ring; whatever it replaced was too old to count.
                window.oldest = (window.oldest - 1) % self._rate.count
                window.times[window.oldest] = -math.inf


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
