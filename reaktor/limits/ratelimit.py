"""How often one key may do a thing: an exact sliding window in bounded memory.

Pure but for a lock, since views ask from threads and live sessions from the loop. Counts in this process alone;
reaktor.limits.sharedlimits counts the same for all processes of a server, and uses this as its nearest part.
"""

from __future__ import annotations

import math
import threading
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field

from reaktor.config.model import Rate

MAX_KEYS = 50_000


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
