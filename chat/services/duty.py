"""Which process of the cluster has a duty (sends the notices, keeps the search index): the one whose term stands in the
duty's row of the leases, and is renewed.

Nothing wrong is done where two believe it for a moment: rows are taken one by one. It is there so that one process asks
the database instead of all. Nobody's clock is compared with another one's: a lease is free when its row has stayed the
same for FREE_S, by the clock of whoever looks (as in reaktor.cluster.lease).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from django.db.models import F, QuerySet

from chat.models import ClusterLease

RENEW_S = 2.0
HELD_S = 5.0
"""Who could not renew it for so long acts no more."""
FREE_S = 7.0


class Duty:
    """hold() every RENEW_S, release() at the end; in database threads, one at a time."""

    def __init__(self, duty: str, holder: str, clock: Callable[[], float]) -> None:
        self._duty = duty
        self._holder = holder
        self._term = secrets.token_hex(8)
        self._clock = clock
        self._renewed_at: float | None = None
        self._seen: tuple[str, int] | None = None
        self._seen_at = 0.0

    @property
    def is_held(self) -> bool:
        return self._renewed_at is not None and self._clock() - self._renewed_at < HELD_S

    def hold(self) -> bool:
        """Renew it, or take it where it is free. Whether it is ours now."""
        began = self._clock()
        if self._mine().update(renewals=F("renewals") + 1):
            self._renewed_at = began
            return True
        self._renewed_at = None
        row, _ = ClusterLease.objects.get_or_create(duty=self._duty)
        seen = (row.term, row.renewals)
        if seen != self._seen:
            self._seen, self._seen_at = seen, began
        if row.holder and began - self._seen_at < FREE_S:
            return False
        same = ClusterLease.objects.filter(duty=self._duty, holder=row.holder, term=row.term, renewals=row.renewals)
        taken = same.update(holder=self._holder, term=self._term, renewals=0, epoch=F("epoch") + 1)
        self._renewed_at = began if taken else None
        return bool(taken)

    def release(self) -> None:
        """Whoever looks next may have it at once."""
        self._renewed_at = None
        self._mine().update(holder="")

    def _mine(self) -> QuerySet[ClusterLease]:
        return ClusterLease.objects.filter(duty=self._duty, term=self._term).exclude(holder="")
