"""Two hosts of one chat beside one, with the same people: what each kind of process uses, and what a core carries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from benchmarks.fanout import TEXT
from benchmarks.hosts import chat_hosts
from benchmarks.journal import Journal
from benchmarks.people import Stretch, Visits, mean, people
from benchmarks.report import NOTHING, Section, Table, of, ratio, rows
from benchmarks.scale import Scale

CHANNELS = 30
MEMBERS = 12
POSTS_PER_S = 120.0
VISITS_PER_S = 4.0
JOINS = 2
ROUNDS = 4
ONE, TWO = "one host", "two hosts"
COLUMNS = ("server", "posts/s", "deliveries/s", "workers", "supervisors", "Redis", "PostgreSQL", "deliveries a core")


def run(scale: Scale, journal: Journal) -> Section:
    both = journal.measure("one host and two", partial(measure, scale.hosts_s, scale.hosts_channels))
    one, two = (None, None) if both is None else both
    return section({ONE: one, TWO: two}, scale.hosts_channels, journal)


def measure(seconds: float, channels: int = CHANNELS, text: str = TEXT) -> tuple[Stretch, Stretch]:
    """On one host and on two: both stand at the same time and are used in turns, so that what else this machine does
    strikes both alike.
    """
    with lively(1, channels, text) as one, lively(2, channels, text) as two:
        places = (one, two)
        for live in places:
            live(seconds / 2)  # until everybody has been here once: the first join of a user is stored
        found = [[live(seconds / ROUNDS) for live in places] for _ in range(ROUNDS)]
    return mean([each[0] for each in found]), mean([each[1] for each in found])


@contextmanager
def lively(count: int, channels: int, text: str) -> Iterator[Callable[[float], Stretch]]:
    """So many hosts, full of people who live for as many seconds as they are told. Each channel's sit on all hosts."""
    with chat_hosts(count) as chat, people(chat, channels * MEMBERS, text) as crowd:
        names = [f"hosts{number}" for number in range(channels)]
        chat.hosts[0].make_channels(names)
        seats = [chat.hosts[number % count] for number in range(MEMBERS)]
        members = [crowd.sit(name, seats) for name in names]
        # Channel after channel, and in each one member after the other.
        authors = [one for turn in zip(*members, strict=True) for one in turn]
        visits = Visits(VISITS_PER_S, chat.hosts, names, JOINS)
        yield lambda seconds: crowd.live(seconds, authors, POSTS_PER_S, visits)


def _a_core(found: Stretch) -> float:
    return found.deliveries / sum(found.used.workers)


def section(found: Mapping[str, Stretch | None], channels: int, journal: Journal) -> Section:
    def cells(each: Stretch) -> list[str]:
        used = each.used
        kinds = [[*used.workers], [*used.supervisors], [used.redis], [used.postgresql]]
        shares = [" + ".join(f"{share * 1000:.0f}" for share in kind) if any(kind) else NOTHING for kind in kinds]
        return [f"{each.posts:,.0f}", f"{each.deliveries:,.0f}", *shares, f"{_a_core(each):,.0f}"]

    brings = ratio(of(found.get(TWO), _a_core), of(found.get(ONE), _a_core))
    return Section(
        "Two hosts beside one",
        f"{channels} channels of {MEMBERS} native sessions, and {VISITS_PER_S:g} visitors a second who enter {JOINS} "
        "of them. The same people on one host and, in equal parts, on two, of one worker each. Processor time in "
        "milliseconds a second, of the first host + the second; PostgreSQL's is that of its connections to them."
        + ("" if brings is None else f" Of a second worker's core {2 * brings - 1:.0%} is gained."),
        [Table("", COLUMNS, rows(len(COLUMNS), found, cells))],
        failures=journal.failures,
    )
