"""Writes: one atomic each, events through chat.publish after the commit. New messages are handed to the writer.

Called in database threads by REST views, by admin, and by actions through reaktor.database. Rows are locked in this
order: channel, then message. Each durable event takes the channel's next seq under the channel row's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypedDict

from django.db import IntegrityError, transaction

from chat import publish
from chat.batches import Post, Stored, store_batch
from chat.delivery.wire import message_new
from chat.domain import rules
from chat.domain.errors import ArchivedError
from chat.domain.events import ChannelData, Event, EventType, MessageData
from chat.domain.ids import ChannelKey, SessionId, UserId, UserRef
from chat.domain.rules import ChannelKind, Role
from chat.models import Channel, ChannelMembership, Mention, Message, Reaction, random_channel_key
from chat.selectors import (
    ChannelAccess,
    channel_access,
    channel_data,
    message_by_id,
    parse_message_id,
    users_named,
)
from reaktor import node
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnavailableError

REACTIONS_PER_MESSAGE = 200


class ReadMark(TypedDict):
    read_number: int
    unread: int


# -- Channels -----------------------------------------------------------------------------------------------------


def channel_create(
    *, user: UserRef, name: str, kind: str = "public", topic: str = "", key: str | None = None
) -> ChannelAccess:
    """A new channel, its creator the owner. `key` None: a random one.

    Raises InvalidError, ConflictError (the key is taken).
    """
    if kind not in {ChannelKind.PUBLIC, ChannelKind.UNLISTED}:
        raise InvalidError("A channel is public or unlisted.", fields={"kind": "public or unlisted"})
    chosen = rules.check_channel_key(key) if key is not None else ChannelKey(random_channel_key())
    fields = {"name": rules.check_channel_name(name), "topic": rules.check_topic(topic), "kind": kind}
    try:
        with transaction.atomic():
            channel = Channel.objects.create(key=chosen, created_by_id=user.id, **fields)
            ChannelMembership.objects.create(channel=channel, user_id=user.id, role=Role.OWNER.value)
    except IntegrityError:
        raise ConflictError("There is a channel with that key.") from None
    found = channel_access(user=user, key=chosen)
    if found.channel.kind is ChannelKind.PUBLIC:
        publish.to_everybody(Event(EventType.CHANNEL_CREATED, chosen, _public_data(found)))
    return found


def channel_ensure(*, user: UserRef, key: str) -> tuple[ChannelAccess, bool]:
    """The channel with this key, made unlisted when there is none (the seed contract's join); and whether it was made.

    Raises InvalidError for keys that nobody may choose.
    """
    chosen = rules.check_channel_key(key)
    with transaction.atomic():
        _, is_new = Channel.objects.get_or_create(
            key=chosen, defaults={"name": chosen, "kind": ChannelKind.UNLISTED.value, "created_by_id": user.id}
        )
    return channel_access(user=user, key=chosen), is_new


def channel_update(*, user: UserRef, key: str, name: str | None = None, topic: str | None = None) -> ChannelAccess:
    """Another name or topic. Raises ForbiddenError unless an owner or staff asks."""
    found = channel_access(user=user, key=ChannelKey(key))
    found.access.check_manage()
    changes = {}
    if name is not None:
        changes["name"] = rules.check_channel_name(name)
    if topic is not None:
        changes["topic"] = rules.check_topic(topic)
    if changes:
        Channel.objects.filter(pk=found.channel.id).update(**changes)
        found = channel_access(user=user, key=found.channel.key)
        _tell_about(found, EventType.CHANNEL_UPDATED)
    return found


def channel_archive(*, user: UserRef, key: str) -> ChannelAccess:
    """Nobody may write in it any more; reading stays. Repeating it changes nothing."""
    found = channel_access(user=user, key=ChannelKey(key))
    found.access.check_manage()
    if Channel.objects.filter(pk=found.channel.id, archived_at=None).update(archived_at=datetime.now(UTC)):
        found = channel_access(user=user, key=found.channel.key)
        _tell_about(found, EventType.CHANNEL_ARCHIVED)
    return found


def _public_data(found: ChannelAccess) -> ChannelData:
    """The channel as a stranger sees it: events go to everybody, so they say nothing of one user."""
    data = channel_data(found, online=0)
    return {**data, "role": None, "read_number": 0, "unread": 0, "mentions": 0}


def _tell_about(found: ChannelAccess, kind: EventType) -> None:
    event = Event(kind, found.channel.key, _public_data(found))
    if found.channel.kind is ChannelKind.PUBLIC:
        publish.to_everybody(event)
    else:
        publish.to_channel(event)


# -- Durable membership -------------------------------------------------------------------------------------------


def memberships_ensure(*, user_id: UserId) -> None:
    """Give an account that belongs nowhere its start: the default channels. Repeating it changes nothing."""
    if ChannelMembership.objects.filter(user_id=user_id).exists():
        return
    channels = Channel.objects.filter(is_default=True).values_list("id", "number")
    ChannelMembership.objects.bulk_create(
        [
            ChannelMembership(channel_id=channel_id, user_id=user_id, read_number=number)
            for channel_id, number in channels
        ],
        ignore_conflicts=True,
    )


def read_mark(*, user: UserRef, key: str, number: int, session_id: SessionId | None = None) -> ReadMark:
    """Everything up to `number` is read; markers only move forward. Tells the user's other sessions."""
    found = channel_access(user=user, key=ChannelKey(key))
    head = found.channel.number
    if found.access.role is None:
        return {"read_number": 0, "unread": 0}
    wanted = min(number, head)
    mine = ChannelMembership.objects.filter(channel_id=found.channel.id, user_id=user.id)
    moved = mine.filter(read_number__lt=wanted).update(read_number=wanted)
    mark = ReadMark(read_number=max(wanted, found.read_number), unread=head - max(wanted, found.read_number))
    if moved:
        publish.to_user(user.id, Event(EventType.READ_UPDATED, found.channel.key, dict(mark)), exclude=session_id)
    return mark


# -- New messages -------------------------------------------------------------------------------------------------

POST_TIMEOUT_S = 15.0
"""More than the writer's own: it answers first, so that a time-out here is its loop's."""


def message_post(
    *, user: UserRef, key: ChannelKey, text: str, nonce: str | None, reply_to: str | None = None, max_chars: int
) -> Stored:
    """Store a message; permission is enough, no live session is needed. The same nonce again: the same message.

    Where a runtime runs its writer takes it into the next batch. Raises NotFoundError, ArchivedError, InvalidError,
    TooLargeError, UnavailableError (then it may be stored all the same: repeat it with its nonce).
    """
    checked = rules.check_text(text, max_chars=max_chars)
    if nonce is not None:
        rules.check_nonce(nonce)
    found = channel_access(user=user, key=key)
    post = Post(user, found.channel.key, checked, nonce, reply_to)
    here = node.current()
    if here is not None:
        try:
            stored: Stored = here.call(here.runtime.writer.post(post), POST_TIMEOUT_S)
        except TimeoutError:
            raise UnavailableError from None
        return stored
    result = store_batch([post])[0]
    if not isinstance(result, Stored):
        raise result
    if not result.is_duplicate:
        publish.durable(message_new(result.message))
    return result


# -- Changes of stored messages -----------------------------------------------------------------------------------


def message_edit(*, user: UserRef, key: str, message_id: str, text: str, max_chars: int) -> MessageData:
    """Another text for one's own message. Raises ForbiddenError, NotFoundError, ConflictError (deleted)."""
    wanted = rules.check_text(text, max_chars=max_chars)

    def change(message: Message, found: ChannelAccess) -> bool:
        if str(message.author_id) != user.id:
            raise ForbiddenError("Only its author may edit a message.")
        if message.text == wanted:
            return False
        message.text = wanted
        message.edited_at = datetime.now(UTC)
        _mentions_replace(message, wanted)
        return True

    return _message_change(user, key, message_id, EventType.MESSAGE_UPDATED, change)


def message_delete(*, user: UserRef, key: str, message_id: str) -> MessageData:
    """The text goes, the place stays. By its author or a moderator; repeating it changes nothing."""

    def change(message: Message, found: ChannelAccess) -> bool:
        if str(message.author_id) != user.id and not found.access.can_moderate:
            raise ForbiddenError("Only its author or a moderator may delete a message.")
        if message.deleted_at is not None:
            return False
        message.text = ""
        message.deleted_at = datetime.now(UTC)
        Reaction.objects.filter(message=message).delete()
        Mention.objects.filter(message=message).delete()
        return True

    return _message_change(user, key, message_id, EventType.MESSAGE_DELETED, change, allow_deleted=True)


def reaction_add(*, user: UserRef, key: str, message_id: str, emoji: str) -> MessageData:
    """One's emoji on a message; the same again changes nothing."""
    wanted = rules.check_emoji(emoji)

    def change(message: Message, found: ChannelAccess) -> bool:
        if Reaction.objects.filter(message=message).count() >= REACTIONS_PER_MESSAGE:
            raise ConflictError("That message has as many reactions as it can bear.")
        return Reaction.objects.get_or_create(message=message, user_id=user.id, emoji=wanted)[1]

    return _message_change(user, key, message_id, EventType.REACTION_CHANGED, change)


def reaction_remove(*, user: UserRef, key: str, message_id: str, emoji: str) -> MessageData:
    """Take one's emoji back; one that is not there changes nothing."""
    wanted = rules.check_emoji(emoji)

    def change(message: Message, found: ChannelAccess) -> bool:
        return bool(Reaction.objects.filter(message=message, user_id=user.id, emoji=wanted).delete()[0])

    return _message_change(user, key, message_id, EventType.REACTION_CHANGED, change)


def _message_change(
    user: UserRef,
    key: str,
    message_id: str,
    kind: EventType,
    change: Callable[[Message, ChannelAccess], bool],
    *,
    allow_deleted: bool = False,
) -> MessageData:
    """Lock channel and message, let `change` change it (False: nothing to do), take a seq, store, publish."""
    wanted = parse_message_id(message_id)
    with transaction.atomic():
        found = channel_access(user=user, key=ChannelKey(key))
        if found.access.is_archived:
            raise ArchivedError
        channel = Channel.objects.select_for_update().get(pk=found.channel.id)
        message = Message.objects.select_for_update(of=("self",)).filter(channel=channel, pk=wanted).first()
        if message is None:
            raise NotFoundError("There is no such message in this channel.")
        if message.deleted_at is not None and not allow_deleted:
            raise ConflictError("That message is deleted.")
        if not change(message, found):
            return message_by_id(channel.id, message_id)
        channel.seq += 1
        channel.save(update_fields=["seq"])
        message.changed_seq = channel.seq
        message.save(update_fields=["text", "edited_at", "deleted_at", "changed_seq"])
        data = message_by_id(channel.id, message_id)
        publish.durable(Event(kind, found.channel.key, data, channel.seq))
    return data


def _mentions_replace(message: Message, text: str) -> None:
    Mention.objects.filter(message=message).delete()
    Mention.objects.bulk_create(
        Mention(message=message, channel_id=message.channel_id, user_id=user.id, number=message.number)
        for user in users_named(rules.mentioned_names(text)).values()
    )
