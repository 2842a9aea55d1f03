"""Much in a database, quickly: `python -m benchmarks.fill --messages 2000000 --channels 100000`.

Works on the database of DATA_DIR or DATABASE_URL, which must be migrated, and empty but for what a start makes. Half of
the messages stand in the channel general, the others in the new channels in turn. Rows are written past the models: by
one executemany on SQLite, by COPY on PostgreSQL.
"""

from __future__ import annotations

import argparse
import itertools
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import django
from django.db import connection, transaction

AUTHORS = 100
CHANNELS_AT_ONCE, ROWS_AT_ONCE = 2_000, 50_000
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
EVERY = timedelta(milliseconds=500)
WORDS = ("garden", "harbour", "kitchen", "library", "market", "river", "station", "workshop")
COLUMNS = "id, channel_id, author_id, number, seq, changed_seq, text, nonce, reply_to_id, created_at"


class Place(NamedTuple):
    """A channel, and how many messages it is given."""

    id: int
    messages: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=2_000_000)
    parser.add_argument("--channels", type=int, default=100_000)
    options = parser.parse_args()
    django.setup()
    with transaction.atomic():
        _write(_messages(_authors(), _places(options.channels, options.messages)))
    if connection.vendor == "postgresql":
        connection.cursor().execute("VACUUM ANALYZE")


def _authors() -> list[Any]:
    from accounts.models import User
    from reaktor.db.columns import uuid_to_column

    made = User.objects.bulk_create([User(username=f"author{number}", password="!") for number in range(AUTHORS)])
    return [uuid_to_column(user.pk) for user in made]


def _places(channels: int, messages: int) -> list[Place]:
    """The channels, made with the heads that their messages will have."""
    from chat.models import Channel
    from reaktor.scripts import folded

    others = messages // 2
    each, more = divmod(others, max(channels, 1))
    counts = [each + (number < more) for number in range(channels)]
    names = [f"The {WORDS[number % len(WORDS)]} of the {number}th street" for number in range(channels)]
    made = Channel.objects.bulk_create(
        [
            Channel(key=f"filled{number}", name=name, name_folded=folded(name), kind="public", number=count, seq=count)
            for number, (name, count) in enumerate(zip(names, counts, strict=True))
        ],
        batch_size=CHANNELS_AT_ONCE,
    )
    general = Channel.objects.get(key="general")
    general.number = general.seq = messages - sum(counts)
    general.save(update_fields=["number", "seq"])
    return [Place(general.pk, general.number), *(Place(each.pk, each.number) for each in made)]


def _messages(authors: list[Any], places: list[Place]) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of their times, one channel after the other."""
    from reaktor.db.columns import uuid_to_column

    ids = 0
    for place in places:
        for number in range(1, place.messages + 1):
            at = SINCE + EVERY * ids
            value = int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0b10 << 62 | ids
            text = f"Message {number}: {WORDS[number % len(WORDS)]}".ljust(100, ".")
            yield (
                uuid_to_column(uuid.UUID(int=value)), place.id, authors[ids % AUTHORS], number, number, number, text,
                None, None, connection.ops.adapt_datetimefield_value(at),
            )  # fmt: skip
            ids += 1


def _write(rows: Iterator[tuple[Any, ...]]) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            places = ", ".join(["%s"] * len(COLUMNS.split(", ")))
            # Django's cursor keeps all rows that it is given at once.
            while some := list(itertools.islice(rows, ROWS_AT_ONCE)):
                cursor.executemany(f"INSERT INTO chat_message ({COLUMNS}) VALUES ({places})", some)
            return
        with cursor.copy(f"COPY chat_message ({COLUMNS}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)


if __name__ == "__main__":
    main()
