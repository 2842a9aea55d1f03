"""A Redis as the replaced server left it, with what a few years of it look like."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
import redis

PASSWORD = "secret1"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
STARTED = datetime(2017, 3, 1, 8, tzinfo=UTC)
PIPELINED = 5_000


def message(text: Any, user: Any = "ada", date: Any = "2026-11-24T00:40:33.503Z") -> str:
    """One entry of a message list, as the old server wrote it."""
    return json.dumps({"message": text, "user": user, "date": date}, separators=(",", ":"))


class SeedRedis:
    """Writes through one client; close() at the end."""

    def __init__(self, url: str) -> None:
        self.client: Any = redis.Redis.from_url(url)
        self.client.flushdb()

    def users(self, names: Iterable[str], password: str | None = HASH) -> None:
        with self.client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.hset(f"user__{name}", mapping={"name": name, **({"password": password} if password else {})})
            pipeline.execute()

    def channels(self, rows: Sequence[Any], kind: str = "_public") -> None:
        self.client.rpush(f"channel__{kind}", *(row if isinstance(row, str) else json.dumps(row) for row in rows))

    def messages(self, key: str, rows: Sequence[str | bytes]) -> None:
        for start in range(0, len(rows), PIPELINED):
            self.client.rpush(f"channel_msg__{key}", *rows[start : start + PIPELINED])

    def years(self, users: int, messages: int, channels: int) -> None:
        """A big server: so many of each, messages of everybody in every channel, oldest first."""
        names = [f"user{number}" for number in range(users)]
        self.users(names)
        keys = ["general", *(f"channelkey{number}" for number in range(channels - 1))]
        self.channels([{"key": key, "name": f"Channel {key[10:]}"} for key in keys[1:]])
        for place, key in enumerate(keys):
            dates = ((STARTED + timedelta(minutes=number)) for number in range(place, messages, channels))
            self.messages(
                key,
                [
                    f'{{"message":"message {number} of {key}","user":"{names[number * 7 % users]}",'
                    f'"date":"{at.isoformat()[:19]}.000Z"}}'
                    for number, at in enumerate(dates, 1)
                ],
            )

    def close(self) -> None:
        self.client.close()


def texts(key: str) -> list[str]:
    """What was said in a channel, by number."""
    from chat.models import Message

    return list(Message.objects.filter(channel__key=key).order_by("number").values_list("text", flat=True))


def is_whole(key: str) -> bool:
    """Whether numbers and seqs are dense, and the heads are where they end."""
    from chat.models import Channel, Message

    channel = Channel.objects.get(key=key)
    rows = Message.objects.filter(channel=channel).order_by("number").values_list("number", "seq", "changed_seq")
    return list(rows) == [(n, n, n) for n in range(1, channel.number + 1)] and channel.seq == channel.number
