"""The row of one duty in the database, as reaktor.cluster.lease wants it asked.

Asked in the keeper's own thread, over a connection of that thread, which waits no longer than it is told: whoever
keeps a lease must know in time that it could not. It needs no session of the database, so a pooler may stand between.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, InterfaceError, connection, connections
from django.db.models import BigIntegerField, F, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.functions import Greatest

from chat.models import ClusterLease
from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.lease import LeaseAwayError, LeaseRow, Tenure
from reaktor.db.database import own_connection
from reaktor.db.patience import ANSWER_SETTING

CONNECT_S = 2
"""The least that PostgreSQL's library waits for a connection."""

# Unix milliseconds by the database's clock, which all hosts share.
NOW_MS = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS bigint)",
    "sqlite": "CAST((julianday('now') - 2440587.5) * 86400000 AS integer)",
}


class LeaseRows:
    """A LeaseStore."""

    def __init__(self, duty: str, *, answer_s: float) -> None:
        self._duty, self._answer_s = duty, answer_s

    def read(self) -> LeaseRow:
        with self._asking():
            found, _ = ClusterLease.objects.get_or_create(duty=self._duty)
        return LeaseRow(found.holder, found.epoch, found.term, found.renewals)

    def take(self, seen: LeaseRow, holder: str, term: str) -> LeaseRow | None:
        same = ClusterLease.objects.filter(
            duty=self._duty, holder=seen.holder, epoch=seen.epoch, term=seen.term, renewals=seen.renewals
        )
        now_ms = RawSQL(NOW_MS[connection.vendor], (), output_field=BigIntegerField())  # noqa: S611  constants of ours
        with self._asking():
            same.update(holder=holder, term=term, renewals=0, epoch=Greatest(F("epoch") + 1, now_ms))
            found = ClusterLease.objects.filter(duty=self._duty, term=term).first()
        return None if found is None else LeaseRow(found.holder, found.epoch, found.term, found.renewals)

    def renew(self, holder: str, term: str) -> bool:
        with self._asking():
            return bool(self._held(holder, term).update(renewals=F("renewals") + 1))

    def release(self, holder: str, term: str) -> None:
        with self._asking():
            self._held(holder, term).update(holder="")

    def resume(self, holder: str, term: str) -> bool:
        same = ClusterLease.objects.filter(duty=self._duty, holder__in=("", holder), term=term)
        with self._asking():
            return bool(same.update(holder=holder, renewals=F("renewals") + 1))

    def close(self) -> None:
        connections.close_all()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """This thread's connection waits for as long as we may. What it fails with is LeaseAwayError."""
        if connection.settings_dict.get(ANSWER_SETTING) != self._answer_s:
            own_connection(self._answer_s, answer_s=self._answer_s, connect_s=CONNECT_S)
        try:
            yield
        except (DatabaseError, InterfaceError) as error:
            connections.close_all()
            raise LeaseAwayError(str(error)) from error

    def _held(self, holder: str, term: str) -> QuerySet[ClusterLease]:
        return ClusterLease.objects.filter(duty=self._duty, holder=holder, term=term)


def take_at_once(rows: LeaseRows, holder: str) -> Tenure:
    """Take a lease that nobody else can want, for good. Raises LeaseAwayError."""
    try:
        while (taken := rows.take(rows.read(), holder, secrets.token_hex(8))) is None:
            pass
    finally:
        rows.close()
    return Tenure(taken, 0.0, math.inf)


def refuse_beside(row: LeaseRow) -> None:
    """Raises SupervisorError: somebody else keeps the lease."""
    host = row.holder.rpartition("/")[0]
    raise SupervisorError(f"Another server works on this database already, on {host}. One at a time serves it.")
