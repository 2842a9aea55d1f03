"""The hosts of one cluster: whether this one may start beside the others, and which of them live.

Pure: rows of the table of hosts and times go in. Times are seconds of the reader's own clock, and no two clocks are
ever compared: a row that is seen to change is alive, one that stays the same for SILENT_S is not. Whoever starts
(Entrance) and whoever watches (HostWatch) reads the rows again and again; the composition root reads them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from reaktor.addresses import read_endpoint
from reaktor.cluster.contract import Home, Neighbour
from reaktor.cluster.failures import SupervisorError

NO_FILES = "local"
"""Of a release that has none. What the others say is the same on two hosts exactly where the place is."""
OWN_FILES = "own"
SHARED_FILES = "shared"
SILENT_S = 5.0
RENEW_S = 1.0
LOOK_S = 0.3
ASK_BEFORE_S = 2.5
"""So long before a host would count as lost it is asked whether it is there; the rows are read twice in that time."""


@dataclass(frozen=True, slots=True)
class HostRow:
    """One host as the database has it, or as it is about to be written (then without number, life and renewals).

    `lock`: the locked file of its DATA_DIR, as no other machine has it. `wire`: the version of what its processes say.
    `secret_key`, `jwt_secret`, `vapid_key`: fingerprints. `has_shared_bus`: other hosts can hear it. `advertise`: where
    it takes what other hosts relay (empty: nothing). `is_up`: it has not ended in order.
    `worker_connections`, `other_connections`: as many as it may open to the database (0: its release did not say).
    `relays_by_tls`: what hosts relay to each other is encrypted. `files`: where it keeps files (OWN_FILES …).
    """

    name: str
    lock: str
    version: str
    wire: int
    secret_key: str
    jwt_secret: str
    has_shared_bus: bool
    advertise: str = ""
    worker_connections: int = 0
    other_connections: int = 0
    relays_by_tls: bool = False
    vapid_key: str = ""
    files: str = NO_FILES
    is_up: bool = True
    number: int = 0
    life: int = 0
    renewals: int = 0
    last_seen: datetime | None = field(default=None, compare=False)
    """By the database's clock, for people."""

    @property
    def home(self) -> Home:
        return Home(self.number, self.life)

    @property
    def pulse(self) -> tuple[int, int]:
        """What is another after each sign of life."""
        return self.life, self.renewals


class Entrance:
    """Whether a host may start, and which row it takes. For one start."""

    def __init__(self, own: HostRow, readable: Collection[int], silent_s: float = SILENT_S) -> None:
        """`readable`: whose versions of what processes say we understand, and they ours."""
        self._own, self._readable, self._silent_s = own, readable, silent_s
        self._seen: dict[int, tuple[tuple[int, int], float]] = {}

    def may_enter(self, rows: Iterable[HostRow], now: float) -> bool:
        """Whether nobody is in the way any more; False: read the rows again. Raises SupervisorError: somebody is.

        Only a row that is in the way is watched at all, so a start among others like it need not wait.
        """
        is_free = True
        for row in rows:
            refusal = self._refusal(row)
            if not refusal or self._is_over(row):
                continue
            pulse, since = self._seen.setdefault(row.number, (row.pulse, now))
            if pulse != row.pulse:
                raise SupervisorError(refusal)
            is_free = is_free and now - since >= self._silent_s
        return is_free

    def own_row(self, rows: Iterable[HostRow]) -> HostRow | None:
        """The row to take: that of our name, else that of our DATA_DIR, which had another name. None: there is none."""
        found = list(rows)
        named = [row for row in found if row.name == self._own.name]
        return next(iter(named or [row for row in found if row.lock == self._own.lock]), None)

    def _is_over(self, row: HostRow) -> bool:
        """Whether it has ended in order, or was there where we are: we hold the lock that it held."""
        return not row.is_up or row.lock == self._own.lock

    def _refusal(self, row: HostRow) -> str:
        """Why we can't live beside that host; empty: we can."""
        own, name = self._own, row.name
        if name == own.name:
            return f"A host called {name} works on this database already. Give each one a HOST_NAME of its own."
        if not (own.has_shared_bus and row.has_shared_bus):
            return (
                f"Host {name} works on this database already, and they would not hear each other. Give both the same "
                "REDIS_URL and start them with runcluster, or stop the other one."
            )
        if row.wire not in self._readable:
            return (
                f"Host {name} runs release {row.version}, which is too far from this one, {own.version}, to run beside "
                "it. Upgrade by way of a release between, or stop all hosts before the first one starts with this one."
            )
        if own.relays_by_tls != row.relays_by_tls:
            has, lacks = ("This host", f"host {name}") if own.relays_by_tls else (f"Host {name}", "this one")
            return (
                f"{has} has TLS for what hosts relay, and {lacks} has not. Give RELAY_CERT_FILE, RELAY_KEY_FILE and "
                "RELAY_CA_FILE to all hosts or to none, and stop all before the first one starts with another choice."
            )
        for variable, mine, theirs in (
            ("SECRET_KEY", own.secret_key, row.secret_key),
            ("JWT_SECRET", own.jwt_secret, row.jwt_secret),
            # A release without push has none, and a host without one pushes nothing.
            ("VAPID_KEY", own.vapid_key or row.vapid_key, row.vapid_key or own.vapid_key),
        ):
            if mine != theirs:
                return f"{variable} is another one than on host {name}. Give all hosts the same {variable}."
        return self._files_refusal(row)

    def _files_refusal(self, row: HostRow) -> str:
        own = self._own.files
        if NO_FILES in (own, row.files) or (own == row.files != OWN_FILES):
            return ""
        if own == row.files:
            return (
                f"Host {row.name} keeps files in a directory of its own, as this one would, and neither could show the "
                "other's. Give all hosts one FILES_DIR that they mount, with FILES_SHARED=on, or one S3_BUCKET."
            )
        return (
            f"Host {row.name} keeps files in another place than this one. Give all hosts the same FILES_DIR with "
            "FILES_SHARED=on, or the same S3_ENDPOINT and S3_BUCKET, and stop all before the first one starts anew."
        )


class HostWatch:
    """Which hosts live, as the rows show that are read about once a second."""

    def __init__(self, silent_s: float = SILENT_S) -> None:
        self._silent_s = silent_s
        self._rows: tuple[HostRow, ...] = ()
        self._seen: dict[int, tuple[tuple[int, int], float]] = {}
        self._noted_at = 0.0

    def note(self, rows: Iterable[HostRow], now: float) -> None:
        """What the table says at `now`. Where it could not be read for long, nobody was silent meanwhile."""
        was_away = now - self._noted_at > self._silent_s / 2
        living = {row.number for row in self.living()}
        self._rows, self._noted_at = tuple(rows), now
        for row in self._rows:
            known = self._seen.get(row.number)
            if known is None or known[0] != row.pulse or (was_away and row.number in living):
                self._seen[row.number] = (row.pulse, now)

    def nearly_lost(self, own: int) -> list[Neighbour]:
        """The neighbours that will be counted out soon, unless they are heard of: see heard()."""
        silent = {
            number for number, (_, at) in self._seen.items() if self._noted_at - at >= self._silent_s - ASK_BEFORE_S
        }
        return [host for host in self.neighbours(own) if host.host in silent]

    def heard(self, host: Neighbour, now: float) -> None:
        """It answers, though its row does not change: it can't reach the database."""
        if (known := self._seen.get(host.host)) is not None and known[0][0] == host.life:
            self._seen[host.host] = (known[0], now)

    def living(self) -> list[HostRow]:
        """Those that lived when the table was read last."""
        return [row for row, is_alive in self.hosts() if is_alive]

    def neighbours(self, own: int) -> list[Neighbour]:
        """The living hosts but this one that take relayed requests. While the table can't be read nobody dies."""
        return [
            Neighbour(*row.home, *read_endpoint(row.advertise))
            for row in self.living()
            if row.advertise and row.number != own
        ]

    def hosts(self) -> list[tuple[HostRow, bool]]:
        """Each host, and whether it lived when the table was read last."""
        return [
            (row, row.is_up and self._noted_at - self._seen[row.number][1] < self._silent_s)
            for row in sorted(self._rows, key=lambda row: row.number)
        ]
