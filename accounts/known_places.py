"""From where a name has logged in lately; owned by accounts.limits. In Redis where there is one, else in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from reaktor.limits.sharedlimits import SharedCounts

MEMORY_S = 30 * 24 * 3_600.0
MAX_KEYS = 50_000


class KnownPlaces:
    """Keys (name and address, hashed) and when they are forgotten."""

    def __init__(self, shared: SharedCounts | None, clock: Callable[[], float]) -> None:
        self._shared = shared
        self._clock = clock
        self._until: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def note(self, key: str) -> None:
        """Know the key for MEMORY_S from now."""
        with self._lock:
            self._until[key] = self._clock() + MEMORY_S
            self._until.move_to_end(key)
            if len(self._until) > MAX_KEYS:
                self._until.popitem(last=False)
        if self._shared is not None:
            self._shared.remember(f"known:{key}", MEMORY_S)

    def knows(self, key: str) -> bool:
        with self._lock:
            if self._until.get(key, 0.0) > self._clock():
                return True
        return self._shared is not None and bool(self._shared.knows(f"known:{key}"))
