"""The schedule: which fault comes when, and whom it meets. Pure: a seed goes in, a list of faults comes out.

The same seed gives the same list. A fault names its target by role, since who decides at that time is not known before.
Carried out by tests.faults.driver; tests.faults.laws asks a fault whose people it may cost something.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    HOST_KILLED = "is killed as a whole"
    SUPERVISOR_KILLED = "loses its supervisor"
    HOST_STOPPED = "stands still"
    CUT_FROM_REDIS = "is cut off Redis"
    CUT_FROM_POSTGRESQL = "is cut off PostgreSQL"
    CUT_FROM_HOST = "is cut off"
    CLOCK_STEPPED = "has a clock that is wrong by an hour"
    REDIS_FAILS_OVER = "Redis fails over"
    POSTGRESQL_RESTARTED = "PostgreSQL is restarted"
    POSTGRESQL_AWAY = "PostgreSQL is away"
    UPGRADED = "gets another release"


class Role(StrEnum):
    """Whom a fault meets, among the hosts at that time."""

    HOLDER = "the host that decides"
    FIRST = "the first of the others"
    SECOND = "the second of the others"
    NEXT = "the next host"


CUTS = frozenset({Kind.CUT_FROM_REDIS, Kind.CUT_FROM_POSTGRESQL, Kind.CUT_FROM_HOST})
ENDING = frozenset({Kind.HOST_KILLED, Kind.SUPERVISOR_KILLED, Kind.UPGRADED})
SILENCING = frozenset({*ENDING, Kind.HOST_STOPPED, Kind.CUT_FROM_REDIS})
DISABLING = frozenset({*SILENCING, Kind.CUT_FROM_POSTGRESQL})
AWAY = frozenset({Kind.REDIS_FAILS_OVER, Kind.POSTGRESQL_RESTARTED, Kind.POSTGRESQL_AWAY})


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. `at_s` from the start of it all, `for_s` until it is undone. `is_silent`: packets vanish, instead of
    being refused; `is_behind`: the clock, instead of being ahead.
    """

    kind: Kind
    target: Role | None = None
    other: Role | None = None
    for_s: float = 0.0
    is_silent: bool = False
    is_behind: bool = False
    number: int = 0
    at_s: float = 0.0

    @property
    def may_end_sessions(self) -> bool:
        """Those of its target; nobody else's."""
        return self.kind in ENDING

    @property
    def may_cut_relays(self) -> bool:
        """What other hosts relay to its target: they do not wait for a host that stands still."""
        return self.kind is Kind.HOST_STOPPED

    @property
    def may_show_leaving(self) -> bool:
        """The people of its target; nobody else's."""
        return self.kind in SILENCING

    @property
    def disables(self) -> bool:
        """Nobody can join on its target until it is undone."""
        return self.kind in DISABLING

    @property
    def is_service_away(self) -> bool:
        """What all hosts need is away: what must be quick again is counted from when it answers again."""
        return self.kind in AWAY

    def __str__(self) -> str:
        who = f"{self.target} " if self.target else ""
        whom = f" {self.other}" if self.other else ""
        how = ", without a word" if self.is_silent else ""
        where = ", behind" if self.is_behind else ""
        long = f" for {self.for_s:g} s" if self.for_s else ""
        return f"{self.number:>3}  {self.at_s:>6.0f} s  {who}{self.kind}{whom}{how}{where}{long}"


def _templates() -> list[Fault]:
    """Each fault once, with everybody whom it may meet."""
    found = []
    for role in (Role.HOLDER, Role.FIRST):
        found += [
            Fault(Kind.HOST_KILLED, role),
            Fault(Kind.SUPERVISOR_KILLED, role),
            Fault(Kind.HOST_STOPPED, role, for_s=10.0),
            Fault(Kind.CLOCK_STEPPED, role, for_s=5.0),
            Fault(Kind.CLOCK_STEPPED, role, for_s=5.0, is_behind=True),
        ]
        for is_silent in (False, True):
            found.append(Fault(Kind.CUT_FROM_REDIS, role, for_s=8.0, is_silent=is_silent))
            found.append(Fault(Kind.CUT_FROM_POSTGRESQL, role, for_s=8.0, is_silent=is_silent))
            found.append(Fault(Kind.CUT_FROM_HOST, role, Role.SECOND, for_s=8.0, is_silent=is_silent))
    return [
        *found,
        Fault(Kind.UPGRADED, Role.NEXT),
        Fault(Kind.REDIS_FAILS_OVER),
        Fault(Kind.POSTGRESQL_RESTARTED),
        Fault(Kind.POSTGRESQL_AWAY, for_s=60.0),
        Fault(Kind.POSTGRESQL_AWAY, for_s=60.0, is_silent=True),
    ]


TEMPLATES = tuple(_templates())
DURATIONS_S = (4.0, 15.0)
"""Of cuts. Shorter and longer than it takes to count a host as lost, or a lease as free."""


def schedule(seed: int, count: int, seconds: float, *, without: Collection[Kind] = ()) -> tuple[Fault, ...]:
    """So many faults over so many seconds. Each there is comes once before one comes again."""
    chance = random.Random(seed)
    waiting: list[Fault] = []
    found: list[Fault] = []
    while len(found) < count:
        if not waiting:
            waiting = [each for each in TEMPLATES if each.kind not in without]
            chance.shuffle(waiting)
        fault = waiting.pop()
        if fault.kind in CUTS:
            fault = replace(fault, for_s=float(round(chance.uniform(*DURATIONS_S))))
        found.append(fault)
    return timed(found, seconds)


def timed(faults: Sequence[Fault], seconds: float) -> tuple[Fault, ...]:
    """These, in this order, numbered and spread over so many seconds."""
    pause_s = seconds / max(len(faults), 1)
    return tuple(replace(each, number=at + 1, at_s=at * pause_s) for at, each in enumerate(faults))
