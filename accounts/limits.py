"""How often one may log in and register, in this process. Source: the native protocol, "Limits"."""

from __future__ import annotations

import time
from collections.abc import Callable

from reaktor.config import Limits
from reaktor.ratelimit import RateLimiter


class AccountLimits:
    """Owned by the app's config; every check raises RateLimitedError. LIMITS=off lifts both."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._is_enabled = limits.enabled
        self._clock = clock
        self._login = RateLimiter(limits.login)
        self._register = RateLimiter(limits.register)

    def refused(self) -> dict[str, int]:
        """How often each limit said no in this process."""
        return {"login": self._login.refused_total, "register": self._register.refused_total}

    def check_login(self, username: str, address: str) -> None:
        """Per name and address together: guessing ends soon, and nobody can lock another one out from elsewhere."""
        if self._is_enabled:
            self._login.check(f"{username.lower()[:64]} {address}", self._clock())

    def check_register(self, address: str) -> None:
        """Per address."""
        if self._is_enabled:
            self._register.check(address, self._clock())
