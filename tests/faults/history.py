"""The history: what clients and processes of several hosts saw while faults came and went. Data only.

Written by tests.faults.driver and tests.faults.people, read by tests.faults.laws. All times are monotonic seconds of
this machine, on which every process of the test runs. Hosts are named as in tests.faults.stage.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.faults.schedule import Fault
from tests.support.place import Said, Told


@dataclass(frozen=True, slots=True)
class Carried:
    """A fault as it was carried out. `holder`: who decided before it; `target`, `other`: whom it met, empty: all.

    `began`, `undone` (what was away answers again, what was ended serves again), `settled` (everything was quiet again,
    or was given up): times.
    """

    fault: Fault
    holder: str
    target: str
    other: str
    began: float
    undone: float
    settled: float


@dataclass(frozen=True, slots=True)
class Rest:
    """How it stood when everything should have been quiet again, after the fault of that number (0: before the first).

    `deciding`: for each host whom its table of hosts shows to decide. `serving`: whose authority says that it serves.
    `authority`: its digest. `replicas`: the digest of each worker. `missing`: what was waited for in vain.
    """

    after: int
    deciding: Mapping[str, frozenset[str]]
    serving: frozenset[str]
    authority: str
    replicas: Mapping[str, str]
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Stay:
    """Somebody was served by a host, over one connection. `until` is infinite where it has not ended.

    `via`: the host that relays the connection to that one, where the balancer chose another; empty: none does. `why`:
    how it ended, in the client's words.
    """

    who: str
    host: str
    since: float
    until: float = math.inf
    via: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """One channel as one person saw it. `start`: the seq before the first message that was theirs to see.

    `may_repeat`: this client can't say what it has, so after a lost connection it may be told a little once more.
    `members`: as it was told of them, in the end; None: this client does not keep that. `told`: who came and went.
    """

    who: str
    channel: str
    start: int
    seen: tuple[Said, ...]
    members: frozenset[str] | None
    acked: tuple[Said, ...] = ()
    told: tuple[Told, ...] = ()
    may_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """A wish to enter a channel on that host, said again and again. `answered` is infinite where it never was."""

    host: str
    asked: float
    answered: float = math.inf


@dataclass(frozen=True, slots=True)
class Applied:
    """A replica took the word of the authority of that epoch. `followed`: the one that the lease named to it last.

    That it follows another one is recorded in the same way, as the first word of that one.
    """

    replica: str
    epoch: int
    followed: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody counts in the end in a channel that they follow: unread messages, and those that name them."""

    who: str
    channel: str
    unread: int
    mentions: int
    read_number: int = 0


BACK_S = 5.0


@dataclass
class History:
    """`began`: when everything was quiet for the first time; what was before it is nobody's fault.

    `back_s`: within so long joins are to be answered again.
    `stored`: each channel as the server tells it in the end. `present`: who is in it. `listed`: by who asks, and by
    channel, who is said to be there. `absent`: who can't come back, and why.

    `shown`: what those count who follow the channels and are in none. `read`: how far they have read, by name and
    channel, as it is stored.

    `breaches`: what the clients found wrong by themselves, against the guarantees of docs/protocol.md.
    """

    faults: list[Carried] = field(default_factory=list)
    rests: list[Rest] = field(default_factory=list)
    stays: list[Stay] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    applied: list[Applied] = field(default_factory=list)
    stored: dict[str, list[Said]] = field(default_factory=dict)
    present: dict[str, frozenset[str]] = field(default_factory=dict)
    listed: dict[str, dict[str, frozenset[str]]] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    read: dict[tuple[str, str], int] = field(default_factory=dict)
    breaches: list[str] = field(default_factory=list)
    began: float = 0.0
    back_s: float = BACK_S
