"""P8: what the same costs with little and with much in the database: SQLite and PostgreSQL.

`python -m benchmarks.scenarios.growth --messages 2000000 --channels 100000` measures it with a large fill.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from benchmarks.databases import POSTGRESQL, SQLITE, new_database
from benchmarks.fanout import TEXT
from benchmarks.http_load import ask, bearer, request
from benchmarks.journal import Journal
from benchmarks.load import Crowd
from benchmarks.report import NOTHING, Section, Table, at_most, of, ratio, tables_text
from benchmarks.rounds import Round, Watch, total
from benchmarks.scale import Scale
from benchmarks.servers import CHANNEL, NOWHERE, Reaktor
from benchmarks.servers import run as run_python

SMALL_MESSAGES, SMALL_CHANNELS = 400, 1_000
"""Enough that each page is full."""
TURNS = 3
EACH = 40
"""Posts, and joins, of a turn."""
MOST = 1.3
"""Times the cost with little: what differs less may be noise."""
LONGEST_S = 300.0
FILL_S = 3_600.0
"""The same for a large fill, by its own command."""
LOG_IN = """
import django
django.setup()
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from accounts.models import User
user = User.objects.create(username="administrator", password="!", is_staff=True, is_superuser=True)
session = SessionStore()
session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
session.save()
print(f"{settings.SESSION_COOKIE_NAME}={session.session_key}")
"""
POST, JOIN = "a post", "a join"
PAGES = {
    "an old page of the history": f"/api/v1/channels/{CHANNEL}/messages?before=150",
    "a search of channels": "/api/v1/channels?search=station",
    "a search that finds nothing": "/api/v1/channels?search=nothingatall",
    "the first page of channels": "/api/v1/channels",
}
ADMIN = {
    "admin: messages": "/admin/chat/message/",
    "admin: messages, by number": "/admin/chat/message/?o=5",
    "admin: channels": "/admin/chat/channel/",
}
Costs = Mapping[str, Round]


def run(scale: Scale, journal: Journal) -> Section:
    kinds = scale.chosen((SQLITE, POSTGRESQL))
    return compare(kinds, scale.messages, scale.channels, scale.round_s / 2, LONGEST_S, journal)


def compare(
    kinds: Sequence[str], messages: int, channels: int, seconds: float, limit_s: float, journal: Journal
) -> Section:
    found = {
        kind: journal.measure(
            f"growth, {kind}, {messages:,} messages", partial(measure, kind, messages, channels, seconds), limit_s
        )
        for kind in kinds
    }
    return section(messages, channels, found, journal)


@dataclass
class Place:
    """A server with little or much in its database, and who asks it; `found`: what each request cost."""

    server: Reaktor
    cookie: str
    tokens: list[str]
    found: dict[str, list[Round]] = field(default_factory=dict)

    def costs(self) -> Costs:
        return {name: total(rounds) for name, rounds in self.found.items()}


def measure(kind: str, messages: int, channels: int, seconds: float) -> tuple[Costs, Costs]:
    """Both servers at the same time, asked in turns: what else the machine does strikes both."""
    asked: dict[str, Callable[[Place], Round]] = {POST: _post, JOIN: _join}
    asked |= {name: partial(_get, path, seconds / TURNS) for name, path in (PAGES | ADMIN).items()}
    with _filled(kind, SMALL_MESSAGES, SMALL_CHANNELS) as few, _filled(kind, messages, channels) as many:
        for ask_one in asked.values():
            for place in (few, many):
                ask_one(place)  # until its code is warm
        for _ in range(TURNS):
            for name, ask_one in asked.items():
                for place in (few, many):
                    place.found.setdefault(name, []).append(ask_one(place))
        return few.costs(), many.costs()


@contextmanager
def _filled(kind: str, messages: int, channels: int) -> Iterator[Place]:
    with new_database(kind) as url:
        server = Reaktor(database_url=url)
        server.prepare()
        fill = ("-m", "benchmarks.fill", "--messages", str(messages), "--channels", str(channels))
        run_python(server.environment, *fill, timeout_s=FILL_S)
        with server:
            cookie = run_python(server.environment, "-c", LOG_IN).strip()
            yield Place(server, cookie, server.users(EACH * (TURNS + 1)))


def _get(path: str, seconds: float, place: Place) -> Round:
    server = place.server
    header = f"Cookie: {place.cookie}" if path in ADMIN.values() else bearer(server.token())
    requests = itertools.repeat(request(server.port, "GET", path, header))
    return ask(server.port, requests, server.worker_pids, seconds=seconds, connections=1)


def _post(place: Place) -> Round:
    crowd, server = Crowd(), place.server
    try:
        client = server.connect(crowd)
        client.marker, client.tail, client.seen = server.ack_marker, b"", 0
        watch = Watch(server.worker_pids)
        for number in range(EACH):
            server.post(client, TEXT, number)
            crowd.wait(client, number + 1)
        return watch.read(EACH)
    finally:
        crowd.close()


def _join(place: Place) -> Round:
    """First joins of users of the channel, one after the other."""
    crowd, server = Crowd(), place.server
    try:
        for _ in range(EACH):
            server.use(NOWHERE, place.tokens.pop())
            server.connect(crowd)
        watch = Watch(server.worker_pids)
        for client in crowd.clients:
            client.request("channel.join", CHANNEL)
            crowd.wait(client, 2)
        return watch.read(EACH)
    finally:
        server.use()
        crowd.close()


def section(messages: int, channels: int, found: Mapping[str, tuple[Costs, Costs] | None], journal: Journal) -> Section:
    tables, verdicts = [], []
    for kind, costs in found.items():
        small, large = costs or ({}, {})
        rows = []
        for name in (POST, JOIN, *PAGES, *ADMIN):
            little, much = small.get(name), large.get(name)
            times = ratio(of(much, _cost), of(little, _cost))
            rows.append([name, *_cells(little), *_cells(much), NOTHING if times is None else f"{times:.2f}"])
            verdicts.append(at_most("P8", f"{name}, {kind}, {messages:,} messages: × with few", MOST, times))
        columns = ("what", "few: processor, µs", "ms", "many: processor, µs", "ms", "processor, times")
        tables.append(Table(kind, columns, rows))
    return Section(
        "Growth",
        f"Few: {SMALL_MESSAGES} messages, {SMALL_CHANNELS} channels. Many: {messages:,} messages (half of them in one "
        f"channel), {channels:,} channels. One request after the other, both in turns; the worker's processor, and "
        "the time by the clock.",
        tables,
        verdicts=verdicts,
        failures=journal.failures,
    )


def _cost(done: Round) -> float:
    return done.cpu_us


def _cells(found: Round | None) -> tuple[str, str]:
    if found is None:
        return NOTHING, NOTHING
    return f"{found.cpu_us:,.0f}", f"{found.wall_s / found.count * 1000:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--channels", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each request")
    options = parser.parse_args()
    kinds = (SQLITE, POSTGRESQL)
    found = compare(kinds, options.messages, options.channels, options.seconds, FILL_S, Journal())
    print(tables_text(found))


if __name__ == "__main__":
    main()
