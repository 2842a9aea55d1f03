"""Reads of who follows what, for the process that tells them: many users, or many channels, in few statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple, cast

import orjson
from django.db import connection

from chat.domain.events import LAST_CHARS, Activity, HeadData, LastData, ReadUpdateData, mark_data
from chat.domain.following import Follow, Level, level_of, shows_last
from chat.domain.formatting import shortened
from chat.domain.ids import ChannelKey, UserId
from chat.domain.policies import ChannelKind
from chat.selectors import rows
from reaktor.db import driver
from reaktor.db.columns import uuid_text, uuid_to_column
from reaktor.times import timestamp

TOGETHER = 900
"""Ids in one statement: SQLite takes 999 parameters in its smallest builds."""


class Tally(NamedTuple):
    """Of all memberships of a user together: another one when a marker has moved, or what is mentioned above it."""

    revs: int
    mentions: int


class Read(NamedTuple):
    """A marker as its user's sessions are told of it."""

    channel: ChannelKey
    data: ReadUpdateData


def follow_of(key: ChannelKey, kind: ChannelKind, number: int, level: Level) -> Follow | None:
    """A membership as what its user is told; None: nothing."""
    return None if level is Level.NOTHING else Follow(key, number, shows_last(level, kind))


def follows_of(user_ids: Sequence[UserId]) -> dict[UserId, list[Follow]]:
    """What each of these users is told of: the channels that they belong to and may read."""
    found: dict[UserId, list[Follow]] = {user_id: [] for user_id in user_ids}
    now = connection.ops.adapt_datetimefield_value(datetime.now(UTC))
    for start in range(0, len(user_ids), TOGETHER):
        part = [uuid_to_column(user_id) for user_id in user_ids[start : start + TOGETHER]]
        places = ", ".join(["%s"] * len(part))
        mine = driver.select(
            "SELECT m.user_id, c.key, c.kind, c.number, m.level FROM chat_channelmembership m "  # noqa: S608  ours
            f"JOIN chat_channel c ON c.id = m.channel_id WHERE m.user_id IN ({places}) AND NOT EXISTS "
            "(SELECT 1 FROM chat_sanction s WHERE s.user_id = m.user_id AND s.channel_id = c.id "
            "AND s.lifted_at IS NULL AND s.kind = 'ban' AND (s.until IS NULL OR s.until > %s))",
            [*part, now],
        )
        for user_id, key, kind_value, number, level in mine:
            kind = ChannelKind(kind_value)
            follow = follow_of(ChannelKey(key), kind, number, level_of(level, kind))
            if follow is not None:
                found[UserId(uuid_text(user_id))].append(follow)
    return found


def tallies_of(user_ids: Sequence[UserId]) -> dict[UserId, Tally]:
    """The tallies of these users. Who belongs to nothing has none."""
    found: dict[UserId, Tally] = {}
    for start in range(0, len(user_ids), TOGETHER):
        part = [uuid_to_column(user_id) for user_id in user_ids[start : start + TOGETHER]]
        places = ", ".join(["%s"] * len(part))
        mine = driver.select(
            "SELECT m.user_id, sum(m.read_rev), sum((SELECT coalesce(sum(n.number), 0) FROM chat_mention n "  # noqa: S608  ours
            "WHERE n.user_id = m.user_id AND n.channel_id = m.channel_id AND n.number > m.read_number "
            f"AND {rows.IS_HEARD}) + (SELECT coalesce(sum(k.number), 0) {rows.CALLED})) "
            f"FROM chat_channelmembership m JOIN chat_channel c ON c.id = m.channel_id WHERE m.user_id IN ({places}) "
            "GROUP BY m.user_id",
            part,
        )
        found.update((UserId(uuid_text(user_id)), Tally(int(revs), int(named))) for user_id, revs, named in mine)
    return found


def reads_of(user_ids: Sequence[UserId]) -> dict[UserId, list[Read]]:
    """Where the markers of these users stand in the channels that they belong to, and what is unread above them."""
    found: dict[UserId, list[Read]] = {user_id: [] for user_id in user_ids}
    for start in range(0, len(user_ids), TOGETHER):
        part = [uuid_to_column(user_id) for user_id in user_ids[start : start + TOGETHER]]
        for user_id, key, head, marker, mentions in rows.reads_select(part):
            said = {**mark_data(marker, head), "mentions": mentions, "number": head.number}
            data = cast(ReadUpdateData, said)  # mypy: there might be a `thread` in a mark
            found[UserId(user_id)].append(Read(ChannelKey(key), data))
    return found


def channel_numbers(keys: Sequence[ChannelKey]) -> dict[ChannelKey, int]:
    """The numbers of these channels' newest messages."""
    found: dict[ChannelKey, int] = {}
    for start in range(0, len(keys), TOGETHER):
        part = keys[start : start + TOGETHER]
        places = ", ".join(["%s"] * len(part))
        statement = f"SELECT key, number FROM chat_channel WHERE key IN ({places})"  # noqa: S608  placeholders only
        found.update((ChannelKey(key), number) for key, number in driver.select(statement, part))
    return found


def activities_of(keys: Sequence[ChannelKey]) -> list[Activity]:
    """How far these channels have come, and their newest messages. Without those whose newest message is gone for good:
    it can't be unread.
    """
    found = []
    for start in range(0, len(keys), TOGETHER):
        part = keys[start : start + TOGETHER]
        where = f"m.number = c.number AND c.key IN ({', '.join(['%s'] * len(part))})"
        for row in rows.messages_select(where, part, order="c.id", limit=TOGETHER):
            head = HeadData(number=row.number, seq=row.changed_seq, flow=row.flow)
            text = None if row.deleted_at is not None else shortened(row.text, LAST_CHARS)
            last = LastData(
                id=row.id, number=row.number, author=row.author, text=text, created_at=timestamp(row.created_at)
            )
            if row.files is not None and row.deleted_at is None:
                last["files"] = len(orjson.loads(row.files))
            found.append(Activity(ChannelKey(row.channel), head, last))
    return found
