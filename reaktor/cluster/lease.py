"""The lease: which one of several processes, on whatever hosts, has a duty (deciding who is where; a chore).

Pure: rows of the database and times go in, what may be done comes out. Times are seconds of the reader's own clock,
and no two clocks are ever compared. The database grants a lease by compare-and-set (LeaseStore); lease_keeper asks it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

LEASE_S = 3.0
"""A row that stays the same for so long has lost its holder."""
LOOK_S = 0.3
RENEW_SHARE = 0.25
DECIDE_SHARE = 0.6
"""Of a lease. What is left of it covers a publish that is on its way, and clocks that run at another speed."""
BEAT_S = 0.3
GIVE_BACK_S = 1.5
TAKE_S = 1.0
PAUSED_S = 1.0
"""A beat that is due so much later than the one before: this process stood still, and the bus is not to blame."""


class LeaseAwayError(Exception):
    """The database did not answer in time. Whether it did what it was asked for is not known."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One duty, as the database has it. `holder`: who has it, empty where nobody does.

    `epoch` grows with each taking, `term` is random and new with each taking, `renewals` counts within a term.
    """

    holder: str
    epoch: int
    term: str
    renewals: int


class LeaseStore(Protocol):
    """The row of one duty. Each call blocks for a bounded time, and raises LeaseAwayError."""

    def read(self) -> LeaseRow:
        """The row; it is made where there is none."""

    def take(self, seen: LeaseRow, holder: str, term: str) -> LeaseRow | None:
        """Take the duty if the row is still as it was seen. None: it is another by now."""

    def renew(self, holder: str, term: str) -> bool:
        """Count one renewal if holder and term still stand. False: they don't, and the lease is lost."""

    def release(self, holder: str, term: str) -> None:
        """Let the next one in at once, if holder and term still stand."""

    def resume(self, holder: str, term: str) -> bool:
        """Have what was released again, if nobody has taken it since: the term still stands. False: it is lost."""

    def close(self) -> None:
        """Give up the connection."""


class Standby:
    """Watches the row while somebody else may have the duty."""

    def __init__(self, holder: str, lease_s: float, *, is_alone: bool) -> None:
        """`is_alone`: what stands behind the slash of `holder` names a lock that we hold: whoever had it is dead."""
        self._holder, self._lease_s, self._is_alone = holder, lease_s, is_alone
        self._seen: LeaseRow | None = None
        self._since = 0.0

    def may_take(self, row: LeaseRow, now: float) -> bool:
        """Whether the duty can be taken from the row that was read at `now`."""
        if row != self._seen:
            self._seen, self._since = row, now
        if not row.holder or (self._is_alone and _lock_of(row.holder) == _lock_of(self._holder)):
            return True
        return now - self._since >= self._lease_s


def _lock_of(holder: str) -> str:
    return holder.rpartition("/")[2]


class OwnBeat:
    """Whether this process hears itself on the bus: whoever decides and is not heard keeps others from deciding.

    Each BEAT_S one is due; what it says comes back to it, or does not.
    """

    def __init__(self) -> None:
        self._heard_at = self._since = self._due_at = -math.inf

    def due(self, now: float) -> None:
        """One is said now, or would be if the one before were not still on its way."""
        if now - self._due_at > PAUSED_S:
            self._since = now
        self._due_at = now

    def heard(self, now: float) -> None:
        self._heard_at = now

    def may_take(self, now: float) -> bool:
        return now - self._heard_at <= TAKE_S

    def must_give_back(self) -> bool:
        """As of the last beat that was due, so that the time in which this process stood still does not count."""
        return self._due_at - max(self._heard_at, self._since) > GIVE_BACK_S


class Tenure:
    """The time in which its holder has the duty. Counts from before the renewal that succeeded last was sent."""

    def __init__(self, row: LeaseRow, sent_at: float, lease_s: float, *, before: LeaseRow | None = None) -> None:
        """`lease_s` infinite: nobody else can take it (one host, and its kernel keeps others out).

        `before`: the row that it was taken from, which names the tenure before this one. None: it is not known.
        """
        self.epoch, self.term = row.epoch, row.term
        self.before = before
        self._decide_s = DECIDE_SHARE * lease_s
        self._sent_at = sent_at
        self.is_given_back = False

    def renewed(self, sent_at: float) -> None:
        """Answers may come late, but not in another order."""
        self._sent_at = sent_at

    def give_back(self) -> None:
        """Before others are let in: decide nothing more, until resumed() if ever."""
        self.is_given_back = True

    def resumed(self, sent_at: float) -> None:
        """Nobody took it meanwhile."""
        self.is_given_back = False
        self._sent_at = sent_at

    def age_s(self, now: float) -> float:
        """How long ago the lease was renewed; 0 where it need not be."""
        return 0.0 if self._decide_s == math.inf else now - self._sent_at

    def left_s(self, now: float) -> float:
        """For how long decisions may still be made and published; not above 0: only a renewal helps."""
        if self.is_given_back:
            return 0.0
        return self._sent_at + self._decide_s - now
