"""Growing delay: what goes wrong again and again may be tried less and less often.

An attempt counts as failed from its beginning, so that a hundred at once gain nothing; undo() or clear() when it did
not fail. Pure but for a lock. Counts in this process alone; reaktor.limits.sharedlimits counts for all of them.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

MAX_KEYS = 50_000
_MAX_DOUBLINGS = 64


@dataclass(frozen=True, slots=True)
class Delay:
    """`free` failures cost nothing; each one after them doubles the wait, from `first_s` up to `longest_s`.

    `memory_s` after the last failure all of them are forgotten.
    """

    free: int
    first_s: float
    longest_s: float
    memory_s: float

    def after(self, failures: int) -> float:
        """Seconds until the next attempt, after so many failures."""
        over = failures - self.free
        if over <= 0:
            return 0.0
        return min(self.first_s * 2.0 ** min(over - 1, _MAX_DOUBLINGS), self.longest_s)


@dataclass(slots=True)
class _Failures:
    count: int = 0
    until: float = 0.0
    forgotten_at: float = 0.0


Counted = Sequence[tuple[str, Delay]]
"""What one attempt counts for: keys, each with its delay."""


class Backoff:
    """The failures of each key, for as long as they count.

    What counts no longer is forgotten as others come. Beyond `max_keys` the key that failed longest ago is.
    """

    def __init__(self, *, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._failures: OrderedDict[str, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._failures)

    def begin(self, counted: Counted, now: float) -> float | None:
        """Begin an attempt at `now` (monotonic seconds). None: it is counted as a failure of every key.

        Else the seconds until none of the keys stands in the way, and nothing is counted.
        """
        with self._lock:
            self._forget_old(now, len(counted) + 1)
            wait_s = max((self._known(key, now).until - now for key, _ in counted), default=0.0)
            if wait_s > 0:
                return wait_s
            for key, delay in counted:
                found = self._known(key, now)
                found.count += 1
                found.until = now + delay.after(found.count)
                found.forgotten_at = now + delay.memory_s
                self._failures[key] = found
                self._failures.move_to_end(key)
            while len(self._failures) > self._max_keys:
                self._failures.popitem(last=False)
        return None

    def undo(self, counted: Counted) -> None:
        """The attempt failed at nothing: as if it had not been."""
        with self._lock:
            for key, delay in counted:
                found = self._failures.get(key)
                if found is None:
                    continue
                found.count -= 1
                if found.count <= delay.free:
                    found.until = 0.0
                if found.count <= 0:
                    del self._failures[key]

    def clear(self, key: str) -> None:
        """Forget the failures of a key."""
        with self._lock:
            self._failures.pop(key, None)

    def _forget_old(self, now: float, most: int) -> None:
        """Of the keys that failed longest ago, those whose time is over: more at once than one attempt can add."""
        for key, found in list(islice(self._failures.items(), most)):
            if found.forgotten_at > now:
                break
            del self._failures[key]

    def _known(self, key: str, now: float) -> _Failures:
        found = self._failures.get(key)
        return found if found is not None and found.forgotten_at > now else _Failures()
