"""P8: what the same costs with little and with much in the database: SQLite and PostgreSQL.

`python -m benchmarks.scenarios.growth --messages 2000000 --channels 100000` measures it with a large fill.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from benchmarks.databases import POSTGRESQL, SQLITE, new_database
from benchmarks.fanout import TEXT
from benchmarks.http_load import ask, bearer, request
from benchmarks.journal import Journal
from benchmarks.load import Crowd
from benchmarks.report import NOTHING, Section, Table, at_most, of, ratio, tables_text
from benchmarks.rounds import Round, Watch
from benchmarks.scale import Scale
from benchmarks.servers import CHANNEL, NOWHERE, Reaktor
from benchmarks.servers import run as run_python

SMALL_MESSAGES, SMALL_CHANNELS = 400, 200
"""Enough that each page is full."""
WARM_S = 0.3
WARM, POSTS = 30, 100
MOST = 1.3
"""Times the cost with little: what differs less may be noise."""
FILL_S = 1_200.0
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
    return compare(kinds, scale.messages, scale.channels, scale.round_s / 4, journal)


def compare(kinds: Sequence[str], messages: int, channels: int, seconds: float, journal: Journal) -> Section:
    found: dict[str, tuple[Costs | None, Costs | None]] = {}
    for kind in kinds:
        small, large = (
            journal.measure(f"growth, {kind}, {some:,} messages", partial(measure, kind, some, rooms, seconds), FILL_S)
            for some, rooms in ((SMALL_MESSAGES, SMALL_CHANNELS), (messages, channels))
        )
        found[kind] = (small, large)
    return section(messages, channels, found, journal)


def measure(kind: str, messages: int, channels: int, seconds: float) -> dict[str, Round]:
    with new_database(kind) as url:
        server = Reaktor(database_url=url)
        server.prepare()
        run_python(
            server.environment, "-m", "benchmarks.fill", "--messages", str(messages), "--channels", str(channels),
            timeout_s=FILL_S,
        )  # fmt: skip
        with server:
            found = {POST: _post(server), JOIN: _join(server)}
            cookie = run_python(server.environment, "-c", LOG_IN).strip()
            for paths, headers in ((PAGES, bearer(server.token())), (ADMIN, f"Cookie: {cookie}")):
                for name, path in paths.items():
                    found[name] = _get(server, request(server.port, "GET", path, headers=headers), seconds)
            return found


def _get(server: Reaktor, asked: bytes, seconds: float) -> Round:
    requests: Iterator[bytes] = itertools.repeat(asked)
    ask(server.port, requests, server.worker_pids, seconds=WARM_S, connections=1)
    return ask(server.port, requests, server.worker_pids, seconds=seconds, connections=1)


def _post(server: Reaktor) -> Round:
    crowd = Crowd()
    try:
        client = server.connect(crowd)
        client.marker, client.tail, client.seen = server.ack_marker, b"", 0
        for number in range(WARM + POSTS):
            if number == WARM:
                watch = Watch(server.worker_pids)
            server.post(client, TEXT, number)
            crowd.wait(client, number + 1)
        return watch.read(POSTS)
    finally:
        crowd.close()


def _join(server: Reaktor) -> Round:
    """First joins of users of the channel, one after the other."""
    crowd = Crowd()
    try:
        for token in server.users(WARM + POSTS):
            server.use(NOWHERE, token)
            server.connect(crowd)
        for number, client in enumerate(crowd.clients):
            if number == WARM:
                watch = Watch(server.worker_pids)
            client.request("channel.join", CHANNEL)
            crowd.wait(client, 2)
        return watch.read(POSTS)
    finally:
        server.use()
        crowd.close()


def section(
    messages: int, channels: int, found: Mapping[str, tuple[Costs | None, Costs | None]], journal: Journal
) -> Section:
    tables, verdicts = [], []
    for kind, (small, large) in found.items():
        rows = []
        for name in (POST, JOIN, *PAGES, *ADMIN):
            little, much = (small or {}).get(name), (large or {}).get(name)
            times = ratio(of(much, _cost), of(little, _cost))
            rows.append([name, *_cells(little), *_cells(much), NOTHING if times is None else f"{times:.2f}"])
            verdicts.append(at_most("P8", f"{name}, {kind}, {messages:,} messages: × with few", MOST, times))
        columns = ("what", "few: processor, µs", "ms", "many: processor, µs", "ms", "processor, times")
        tables.append(Table(kind, columns, rows))
    return Section(
        "Growth",
        f"Few: {SMALL_MESSAGES} messages, {SMALL_CHANNELS} channels. Many: {messages:,} messages (half of them in one "
        f"channel), {channels:,} channels. One request after the other; the worker's processor, and the time by the "
        "clock.",
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
    print(tables_text(compare((SQLITE, POSTGRESQL), options.messages, options.channels, options.seconds, Journal())))


if __name__ == "__main__":
    main()
