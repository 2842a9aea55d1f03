"""How fast one WebSocket may send: frames and bytes, counted where they are read, before anybody acts on them.

Pace.on_bytes() and on_frame() count what has come and say how long reading should rest. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from reaktor.config.model import Limits, Rate
from reaktor.limits.ratelimit import TokenBucket

LEAST_REST_S = 0.25
"""A rest that ended with the first frame paid for would cost a timer for each frame."""


@dataclass(frozen=True, slots=True)
class PaceRates:
    """What every WebSocket of a server may send."""

    frames: Rate
    incoming_bytes: Rate


def pace_rates(limits: Limits) -> PaceRates | None:
    """Those of a configuration; None: as fast as they like."""
    return PaceRates(limits.frames, limits.incoming_bytes) if limits.enabled else None


class Pace:
    """What one WebSocket has sent of late."""

    __slots__ = ("_bytes", "_frames", "_rates")

    def __init__(self, rates: PaceRates) -> None:
        self._rates = rates
        self._frames = TokenBucket()
        self._bytes = TokenBucket()

    def on_frame(self, now: float) -> float:
        """The head of a frame of any kind was read, at `now` (monotonic seconds). Returns the seconds to rest, or 0."""
        return _rest(self._frames.charge(1, self._rates.frames, now))

    def on_bytes(self, count: int, now: float) -> float:
        """The same for so many bytes from the socket."""
        return _rest(self._bytes.charge(count, self._rates.incoming_bytes, now))


def _rest(wait_s: float) -> float:
    return max(wait_s, LEAST_REST_S) if wait_s else 0.0
