"""How long searches take, how far the index lags, what posting costs beside it: `python -m benchmarks.search`.

Fills a new database of each kind with messages of ten scripts, whose words are as frequent as words are (Zipf), over a
year. Then it asks searches of several kinds, one after the other, while another process posts 200 messages a second and
a third keeps the index. Sizes are options; 10,000,000 messages take PostgreSQL some 25 GB.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import random
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.rounds import cpu_s, middle

ROOT = Path(__file__).resolve().parent.parent
AUTHORS, CHANNELS = 500, 1_000
VOCABULARY = 30_000
HALVES = 60_000
"""A message is two of so many parts: all differ, and none has to be cut anew."""
CYCLE = 100_000
LINK = " https://example.org/x"
YEAR_MS = 365 * 86_400_000
ASKED = 100
PER_S = 200
BATCH = 50
ROUND_MESSAGES = 400
"""Of a round of posts, at PER_S: two seconds."""
COST_ROUNDS = 20
PARTS = ("fill", "ask", "lag", "cost")
SETTLE_S = 3.0
# Of ten scripts: first letter, how many letters, letters of a word, share of the messages.
SCRIPTS = {
    "latin": ("abcdefghijklmnopqrstuvwxyz", (2, 10), 0.50),
    "cyrillic": ("абвгдежзийклмнопрстуфхцчшщыэюя", (2, 10), 0.10),
    "han": ("".join(map(chr, range(0x4E00, 0x4E00 + 2500))), (1, 3), 0.10),
    "kana": ("".join(map(chr, range(0x3042, 0x3092))), (2, 5), 0.06),
    "hangul": ("".join(map(chr, range(0xAC00, 0xAC00 + 1200))), (2, 4), 0.06),
    "arabic": ("ابتثجحخدذرزسشصضطظعغفقكلمنهوي", (2, 8), 0.05),
    "devanagari": ("कखगघचछजझटठडढतथदधनपफबभमयरलवशषसह", (2, 6), 0.04),
    "greek": ("αβγδεζηθικλμνξοπρστυφχψω", (2, 9), 0.03),
    "hebrew": ("אבגדהוזחטיכלמנסעפצקרשת", (2, 6), 0.03),
    "thai": ("กขคงจฉชซญดตถทนบปผพฟภมยรลวสหอ", (3, 8), 0.03),
}


class Part(NamedTuple):
    text: str
    lexemes: frozenset[str]


class Language:
    """The words of one script, the most frequent first."""

    def __init__(self, name: str, seed: int) -> None:
        letters, (least, most), self.share = SCRIPTS[name]
        drawn = random.Random(seed)
        words: dict[str, None] = {}
        while len(words) < VOCABULARY:
            words["".join(drawn.choices(letters, k=drawn.randint(least, most)))] = None
        self.words = list(words)
        self.weights = list(itertools.accumulate(1 / (rank + 2.7) for rank in range(VOCABULARY)))
        self.glue = "" if name in {"han", "kana", "thai"} else " "

    def said(self, drawn: random.Random) -> str:
        return self.glue.join(drawn.choices(self.words, cum_weights=self.weights, k=drawn.randint(2, 8)))


class Talk:
    """What is said: parts of all scripts, made once."""

    def __init__(self) -> None:
        from chat.domain.search import lexemes

        drawn = random.Random(7)
        self.languages = {name: Language(name, seed) for seed, name in enumerate(SCRIPTS)}
        self.parts: dict[str, list[Part]] = {}
        for name, language in self.languages.items():
            texts = [language.said(drawn) for _ in range(max(int(HALVES * language.share), 500))]
            self.parts[name] = [Part(text, frozenset(lexemes(text))) for text in texts]
        self._names = list(SCRIPTS)
        self._shares = list(itertools.accumulate(language.share for language in self.languages.values()))

    def message(self, drawn: random.Random) -> Part:
        (name,) = drawn.choices(self._names, cum_weights=self._shares)
        one, other = drawn.choices(self.parts[name], k=2)
        link = LINK if drawn.random() < 0.05 else ""
        found = one.lexemes | other.lexemes
        return Part(f"{one.text} {other.text}{link}", found | {"https", "example", "org", "x"} if link else found)


# -- Filling --------------------------------------------------------------------------------------------------------


def fill(messages: int) -> None:
    """Message number i stands in the channel of slot i, in time at its share of the year. So all of it is computed, on
    PostgreSQL by the database itself.
    """
    from django.db import connection

    from accounts.models import User
    from chat.models import Channel, ChannelMembership, SearchPlace

    began = time.monotonic()
    authors = User.objects.bulk_create([User(username=f"author{number}", password="!") for number in range(AUTHORS)])
    channels = Channel.objects.bulk_create(
        [Channel(key=f"c{each}", name=f"c{each}", name_folded=f"c{each}", kind="public") for each in range(CHANNELS)]
    )
    # Of many sizes, as channels are; the largest ones left out, which would be most of everything.
    for author, count in ((authors[0], 3), (authors[1], 300)):
        chosen = range(20, 20 + 3 * count, 3)
        ChannelMembership.objects.bulk_create([ChannelMembership(channel=channels[at], user=author) for at in chosen])
    slots = Slots([channel.pk for channel in channels])
    since_ms = int(time.time() * 1000) - 3_600_000 - YEAR_MS
    write = fill_sqlite if connection.vendor == "sqlite" else fill_postgresql
    write(messages, slots, [author.pk for author in authors], Talk(), since_ms)
    numbers = slots.numbers(messages)
    Channel.objects.bulk_update(
        [Channel(pk=channel.pk, number=numbers[channel.pk], seq=numbers[channel.pk]) for channel in channels],
        ["number", "seq"],
        batch_size=100,
    )
    SearchPlace.objects.bulk_create(
        [SearchPlace(channel_id=channel.pk, seq=numbers[channel.pk], back=0) for channel in channels]
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE" if connection.vendor == "sqlite" else "VACUUM ANALYZE chat_message, chat_search")
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT pg_size_pretty(pg_table_size('chat_message')), pg_size_pretty(pg_table_size('chat_search')), "
                "pg_size_pretty(pg_relation_size('chat_search_words'))"
            )
            print("  sizes: messages {}, side table {}, GIN {}".format(*cursor.fetchone()))
    print(f"  filled {messages:,} messages in {time.monotonic() - began:.0f} s", flush=True)


class Slots:
    """Which channel each of CYCLE messages stands in, and as which of those of its channel; then all over again."""

    def __init__(self, channels: list[int]) -> None:
        drawn = random.Random(1)
        weights = [1 / (rank + 5) for rank in range(len(channels))]
        self.channels = channels + drawn.choices(channels, weights, k=CYCLE - len(channels))
        drawn.shuffle(self.channels)
        self.counts: dict[int, int] = {}
        self.ranks: list[int] = []
        for channel in self.channels:
            self.counts[channel] = self.counts.get(channel, 0) + 1
            self.ranks.append(self.counts[channel])

    def place(self, i: int) -> tuple[int, int]:
        """(channel, number in it)."""
        turn, slot = divmod(i, CYCLE)
        channel = self.channels[slot]
        return channel, turn * self.counts[channel] + self.ranks[slot]

    def numbers(self, messages: int) -> dict[int, int]:
        turns, rest = divmod(messages, CYCLE)
        found = {channel: turns * count for channel, count in self.counts.items()}
        for channel in self.channels[:rest]:
            found[channel] += 1
        return found


COLUMNS = "id, channel_id, author_id, number, seq, changed_seq, text, created_at"
_ROWS = """
    FROM generate_series(0, {messages} - 1) AS i
    CROSS JOIN LATERAL (SELECT {since_ms} + i * {year_ms} / {messages} AS ms, md5(i::text) AS drawn) AS at
    JOIN slots s ON s.slot = i % {cycle}
    JOIN authors w ON w.pos = abs(hashint8(i + 7)) % {authors}
    JOIN parts a ON a.pos = abs(hashint8(i)) % {parts}
    JOIN parts b ON b.pos = abs(hashint8(i + 1000000007)) % {parts}
    CROSS JOIN LATERAL (SELECT i % 20 = 0 AS has_link,
        (lpad(to_hex(at.ms), 12, '0') || '7' || substr(at.drawn, 1, 3) || '8' || substr(at.drawn, 4, 15))::uuid AS id) m
"""
_MESSAGES = """
    INSERT INTO chat_message (id, channel_id, author_id, number, seq, changed_seq, text, created_at)
    SELECT m.id, s.channel, w.id, n, n, n, a.text || ' ' || b.text || CASE WHEN has_link THEN '{link}' ELSE '' END,
        to_timestamp(at.ms / 1000.0)
"""
_INDEXED = """
    INSERT INTO chat_search (message_id, channel_id, words)
    SELECT m.id, s.channel, a.words || b.words || CASE WHEN has_link THEN {linked}::tsvector ELSE '' END
        || array_to_tsvector(ARRAY['{mark}c' || to_hex(s.channel), '{mark}a' || right(w.id::text, 12),
            '{mark}0' || to_hex(at.ms >> 20), '{mark}1' || to_hex(at.ms >> 25), '{mark}2' || to_hex(at.ms >> 30)])
"""
_NUMBER = "CROSS JOIN LATERAL (SELECT i / {cycle} * s.per_cycle + s.rank AS n) AS numbered"


def fill_postgresql(messages: int, slots: Slots, authors: list[uuid.UUID], talk: Talk, since_ms: int) -> None:
    """The indexes of both tables are made afterwards: that takes half of the time."""
    from django.db import connection

    from chat.domain.search import LINK_MARK, MARK

    parts = [part for some in talk.parts.values() for part in some]
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0; SET maintenance_work_mem = '1GB'; SET synchronous_commit = off")
        cursor.execute(
            "CREATE TEMP TABLE parts (pos int PRIMARY KEY, text text, words tsvector);"
            "CREATE TEMP TABLE authors (pos int PRIMARY KEY, id uuid);"
            "CREATE TEMP TABLE slots (slot int PRIMARY KEY, channel bigint, rank int, per_cycle int)"
        )
        with cursor.copy("COPY parts FROM STDIN") as copy:
            for pos, part in enumerate(parts):
                copy.write_row((pos, part.text, " ".join(f"'{word}'" for word in part.lexemes)))
        with cursor.copy("COPY authors FROM STDIN") as copy:
            for row in enumerate(authors):
                copy.write_row(row)
        with cursor.copy("COPY slots FROM STDIN") as copy:
            for slot, channel in enumerate(slots.channels):
                copy.write_row((slot, channel, slots.ranks[slot], slots.counts[channel]))
        cursor.execute("ANALYZE parts, authors, slots")
        cursor.execute(
            "SELECT indexname, indexdef, conname FROM pg_indexes LEFT JOIN pg_constraint ON conname = indexname "
            "WHERE tablename IN ('chat_message', 'chat_search') AND indexname NOT LIKE '%pkey'"
        )
        dropped = cursor.fetchall()
        for name, _, constraint in dropped:
            cursor.execute(f"ALTER TABLE chat_message DROP CONSTRAINT {name}" if constraint else f"DROP INDEX {name}")
        linked = "'" + " ".join(f"''{word}''" for word in ("https", "example", "org", "x", LINK_MARK)) + "'"
        values = {
            "messages": f"{messages}::bigint", "since_ms": f"{since_ms}::bigint", "year_ms": f"{YEAR_MS}::bigint",
            "cycle": CYCLE, "authors": AUTHORS, "parts": len(parts), "link": LINK, "linked": linked, "mark": MARK,
        }  # fmt: skip
        for statement in (_MESSAGES + _ROWS + _NUMBER, _INDEXED + _ROWS):
            began = time.monotonic()
            cursor.execute(statement.format(**values))
            print(f"  {statement.split()[2]}: {time.monotonic() - began:.0f} s", flush=True)
        for name, definition, _ in dropped:
            began = time.monotonic()
            cursor.execute(definition)
            print(f"  index {name}: {time.monotonic() - began:.0f} s", flush=True)


def fill_sqlite(messages: int, slots: Slots, authors: list[uuid.UUID], talk: Talk, since_ms: int) -> None:
    from django.db import connection, transaction

    from chat.domain.search import marks_of
    from chat.models import message_search
    from chat.models.message_search import Entry

    drawn = random.Random(2)
    places = ", ".join(["%s"] * len(COLUMNS.split(", ")))
    for start in range(0, messages, 20_000):
        rows, entries = [], []
        for i in range(start, min(start + 20_000, messages)):
            ms = since_ms + i * YEAR_MS // messages
            pk = uuid.UUID(int=ms << 80 | 7 << 76 | drawn.getrandbits(12) << 64 | 1 << 63 | drawn.getrandbits(62))
            (channel, number), author, part = slots.place(i), drawn.choice(authors), talk.message(drawn)
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ms / 1000))
            rows.append((pk.hex, channel, author.hex, number, number, number, part.text, at))
            entries.append(Entry(pk, channel, [*part.lexemes, *marks_of(pk, channel, str(author), part.text)]))
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.executemany(f"INSERT INTO chat_message ({COLUMNS}) VALUES ({places})", rows)
            message_search.store(entries)


# -- Who posts, and who keeps the index -----------------------------------------------------------------------------


def post_steadily(seconds: float) -> None:
    """PER_S messages a second, in small batches; then how late they were in the index."""
    from django.db import connection

    from accounts.models import User
    from chat import selectors
    from chat.domain.ids import ChannelKey
    from chat.posting.batches import Post, Stored, store_batch
    from reaktor.db import driver
    from reaktor.db.columns import uuid_to_column

    drawn, talk = random.Random(3), Talk()
    who = [selectors.user_ref(user) for user in User.objects.filter(username__startswith="author")[:50]]
    every = 0.05
    waiting: list[tuple[uuid.UUID, float]] = []
    lags: list[float] = []
    table = "chat_search_key" if connection.vendor == "sqlite" else "chat_search"
    until, due, posted = time.monotonic() + seconds, time.monotonic(), 0
    while time.monotonic() < until or waiting:
        if time.monotonic() < until:
            posts = [
                Post(
                    drawn.choice(who),
                    ChannelKey(f"c{drawn.randrange(CHANNELS)}"),
                    talk.message(drawn).text,
                    uuid.uuid4().hex,
                )
                for _ in range(int(PER_S * every))
            ]
            stored = store_batch(posts)
            posted += len(stored)
            if isinstance(stored[0], Stored):
                waiting.append((uuid.UUID(stored[0].message["id"]), time.monotonic()))
        for each in list(waiting):
            if driver.select(f"SELECT 1 FROM {table} WHERE message_id = %s", [uuid_to_column(each[0])]):
                lags.append(time.monotonic() - each[1])
                waiting.remove(each)
        due += every
        time.sleep(max(due - time.monotonic(), 0))
    lags.sort()
    print(
        f"  posted {posted:,} at {posted / seconds:.0f} a second; in the index after: p50 {at(lags, 0.5):.2f} s, "
        f"p99 {at(lags, 0.99):.2f} s, at most {lags[-1]:.2f} s"
    )


def keep_index(rests: Path | None) -> None:
    """As a worker does it, until it is ended; but not while there is this file."""
    from chat.search.keeper import Keeper
    from reaktor.config.model import Database as DatabaseConfig
    from reaktor.db.database import Database

    def may_act() -> bool:
        return rests is None or not rests.exists()

    async def run() -> None:
        await Keeper(Database(DatabaseConfig()), holder="benchmark", may_act=may_act).run()

    asyncio.run(run())


def at(values: list[float], share: float) -> float:
    return values[min(int(len(values) * share), len(values) - 1)] if values else float("nan")


# -- Who searches ---------------------------------------------------------------------------------------------------


def ask_all() -> None:
    from accounts.models import User
    from chat import selectors
    from chat.models import Channel, ChannelMembership, Message

    drawn, talk = random.Random(5), Talk()
    latin, han = talk.languages["latin"].words, talk.languages["han"].words
    few, many, everybody = (selectors.user_ref(User.objects.get(username=f"author{number}")) for number in range(3))
    ids = Channel.objects.filter(key__startswith="c").values_list("pk", flat=True)
    ChannelMembership.objects.bulk_create(
        [ChannelMembership(channel_id=pk, user_id=everybody.id) for pk in ids], ignore_conflicts=True
    )
    texts = [
        text
        for text in Message.objects.order_by("-id").values_list("text", flat=True)[: ASKED * 40 : 1]
        if text.isascii()
    ]

    def common() -> str:
        return latin[drawn.randrange(20)]

    def middle() -> str:
        return latin[drawn.randrange(200, 2_000)]

    def rare() -> str:
        return latin[drawn.randrange(15_000, VOCABULARY)]

    def phrase() -> str:
        words = drawn.choice(texts).split(" ")
        start = drawn.randrange(max(len(words) - 1, 1))
        return '"' + " ".join(words[start : start + 2]) + '"'

    def prefix() -> str:
        return next(word for word in iter(middle, "") if len(word) >= 3)[:3] + "*"

    def chinese() -> str:
        return next(word for word in (han[drawn.randrange(3_000)] for _ in itertools.count()) if len(word) == 2)

    kinds: dict[str, tuple[Any, Callable[[], str], Callable[[], dict[str, Any]]]] = {
        "common word": (everybody, common, dict),
        "word of some thousand messages": (everybody, middle, dict),
        "rare word": (everybody, rare, dict),
        "phrase": (everybody, phrase, dict),
        "beginning of a word": (everybody, prefix, dict),
        "two Chinese characters": (everybody, chinese, dict),
        "common word, one channel": (everybody, common, lambda: {"channel": f"c{drawn.randrange(CHANNELS)}"}),
        "rare word, one channel": (everybody, rare, lambda: {"channel": f"c{drawn.randrange(CHANNELS)}"}),
        "common word, one author": (everybody, common, lambda: {"author": f"author{drawn.randrange(AUTHORS)}"}),
        "common word, member of 3": (few, common, dict),
        "word of some thousand, member of 3": (few, middle, dict),
        "common word, member of 300": (many, common, dict),
        "word of some thousand, member of 300": (many, middle, dict),
        "beginning of a word, member of 300": (many, prefix, dict),
    }
    print(f"  {'first page':40} {'p50':>8} {'p95':>8} {'most':>8} {'hits':>6} {'in time':>8}")
    for name, (user, word, filters) in kinds.items():
        ask(name, user, [(word(), filters()) for _ in range(ASKED)])


def ask(name: str, user: Any, asked: list[tuple[str, dict[str, Any]]]) -> None:
    """`in time`: the share of pages that were full, or all there was."""
    from chat.search.finding import PAGE, messages_search

    took, hits, whole = [], 0, 0
    for q, filters in asked:
        began = time.perf_counter()
        page = messages_search(user=user, q=q, filters=filters)  # type: ignore[arg-type]
        took.append((time.perf_counter() - began) * 1000)
        hits += len(page["results"])
        whole += page["next"] is None or len(page["results"]) == PAGE
    took.sort()
    print(
        f"  {name:40} {at(took, 0.5):5.0f} ms {at(took, 0.95):5.0f} ms {took[-1]:5.0f} ms {hits / len(asked):6.1f} "
        f"{whole / len(asked):8.0%}",
        flush=True,
    )


# -- What posting costs ---------------------------------------------------------------------------------------------


class Poster:
    """Posts, and counts what each takes: by the clock, and of the processor, of this process and of its connection's
    in PostgreSQL.
    """

    def __init__(self) -> None:
        from django.db import connection

        from accounts.models import User
        from chat import selectors
        from reaktor.db import driver

        self._drawn, self._talk = random.Random(9), Talk()
        self._who = [selectors.user_ref(user) for user in User.objects.filter(username__startswith="author")[:50]]
        is_postgresql = connection.vendor == "postgresql"
        self._backend = [driver.select("SELECT pg_backend_pid()")[0][0]] if is_postgresql else []

    def post(self, count: int, times: int) -> tuple[float, float]:
        """(seconds, seconds of the processor) of a message, in so many transactions at PER_S messages a second."""
        from chat.domain.ids import ChannelKey
        from chat.posting.batches import Post, store_batch

        wall_s = own_s = 0.0
        behind_s = cpu_s(self._backend)
        due = time.monotonic()
        for _ in range(times):
            posts = [
                Post(
                    self._drawn.choice(self._who),
                    ChannelKey(f"c{self._drawn.randrange(CHANNELS)}"),
                    self._talk.message(self._drawn).text,
                    uuid.uuid4().hex,
                )
                for _ in range(count)
            ]
            began, own = time.perf_counter(), time.thread_time()
            store_batch(posts)
            wall_s += time.perf_counter() - began
            own_s += time.thread_time() - own
            due += count / PER_S
            time.sleep(max(due - time.monotonic(), 0))
        messages = count * times
        return wall_s / messages, (own_s + cpu_s(self._backend) - behind_s) / messages


def post_costs(rounds: int) -> None:
    """The same posts while nobody keeps the index and while somebody does, in turns: each pair is one ratio. What was
    not indexed meanwhile is indexed before the next round.
    """
    poster = Poster()
    with TemporaryDirectory() as folder:
        rests = Path(folder) / "rests"
        keeper = child("--keep", "--rests", str(rests))
        try:
            for count in (1, BATCH):
                pairs = []
                for number in range(rounds + 1):
                    took = {}
                    for is_kept in (False, True) if number % 2 else (True, False):
                        rests.unlink(missing_ok=True)
                        caught_up()
                        if not is_kept:
                            rests.touch()
                        took[is_kept] = poster.post(count, ROUND_MESSAGES // count)
                    if number:  # the first one warms up
                        pairs.append((took[False], took[True]))
                say_costs(count, pairs)
        finally:
            end(keeper)


def caught_up() -> None:
    """Until the index knows all that was posted."""
    from chat.search.indexing import index_state

    deadline = time.monotonic() + 60
    while index_state().behind:
        if time.monotonic() > deadline:
            raise RuntimeError("nobody keeps the index")
        time.sleep(0.1)


def say_costs(count: int, pairs: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> None:
    for column, what in ((1, "of the processor"), (0, "by the clock")):
        without, beside = (middle([pair[side][column] * 1e6 for pair in pairs]).value for side in (0, 1))
        more = middle([pair[1][column] / pair[0][column] - 1 for pair in pairs])
        print(
            f"  {count} a transaction, {what}: {without:.0f} us a message without the keeper, {beside:.0f} beside it: "
            f"{more.value:+.1%}, 19 times in 20 between {more.low:+.1%} and {more.high:+.1%}",
            flush=True,
        )


# -- Processes ------------------------------------------------------------------------------------------------------


def child(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "benchmarks.search", *arguments], cwd=ROOT)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait()


def inside(messages: int, parts: Sequence[str]) -> None:
    if "fill" in parts:
        fill(messages)
    if "ask" in parts or "lag" in parts:
        keeper = child("--keep")
        time.sleep(SETTLE_S)
        caught_up()
        if "ask" in parts:
            posting = child("--post", "600")
            try:
                time.sleep(SETTLE_S)
                ask_all()
            finally:
                end(posting)
        if "lag" in parts:
            child("--post", "20").wait()
        end(keeper)
    if "cost" in parts:
        post_costs(COST_ROUNDS)


def run(kind: str, messages: int, parts: str) -> None:
    from benchmarks.databases import POSTGRESQL, new_database

    with TemporaryDirectory() as folder, new_database(kind) as url:
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "reaktor.settings.local", "DATA_DIR": folder}
        environment |= {"DATABASE_URL": url} if kind == POSTGRESQL else {}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        print(f"{kind}, {messages:,} messages in {CHANNELS:,} channels", flush=True)
        command = [sys.executable, "-m", "benchmarks.search", "--inside", str(messages), "--parts", parts]
        subprocess.run(command, cwd=ROOT, env=environment, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgresql", type=int, default=10_000_000, help="messages; 0: not there")
    parser.add_argument("--sqlite", type=int, default=1_000_000, help="messages; 0: not there")
    parser.add_argument("--parts", default=",".join(PARTS), help="what is done")
    parser.add_argument(
        "--inside", type=int, help="so many messages in the migrated database of DATABASE_URL and DATA_DIR, which stays"
    )
    parser.add_argument("--post", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--rests", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None and options.post is None and not options.keep:
        for kind, messages in (("SQLite", options.sqlite), ("PostgreSQL", options.postgresql)):
            if messages:
                run(kind, messages, options.parts)
        return
    import django

    django.setup()
    if options.keep:
        keep_index(options.rests)
    elif options.post is not None:
        post_steadily(options.post)
    else:
        inside(options.inside, options.parts.split(","))


if __name__ == "__main__":
    main()
