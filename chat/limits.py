"""How often one user may send and create channels, in this process. Source: the native protocol, "Limits"."""

from __future__ import annotations

import time
from collections.abc import Callable

from chat.domain.ids import UserId
from reaktor.config import Limits
from reaktor.ratelimit import RateLimiter


class ChatLimits:
    """Owned by the app's config; every check raises RateLimitedError. LIMITS=off lifts them all."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_enabled = limits.enabled
        self._clock = clock
        self._send = RateLimiter(limits.send)
        self._create_channel = RateLimiter(limits.create_channel)

    def refused(self) -> dict[str, int]:
        """How often each limit said no in this process."""
        return {"send": self._send.refused_total, "create_channel": self._create_channel.refused_total}

    def check_send(self, user_id: UserId) -> None:
        """One more message of this user, whichever transport it comes by."""
        if self._is_enabled:
            self._send.check(user_id, self._clock())

    def check_create_channel(self, user_id: UserId) -> None:
        """One more channel of this user; those that a seed client makes by joining count too."""
        if self._is_enabled:
            self._create_channel.check(user_id, self._clock())
