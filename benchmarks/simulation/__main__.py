"""What many hosts would hold, and which part is full first: `python -m benchmarks.simulation`, in four minutes.

It measures what the parts cost, reckons what one and two hosts should use for the people of
benchmarks.scenarios.hosts, and measures that, too. Only where the two agree does it print what more hosts would hold.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
from collections.abc import Sequence

from benchmarks.people import VISITORS, Stretch
from benchmarks.report import Table, short
from benchmarks.scenarios import hosts
from benchmarks.simulation import parts
from benchmarks.simulation.reckoning import (
    Costs,
    Habits,
    Load,
    Machine,
    Size,
    demand,
    full_first,
    holds,
    shares,
)

TOLERANCE = 0.25
NOISE = 0.005
"""Cores: below it a process does so little that a quarter of it can't be told from chance."""
GIB = 1024


def main() -> None:
    options = _options()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})
    # As Ctrl-C: the servers are ended on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    text = "x" * options.characters
    costs = parts.measure(options.seconds, text)
    print("\n" + costs_table(costs.calm, costs.busy).text(), flush=True)
    found = enumerate(hosts.measure(2 * options.seconds, hosts.CHANNELS, text), 1)
    checks = [check for count, stretch in found for check in checked(costs.calm, count, stretch)]
    print("\n" + checks_table(checks).text(), flush=True)
    if wrong := [check for check in checks if not check.is_close]:
        names = ", ".join(f"{check.what} of {check.server}" for check in wrong)
        sys.exit(f"\nNothing more is printed: {names} differ by more than {TOLERANCE:.0%} from what was measured.")
    habits = Habits(options.messages, options.channels, options.members, options.stay, options.ping)
    machine = Machine(options.memory * GIB, options.postgresql_cores)
    sizes = [Size(count, options.workers) for count in options.hosts]
    print("\n" + shares_table(costs.busy, habits, machine, sizes, options.users).text())
    print("\n" + limits_table(costs.busy, habits, machine, sizes, options.pool).text())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    one = parser.add_argument_group("what one user does")
    one.add_argument("--messages", type=float, default=1.0, help="a minute; docs/scaling.md calls that busy")
    one.add_argument("--channels", type=float, default=5.0, help="as in benchmarks.membership")
    one.add_argument("--members", type=float, default=500.0, help="online in a channel, as in docs/scaling.md")
    one.add_argument("--stay", type=float, default=30.0, help="minutes from a connect to its end; a guess")
    one.add_argument("--ping", type=float, default=25.0, help="seconds from one to the next: PING_INTERVAL")
    one.add_argument("--characters", type=int, default=100, help="of a message, as in all benchmarks")
    there = parser.add_argument_group("what there is")
    there.add_argument("--users", type=_numbers, default="10000,100000,1000000", help="online at once")
    there.add_argument("--hosts", type=_numbers, default="1,4,16,64")
    there.add_argument("--workers", type=int, default=3, help="of a host, as in deploy/kubernetes.yaml")
    there.add_argument("--memory", type=float, default=16.0, help="GiB of a host: 4 for each core")
    there.add_argument("--postgresql-cores", type=float, default=16.0, help="of the one PostgreSQL")
    there.add_argument("--pool", type=int, default=12, help="DATABASE_POOL")
    parser.add_argument("--seconds", type=float, default=8.0, help="of each stretch that is measured")
    return parser.parse_args()


def _numbers(text: str) -> list[int]:
    return [int(each) for each in text.split(",")]


def costs_table(calm: Costs, busy: Costs) -> Table:
    def row(name: str) -> list[str]:
        unit = "KiB" if name.endswith("_kib") else "µs a second" if name.endswith("_s") else "µs"
        alone, together = getattr(calm, name), getattr(busy, name)
        return [name, f"{short(alone)} {unit}", "" if together == alone else f"{short(together)} {unit}"]

    columns = ("what (benchmarks/simulation/reckoning.py)", "alone", "among many")
    return Table("What one of each costs", columns, [row(field.name) for field in dataclasses.fields(calm)])


@dataclasses.dataclass(frozen=True)
class Check:
    """Cores, measured and reckoned."""

    server: str
    what: str
    measured: float
    reckoned: float

    @property
    def is_close(self) -> bool:
        return abs(self.reckoned - self.measured) <= max(TOLERANCE * self.measured, NOISE)


def checked(costs: Costs, count: int, stretch: Stretch) -> list[Check]:
    """What so many hosts used, beside what they should have."""
    wanted = demand(costs, load_of(stretch), Size(count, 1))
    server, used = hosts.ONE if count == 1 else hosts.TWO, stretch.used
    pairs = {
        "the workers": (sum(used.workers), wanted.worker * count),
        "the supervisors": (sum(used.supervisors), wanted.holder + wanted.standby * (count - 1)),
        "Redis": (used.redis, wanted.redis),
        "PostgreSQL": (used.postgresql, wanted.postgresql),
    }
    both = [sum(each) for each in zip(*pairs.values(), strict=True)]
    return [Check(server, what, *pair) for what, pair in {**pairs, "all": (both[0], both[1])}.items()]


def load_of(stretch: Stretch) -> Load:
    """What the people of benchmarks.scenarios.hosts did, visitors among the members."""
    members = hosts.MEMBERS + VISITORS * hosts.JOINS / hosts.CHANNELS
    return Load(
        sessions=hosts.CHANNELS * hosts.MEMBERS + VISITORS,
        channels=hosts.CHANNELS,
        members=members,
        posts_per_s=stretch.posts,
        visits_per_s=stretch.visits,
        joins=hosts.JOINS,
    )


def checks_table(checks: Sequence[Check]) -> Table:
    rows = [
        [
            each.server,
            each.what,
            f"{each.measured * 1000:.0f}",
            f"{each.reckoned * 1000:.0f}",
            f"{each.reckoned / each.measured:.2f}",
            "" if each.is_close else "**too far**",
        ]
        for each in checks
    ]
    columns = ("server", "what", "measured, ms a second", "reckoned", "times", "")
    return Table("One and two hosts, measured and reckoned", columns, rows)


def shares_table(costs: Costs, habits: Habits, machine: Machine, sizes: Sequence[Size], users: Sequence[int]) -> Table:
    rows = []
    for number in users:
        for size in sizes:
            wanted = demand(costs, habits.load(number), size)
            found = shares(wanted, machine)
            rows.append(
                [f"{number:,}", str(size.hosts), *(_share(share) for share in found.values()), full_first(found)]
            )
    columns = ("users", "hosts", "a worker", "authority", "Redis", "PostgreSQL", "memory of a host", "fullest")
    return Table("How full each part is", columns, rows, "100% is all that it can do; above it, it can't be done.")


def _share(share: float) -> str:
    return f"{share:.0%}" if share <= 1 else f"**{share:,.0%}**"


def limits_table(costs: Costs, habits: Habits, machine: Machine, sizes: Sequence[Size], pool: int) -> Table:
    rows = []
    for size in sizes:
        most, part = holds(costs, habits, size, machine)
        rows.append([str(size.hosts), str(size.all_workers), f"{most:,.0f}", part, f"{connections(size, pool):,}"])
    columns = ("hosts", "workers", "users at most", "full first", "connections to PostgreSQL")
    return Table("How many users so many hosts hold", columns, rows)


def connections(size: Size, pool: int) -> int:
    """As docs/deployment.md has it."""
    return size.all_workers * (pool + 5) + 6 * size.hosts


if __name__ == "__main__":
    main()
