"""How much of everything a run measures: FULL for RESULTS.md, QUICK to see that all of it works."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Counts, and seconds of one round. `skipped`: servers, and databases of the growth, that are left out."""

    skipped: frozenset[str]
    members: tuple[int, ...]
    posts: int
    """One at a time; five times as many with 50 in flight."""
    round_s: float
    rates: tuple[int, ...]
    """Posts a second of the latency under load."""
    connects: int
    joins: int
    held: int
    """Idle sessions."""
    idle_s: float
    messages: int
    channels: int
    storm_clients: int
    storm_missed: int
    storm_kinds: tuple[str, ...]
    back_clients: int
    back_missed: int
    back_rounds: int
    hosts_s: float
    hosts_channels: int

    def chosen(self, names: Iterable[str]) -> list[str]:
        """Those of these names that are measured."""
        return [name for name in names if name not in self.skipped]


FULL = Scale(
    skipped=frozenset(),
    members=(200, 1_000),
    posts=200,
    round_s=5.0,
    rates=(25, 50, 100, 200, 400, 800),
    connects=400,
    joins=100,
    held=10_000,
    idle_s=30.0,
    messages=200_000,
    channels=20_000,
    storm_clients=1_000,
    storm_missed=500,
    storm_kinds=("native", "sio4", "sio2"),
    back_clients=100,
    back_missed=450,
    back_rounds=3,
    hosts_s=12.0,
    hosts_channels=30,
)
QUICK = Scale(
    skipped=frozenset(
        {
            # Storms, and what is caught up, are of Socket.IO clients.
            "Socket.IO 3 and 4",
            "Socket.IO 1 and 2",
            "Socket.IO 1 and 2, SQLite",
            "Node, socket.io 4.8",
            "Channels as its tutorial has it",
            # Two workers, and hosts, are on PostgreSQL.
            "PostgreSQL",
            "native, PostgreSQL",
        }
    ),
    members=(40,),
    posts=40,
    round_s=1.0,
    rates=(50, 200),
    connects=40,
    joins=20,
    held=200,
    idle_s=2.0,
    messages=1_000,
    channels=100,
    storm_clients=40,
    storm_missed=40,
    storm_kinds=("sio4",),
    back_clients=10,
    back_missed=40,
    back_rounds=1,
    hosts_s=1.0,
    hosts_channels=6,
)
