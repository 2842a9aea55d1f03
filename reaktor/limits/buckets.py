"""A token bucket: what one session may do, in the memory of one number.

Owned by the session that it counts for: the operations of a live session, the packets of an Engine.IO session. Rates of
a user or an address are counted by key, in reaktor.limits.rates. Pure: `now` is an argument.
"""

from __future__ import annotations

from reaktor.config.model import Rate

_ROUNDING_S = 1e-9


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
