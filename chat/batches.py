"""Many posts, one transaction: what the writer runs in the database thread.

In come Posts of any channels and authors, out comes one result per post, in order: Stored or the error that this
post alone met. Channel rows are locked in the order of their ids; nonces are looked up under those locks, before a
number is taken. Source: the native protocol, "A message".
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import DatabaseError, IntegrityError, connection, transaction

from chat.domain import rules
from chat.domain.errors import ArchivedError
from chat.domain.events import MessageData
from chat.domain.ids import ChannelKey, SessionId, UserId, UserRef
from chat.models import Channel, Mention, Message
from chat.selectors import message_by_id, parse_message_id, timestamp, users_named
from reaktor.database import LOST
from reaktor.errors import InvalidError, NotFoundError, ReaktorError
from reaktor.ids import uuid7

NONCES_PER_QUERY = 200
"""Three parameters each; SQLite takes 999 in its smallest builds."""


@dataclass(frozen=True, slots=True)
class Post:
    """A message somebody wants stored; text and nonce are checked, permission is given."""

    author: UserRef
    channel: ChannelKey
    text: str
    nonce: str | None
    reply_to: str | None = None
    session_id: SessionId | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """A post that is committed. `is_duplicate`: it was already, and this is the message from then."""

    message: MessageData
    is_duplicate: bool = False
    mentioned: tuple[UserId, ...] = ()


Result = Stored | ReaktorError


def store_batch(posts: Sequence[Post]) -> list[Result]:
    """Store all of them, each at most once; one bad row never fails the others.

    Raises only what loses the database itself (OperationalError, InterfaceError): then nothing is acknowledged.
    """
    try:
        return _store(posts)
    except LOST:
        raise
    except DatabaseError as error:
        if len(posts) == 1:
            return [InvalidError("That can't be stored.") if not isinstance(error, IntegrityError) else _gone(posts[0])]
        # A row that the checks let through and the database refuses: find it by storing each alone.
        return [result for post in posts for result in store_batch([post])]


def _gone(post: Post) -> ReaktorError:
    return NotFoundError(f"The account or the channel {post.channel} is gone.")


def _store(posts: Sequence[Post]) -> list[Result]:
    results: list[Result | None] = [None] * len(posts)
    with transaction.atomic():
        keys = {post.channel for post in posts}
        locked = Channel.objects.select_for_update().filter(key__in=keys).order_by("id")
        channels = {channel.key: channel for channel in locked.only("id", "key", "seq", "number", "archived_at")}
        known = _known_nonces(posts, channels)
        replies = _reply_channels(posts)
        mentioned = users_named({name for post in posts for name in rules.mentioned_names(post.text)})
        now = datetime.now(UTC)
        messages: list[Message] = []
        mentions: list[Mention] = []
        first_of: dict[tuple[int, str, str], int] = {}
        for index, post in enumerate(posts):
            channel = channels.get(post.channel)
            if channel is None:
                results[index] = NotFoundError("There is no such channel.")
                continue
            nonce_key = (channel.id, post.author.id, post.nonce) if post.nonce is not None else None
            if nonce_key is not None and nonce_key in known:
                results[index] = Stored(message_by_id(channel.id, str(known[nonce_key])), is_duplicate=True)
                continue
            if nonce_key is not None and nonce_key in first_of:
                first = results[first_of[nonce_key]]
                results[index] = Stored(first.message, is_duplicate=True) if isinstance(first, Stored) else first
                continue
            if channel.archived_at is not None:
                results[index] = ArchivedError()
                continue
            if post.reply_to is not None and replies.get(post.reply_to) != channel.id:
                results[index] = NotFoundError("The message replied to is not in this channel.")
                continue
            message = _message(post, channel, now)
            messages.append(message)
            named = [mentioned[name] for name in rules.mentioned_names(post.text) if name in mentioned]
            mentions += [
                Mention(message=message, channel_id=channel.id, user_id=user.id, number=message.number)
                for user in named
            ]
            results[index] = Stored(
                _data(post, message, [user.username for user in named]), mentioned=tuple(user.id for user in named)
            )
            if nonce_key is not None:
                first_of[nonce_key] = index
        Message.objects.bulk_create(messages)
        Mention.objects.bulk_create(mentions)
        _store_heads({message.channel_id: message for message in messages})
    return [result if result is not None else NotFoundError() for result in results]


def _message(post: Post, channel: Channel, now: datetime) -> Message:
    """The next message of a locked channel, whose heads move with it."""
    channel.seq += 1
    channel.number += 1
    return Message(
        id=uuid7(),
        channel_id=channel.id,
        author_id=post.author.id,
        number=channel.number,
        seq=channel.seq,
        changed_seq=channel.seq,
        text=post.text,
        nonce=post.nonce,
        reply_to_id=uuid.UUID(post.reply_to) if post.reply_to else None,
        created_at=now,
    )


def _data(post: Post, message: Message, mentions: list[str]) -> MessageData:
    return {
        "id": str(message.id),
        "channel": post.channel,
        "number": message.number,
        "seq": message.seq,
        "changed_seq": message.changed_seq,
        "author": post.author.username,
        "text": post.text,
        "reply_to": str(message.reply_to_id) if message.reply_to_id else None,
        "nonce": post.nonce,
        "reactions": {},
        "mentions": mentions,
        "created_at": timestamp(message.created_at),
        "edited_at": None,
        "deleted_at": None,
    }


def _known_nonces(posts: Sequence[Post], channels: dict[str, Channel]) -> dict[tuple[int, str, str], uuid.UUID]:
    """(channel id, author id, nonce) → message id, for those already stored: one index look-up each.

    Row values, since three separate IN lists would make the planner try every combination of them.
    """
    wanted = [
        (channels[post.channel].id, post.author.id, post.nonce)
        for post in posts
        if post.nonce is not None and post.channel in channels
    ]
    found: dict[tuple[int, str, str], uuid.UUID] = {}
    to_python = Message._meta.pk.to_python
    author_field = Message._meta.get_field("author").target_field
    for start in range(0, len(wanted), NONCES_PER_QUERY):
        part = wanted[start : start + NONCES_PER_QUERY]
        rows = ", ".join(["(%s, %s, %s)"] * len(part))
        sql = (
            "SELECT channel_id, author_id, nonce, id FROM chat_message "  # noqa: S608  only placeholders are joined
            f"WHERE (channel_id, author_id, nonce) IN (VALUES {rows}) AND nonce IS NOT NULL"
        )
        parameters = [
            value
            for channel_id, author_id, nonce in part
            for value in (channel_id, author_field.get_db_prep_value(author_id, connection), nonce)
        ]
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            for channel_id, author_id, nonce, message_id in cursor.fetchall():
                found[(channel_id, str(uuid.UUID(str(author_id))), nonce)] = to_python(message_id)
    return found


def _reply_channels(posts: Sequence[Post]) -> dict[str, int]:
    """Message id (as the post wrote it) → the id of its channel, for the messages replied to."""
    wanted: dict[uuid.UUID, str] = {}
    for post in posts:
        if post.reply_to is not None:
            try:
                wanted[parse_message_id(post.reply_to)] = post.reply_to
            except NotFoundError:
                continue
    if not wanted:
        return {}
    rows = Message.objects.filter(pk__in=list(wanted)).values_list("id", "channel_id")
    by_id = dict(rows)
    return {text: by_id[pk] for pk, text in wanted.items() if pk in by_id}


def _store_heads(newest: dict[int, Message]) -> None:
    """Write the channels' heads back, all in one statement each way."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE chat_channel SET seq = %s, number = %s WHERE id = %s",
            [(message.seq, message.number, channel_id) for channel_id, message in sorted(newest.items())],
        )
