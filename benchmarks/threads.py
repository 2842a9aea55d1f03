"""What pages of a channel's flow and of a thread cost, whatever is stored: `python -m benchmarks.threads`.

Fills a new PostgreSQL with few messages and one with many, half of them in one channel. A tenth of each channel is
from before its first thread, half of the rest is shown by threads alone, and somewhere a tenth of the channel is so in
one piece. Printed for each kind of page, with few and with many: milliseconds, which index it ran along, and how many
blocks of the database it touched. A page that was sorted, or read along anything but one index of messages, ends it as
an error. 10,000,000 messages take some 5 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CHANNELS, AUTHORS = 1_000, 5
FOLLOWED = 1_000
ASKED, EXPLAINED = 200, 5
CYCLE, FIRST_ASIDE, ASIDE, ALSO = 100, 20, 50, 5
"""Of so many messages one is a root, so many are shown by a thread alone, and so many by the channel, too."""
EVERY_MS = 1_000
INDEXES = ("message_flow", "message_number", "message_thread")


class Shape(NamedTuple):
    """A channel of so many messages, counted from 0: where its first thread begins, and where threads alone show all.

    At least CYCLE / 2 of them, so that a thread alone shows some.
    """

    size: int

    @property
    def first(self) -> int:
        return self.size // 10 // CYCLE * CYCLE

    @property
    def hidden(self) -> tuple[int, int]:
        start = self.size // 2 // CYCLE * CYCLE
        return start, start + self.first

    def asides(self) -> int:
        """How many of them threads alone show, as the statements below have it."""
        start, end = self.hidden
        cycles, rest = divmod(self.size - end, CYCLE)
        return (start - self.first) * ASIDE // CYCLE + end - start + cycles * ASIDE + _within(rest - 1)


def _within(at: int) -> int:
    return min(max(at - FIRST_ASIDE + 1, 0), ASIDE)


# -- Filling --------------------------------------------------------------------------------------------------------

_FUNCTIONS = """
    CREATE FUNCTION pg_temp.message_id(i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE RETURN (
        lpad(to_hex({since_ms} + i * {every_ms}), 12, '0') || '70008' || lpad(to_hex(i), 15, '0'))::uuid;
    CREATE FUNCTION pg_temp.of_cycle(at bigint) RETURNS bigint LANGUAGE sql IMMUTABLE RETURN
        least(greatest(at - {first_aside} + 1, 0), {aside});
    CREATE TEMP TABLE authors (pos int PRIMARY KEY, id uuid);
    CREATE TEMP TABLE places (slot int PRIMARY KEY, channel bigint, turns int, low bigint, start bigint, stop bigint)
"""
# i: a message's place among all; m: that in its channel. Even ones are of the large channel, odd ones of the others in
# turn, so i = m * turns * 2 + slot_i.
_MESSAGES = """
    INSERT INTO chat_message (id, channel_id, author_id, number, aside, thread_id, is_aside, seq, changed_seq, text,
        created_at)
    SELECT pg_temp.message_id(i), channel, w.id, m + 1, nullif(asides, 0),
        CASE WHEN is_reply THEN pg_temp.message_id(CASE WHEN is_long THEN low ELSE m / {cycle} * {cycle} END
            * turns * 2 + slot_i) END,
        CASE WHEN is_aside THEN true END, m + 1, m + 1, rpad('Message ' || i, 100, '.'),
        to_timestamp(({since_ms} + i * {every_ms}) / 1000.0)
    FROM generate_series(0::bigint, {messages} - 1) AS i
    CROSS JOIN LATERAL (SELECT CASE WHEN i % 2 = 0 THEN 0 ELSE (i / 2) % {channels} + 1 END AS wanted) AS which
    JOIN places p ON p.slot = which.wanted
    JOIN authors w ON w.pos = abs(hashint8(i)) % {authors}
    CROSS JOIN LATERAL (SELECT i / 2 / turns AS m,
        CASE WHEN p.slot = 0 THEN 0 ELSE (p.slot - 1) * 2 + 1 END AS slot_i) AS placed
    CROSS JOIN LATERAL (SELECT m % {cycle} AS at, m >= start AND m < stop AS is_hidden) AS turn
    CROSS JOIN LATERAL (SELECT m >= low AND (is_hidden OR at >= {first_aside} AND at < {first_aside} + {aside} + {also})
        AS is_reply, is_hidden OR (m / {cycle} - low / {cycle}) % 2 = 0 AS is_long,
        m >= low AND (is_hidden OR at >= {first_aside} AND at < {first_aside} + {aside}) AS is_aside) AS kind
    CROSS JOIN LATERAL (SELECT CASE
        WHEN m < low THEN 0
        WHEN m < start THEN (m - low) / {cycle} * {aside} + pg_temp.of_cycle(at)
        WHEN m < stop THEN (start - low) * {aside} / {cycle} + m - start + 1
        ELSE (start - low) * {aside} / {cycle} + stop - start + (m - stop) / {cycle} * {aside} + pg_temp.of_cycle(at)
        END AS asides) AS counted
"""
_THREADS = """
    INSERT INTO chat_thread (root_id, channel_id, root_number, seq, replies, last_number, active_at, participants)
    SELECT r.id, r.channel_id, r.number, t.seq, t.replies, t.seq, t.active_at,
        (SELECT string_agg(w.id::text, ' ') FROM authors w)
    FROM (SELECT thread_id, max(seq) AS seq, count(*) AS replies, max(created_at) AS active_at FROM chat_message
        WHERE thread_id IS NOT NULL GROUP BY thread_id) t JOIN chat_message r ON r.id = t.thread_id
"""
_FOLLOWS = """
    INSERT INTO chat_threadfollow (thread_id, user_id, is_on, read_number, replies)
    SELECT root_id, id, true, 0, 1 FROM (
        SELECT t.root_id, w.id FROM chat_thread t CROSS JOIN authors w WHERE w.pos > 0
        UNION ALL (SELECT t.root_id, w.id FROM chat_thread t JOIN authors w ON w.pos = 0
            WHERE t.replies <= {aside} + {also} ORDER BY t.root_id LIMIT {followed})) AS each
"""


def fill(messages: int) -> int:
    """The id of the large channel. The first author follows FOLLOWED short threads; the others all there are."""
    from django.db import connection

    from accounts.models import User
    from chat.models import Channel

    began = time.monotonic()
    made = User.objects.bulk_create([User(username=f"author{number}", password="!") for number in range(AUTHORS)])
    sizes = [messages // 2, *[messages // 2 // CHANNELS] * CHANNELS]
    channels = Channel.objects.bulk_create(
        [
            Channel(
                key=f"c{slot}", name=f"c{slot}", name_folded=f"c{slot}", kind="public", number=size, seq=size,
                aside=Shape(size).asides(), aside_from=Shape(size).first + FIRST_ASIDE + 1,
            )
            for slot, size in enumerate(sizes)
        ]
    )  # fmt: skip
    values = {
        "messages": messages, "since_ms": f"{int(time.time() * 1000) - messages * EVERY_MS}::bigint",
        "every_ms": EVERY_MS, "channels": CHANNELS, "authors": AUTHORS, "cycle": CYCLE, "first_aside": FIRST_ASIDE,
        "aside": ASIDE, "also": ALSO, "followed": FOLLOWED,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET maintenance_work_mem = '1GB'; SET synchronous_commit = off")
        cursor.execute(_FUNCTIONS.format(**values))
        with cursor.copy("COPY authors FROM STDIN") as copy:
            for pos, author in enumerate(made):
                copy.write_row((pos, author.pk))
        with cursor.copy("COPY places FROM STDIN") as copy:
            for slot, (channel, size) in enumerate(zip(channels, sizes, strict=True)):
                shape = Shape(size)
                copy.write_row((slot, channel.pk, CHANNELS if slot else 1, shape.first, *shape.hidden))
        cursor.execute("ANALYZE authors, places")
        with _without_indexes():
            _timed("messages", _MESSAGES.format(**values))
        cursor.execute("VACUUM ANALYZE chat_message")
        _timed("threads", _THREADS)
        _timed("who follows them", _FOLLOWS.format(**values))
        cursor.execute("VACUUM ANALYZE")
    _check(channels)
    print(f"  filled {messages:,} messages in {time.monotonic() - began:.0f} s", flush=True)
    return channels[0].pk


class _without_indexes:  # noqa: N801  used as a context manager
    """They are made afterwards, which takes half of the time."""

    def __enter__(self) -> None:
        from django.db import connection

        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT indexname, indexdef, conname FROM pg_indexes LEFT JOIN pg_constraint ON conname = indexname "
                "WHERE tablename = 'chat_message' AND indexname NOT LIKE '%pkey'"
            )
            self._dropped = cursor.fetchall()
            for name, _, constraint in self._dropped:
                cursor.execute(
                    f"ALTER TABLE chat_message DROP CONSTRAINT {name}" if constraint else f"DROP INDEX {name}"
                )

    def __exit__(self, *error: object) -> None:
        for name, definition, _ in self._dropped:
            _timed(f"index {name}", definition)


def _timed(what: str, statement: str) -> None:
    from django.db import connection

    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute(statement)
    print(f"  {what}: {time.monotonic() - began:.0f} s", flush=True)


def _check(channels: list[Any]) -> None:
    """What was filled is what posting would have stored."""
    from chat.models import Message

    for channel in channels[:3]:
        here = Message.objects.filter(channel=channel)
        newest = here.order_by("-number").values_list("number", "aside").first()
        first = here.filter(is_aside=True).order_by("number").values_list("number", "aside").first()
        counted = here.filter(is_aside=True).count()
        expected = ((channel.number, channel.aside), (channel.aside_from, 1), channel.aside)
        if (newest, first, counted) != expected:
            raise RuntimeError(f"filled wrongly: {(newest, first, counted)}, not {expected}")


# -- Reading --------------------------------------------------------------------------------------------------------


def kinds(channel_id: int, size: int) -> dict[str, Callable[[], object]]:
    """Pages by what they are called. Each call draws another mark."""
    from chat import selectors
    from chat.models import Thread

    drawn = random.Random(1)
    shape = Shape(size)
    low, (start, stop) = shape.first, shape.hidden
    threads = Thread.objects.filter(channel_id=channel_id)
    long = threads.order_by("-replies").first()
    assert long is not None
    short = [str(pk) for pk in threads.filter(replies=ASIDE + ALSO).values_list("pk", flat=True)[:ASKED]]

    def page(**wanted: Any) -> object:
        found = selectors.messages_page(channel_id, **wanted)
        if not found.messages:
            raise RuntimeError(f"an empty page: {wanted}")
        return found

    def late() -> int:
        return drawn.randrange(low + CYCLE, size - CYCLE)

    def of_long(**wanted: Any) -> object:
        return page(thread=str(long.pk), **wanted)

    few, all_there_are = _author(0), _author(1)
    return {
        "all: before a number": lambda: page(before=late()),
        "flow: the newest": lambda: page(flow=True),
        "flow: before a number": lambda: page(flow=True, before=late()),
        "flow: after a number": lambda: page(flow=True, after=late()),
        "flow: around a number": lambda: page(flow=True, around=late()),
        "flow: before the first thread": lambda: page(flow=True, before=drawn.randrange(2, low)),
        "flow: over the first thread": lambda: page(flow=True, around=low + FIRST_ASIDE),
        "flow: back over a tenth that is not shown": lambda: page(flow=True, before=stop + drawn.randrange(2, 20)),
        "flow: on over a tenth that is not shown": lambda: page(flow=True, after=start - drawn.randrange(2, 20)),
        f"a thread of {ASIDE + ALSO}": lambda: page(thread=drawn.choice(short)),
        f"a thread of {long.replies:,}: the newest": lambda: of_long(),
        "the same: before a number": lambda: of_long(before=late()),
        "the same: after a number": lambda: of_long(after=late()),
        "the same: around a number": lambda: of_long(around=late()),
        f"the list of who follows {FOLLOWED:,}": lambda: selectors.my_threads(user=few),
        f"the list of who follows {Thread.objects.count():,}": lambda: selectors.my_threads(user=all_there_are),
    }


def _author(number: int) -> Any:
    from accounts.models import User
    from chat import selectors

    return selectors.user_ref(User.objects.get(username=f"author{number}"))


def read_all(messages: int, channel_id: int) -> None:
    print(f"  {'a page of 50':44} {'p50':>8} {'p95':>8} {'blocks':>7}  along")
    for name, ask in kinds(channel_id, messages // 2).items():
        took = []
        for _ in range(ASKED):
            began = time.perf_counter()
            ask()
            took.append((time.perf_counter() - began) * 1000)
        took.sort()
        plans = [list(explained(ask)) for _ in range(EXPLAINED)]
        blocks = max(sum(plan.blocks for plan in each) for each in plans)
        along = sorted({index for each in plans for plan in each for index in plan.indexes})
        print(
            f"  {name:44} {took[ASKED // 2]:5.1f} ms {took[ASKED * 95 // 100]:5.1f} ms {blocks:7,}  {', '.join(along)}",
            flush=True,
        )


class Plan(NamedTuple):
    blocks: int
    indexes: tuple[str, ...]


def explained(ask: Callable[[], object]) -> Iterator[Plan]:
    """What the database did for each statement of a page. Raises RuntimeError where it did what grows."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        ask()
    for query in captured.captured_queries:
        sql = query["sql"]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
            found = cursor.fetchone()[0]
        (whole,) = json.loads(found) if isinstance(found, str) else found
        nodes = list(_nodes(whole["Plan"]))
        of_pages = [node for node in nodes if node.get("Index Name") in INDEXES]
        if "ORDER BY m.number" in sql or "RECURSIVE" in sql:
            kinds = {node["Node Type"] for node in nodes}
            is_walk = len({node["Index Name"] for node in of_pages}) == 1
            is_walk &= all(node.get("Rows Removed by Filter", 0) == 0 for node in of_pages)
            if not is_walk or kinds & {"Sort", "Incremental Sort", "Bitmap Heap Scan"} or " OFFSET " in sql:
                raise RuntimeError(f"not along one index: {sql}\n{json.dumps(whole, indent=1)}")
        if any(node.get("Relation Name") == "chat_message" and node["Node Type"] == "Seq Scan" for node in nodes):
            raise RuntimeError(f"all messages were looked at: {sql}")
        top = whole["Plan"]
        yield Plan(top["Shared Hit Blocks"] + top["Shared Read Blocks"], tuple(node["Index Name"] for node in of_pages))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)


# -- Processes ------------------------------------------------------------------------------------------------------


def run(messages: int) -> None:
    from benchmarks.databases import POSTGRESQL, new_database

    with TemporaryDirectory() as folder, new_database(POSTGRESQL) as url:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "reaktor.settings.local",
            "DATA_DIR": folder,
            "DATABASE_URL": url,
        }
        print(f"{messages:,} messages", flush=True)
        command = [sys.executable, "-m", "benchmarks.threads", "--inside", str(messages)]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=100_000)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--inside", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None:
        for messages in (options.few, options.messages):
            run(messages)
        return
    import django

    django.setup()
    read_all(options.inside, fill(options.inside))


if __name__ == "__main__":
    main()
