"""How many connections each client address holds, in this process and elsewhere, and where the bound is.

A hold is taken for a connection (or, behind a trusted proxy, for a request) and released when it ends. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import nlargest
from operator import itemgetter

from reaktor.addresses import address_group

MAX_TOLD = 1_000


class Hold:
    """One counted connection; release() gives it back, once."""

    __slots__ = ("_counts", "_key", "count")

    def __init__(self, counts: AddressCounts, key: str, count: int) -> None:
        self._counts: AddressCounts | None = counts
        self._key = key
        self.count = count

    @property
    def is_over(self) -> bool:
        """Taken beyond the bound: its holder should be refused politely."""
        return self._counts is not None and self._counts.limit is not None and self.count > self._counts.limit

    @property
    def is_far_over(self) -> bool:
        """Taken beyond twice the bound: not even worth an answer."""
        return self._counts is not None and self._counts.limit is not None and self.count > 2 * self._counts.limit

    def release(self) -> None:
        """Give it back; may be repeated."""
        if self._counts is not None:
            counts, self._counts = self._counts, None
            counts.give_back(self._key)


class AddressCounts:
    """Connections held by address; `limit` None counts without a bound.

    `elsewhere`: what the other workers hold, by the same keys, as they last told.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.elsewhere: Mapping[str, int] = {}
        self._counts: dict[str, int] = {}

    def take(self, address: str) -> Hold:
        """Count one more for the address, over the bound or not: the caller decides what to do then."""
        key = address_group(address)
        count = self._counts.get(key, 0) + 1
        self._counts[key] = count
        return Hold(self, key, count + self.elsewhere.get(key, 0))

    def near_the_bound(self) -> dict[str, int]:
        """The counts that others have to know of: from a twentieth of the bound on, the largest 1,000."""
        if self.limit is None:
            return {}
        least = max(self.limit // 20, 1)
        found = {key: count for key, count in self._counts.items() if count >= least}
        return dict(nlargest(MAX_TOLD, found.items(), key=itemgetter(1))) if len(found) > MAX_TOLD else found

    def give_back(self, key: str) -> None:
        """For Hold.release alone."""
        left = self._counts[key] - 1
        if left:
            self._counts[key] = left
        else:
            del self._counts[key]
