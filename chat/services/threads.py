"""Writes of threads: following them, reading them, and what becomes of them when replies are deleted.

Replies come by chat.posting. Who deletes some says so to replies_gone(), under the lock of the channel's row.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction
from django.db.models import F

from chat import publish
from chat.domain.events import Event, EventType, ReadUpdateData, ThreadData, ThreadReadData, mark_data
from chat.domain.ids import SessionId, UserRef
from chat.domain.reading import UNREAD_IN_THREAD
from chat.models import PARTICIPANTS, ChannelMembership, Mention, Message, Thread, ThreadFollow
from chat.selectors import channel_access, read_data, thread_data, thread_mark, thread_root


class GoneReply(NamedTuple):
    """A reply that was deleted, or is gone for good."""

    thread_id: uuid.UUID
    author_id: uuid.UUID
    number: int
    was_deleted: bool = False
    """Before: then it was not counted any more."""


def replies_gone(gone: Iterable[GoneReply], seq: int | None = None) -> None:
    """These replies of one channel are no longer what their threads count. `seq`: that of the change which says so;
    None: nothing does. The channel is locked, and the messages are deleted already.
    """
    by_thread: dict[uuid.UUID, list[GoneReply]] = {}
    for reply in gone:
        if not reply.was_deleted:
            by_thread.setdefault(reply.thread_id, []).append(reply)
    for thread in Thread.objects.filter(pk__in=by_thread):
        replies = by_thread[thread.root_id]
        thread.replies = max(thread.replies - len(replies), 0)
        if any(reply.number == thread.last_number for reply in replies):
            _find_last(thread)
        _take_part(thread, Counter(reply.author_id for reply in replies))
        if seq is not None:
            thread.seq = seq
        thread.save()


def threads_go(roots: Iterable[uuid.UUID]) -> None:
    """These messages are gone for good, and no reply to them is left."""
    gone = list(roots)
    # Of threads without a row, too: who has read where nobody answered.
    ThreadFollow.objects.filter(thread_id__in=gone).delete()
    Thread.objects.filter(pk__in=gone).delete()


def _find_last(thread: Thread) -> None:
    left = Message.objects.filter(thread_id=thread.root_id, deleted_at=None).order_by("-number")
    found = left.values_list("number", "created_at").first()
    if found is None:
        found = Message.objects.filter(pk=thread.root_id).values_list("number", "created_at").first()
    if found is not None:
        thread.last_number, thread.active_at = found


def _take_part(thread: Thread, fewer: Counter[uuid.UUID]) -> None:
    """Who has nothing left there takes part no longer."""
    mine = ThreadFollow.objects.filter(thread_id=thread.root_id)
    for user_id, count in sorted(fewer.items()):
        mine.filter(user_id=user_id).update(replies=F("replies") - count)
    named = thread.participants.split()
    still = {str(pk) for pk in mine.filter(user_id__in=named, replies__gt=0).values_list("user_id", flat=True)}
    if len(still) < len(named):
        left = [user for user in named if user in still]
        others = mine.filter(replies__gt=0).exclude(user_id__in=left).order_by("id").values_list("user_id", flat=True)
        thread.participants = " ".join([*left, *map(str, others[: PARTICIPANTS - len(left)])])


# -- What a user is to a thread -----------------------------------------------------------------------------------


def thread_follow(*, user: UserRef, key: str, thread: str) -> ThreadData:
    """Be told of what is said in a thread. Raises NotFoundError, BannedError, InvalidError (that is a reply)."""
    return _set_follow(user, key, thread, is_on=True)


def thread_unfollow(*, user: UserRef, key: str, thread: str) -> ThreadData:
    """Be told of it no longer, until one posts there again."""
    return _set_follow(user, key, thread, is_on=False)


def _set_follow(user: UserRef, key: str, thread: str, *, is_on: bool) -> ThreadData:
    channel, root = thread_root(user=user, key=key, thread=thread)
    with transaction.atomic():
        Thread.objects.get_or_create(
            pk=root.pk,
            defaults={
                "channel_id": channel.id,
                "root_number": root.number,
                "seq": root.changed_seq,
                "last_number": root.number,
                "active_at": root.created_at,
            },
        )
        fields = {"is_on": is_on}
        ThreadFollow.objects.update_or_create(thread_id=root.pk, user_id=user.id, defaults=fields)
    return thread_data(user=user, channel=channel, root=root.pk)


def thread_read(
    *, user: UserRef, key: str, thread: str, number: int, session_id: SessionId | None = None
) -> ThreadReadData:
    """The thread's replies up to `number` are read, and the mentions in them; never back. Tells the user's other
    sessions. Raises NotFoundError, BannedError, InvalidError (that is a reply).
    """
    channel, root = thread_root(user=user, key=key, thread=thread)
    wanted = min(number, channel.number)
    mark = thread_mark(user=user, root=root.pk)
    if wanted <= mark["read_number"]:
        found = channel_access(user=user, key=channel.key)
        return {**read_data(found.marker, found.channel.head, found.mentions), "thread": mark}
    with transaction.atomic():
        ThreadFollow.objects.get_or_create(thread_id=root.pk, user_id=user.id, defaults={"is_on": None})
        mine = ThreadFollow.objects.filter(thread_id=root.pk, user_id=user.id, read_number__lt=wanted)
        if mine.update(read_number=wanted):
            named = Mention.objects.filter(user_id=user.id, channel_id=channel.id, number__gt=UNREAD_IN_THREAD)
            unread = named.filter(number__lte=UNREAD_IN_THREAD + wanted, message__thread_id=root.pk)
            if unread.update(number=0):
                # The count of mentions is another one: of two that are told, the greater rev is the newer.
                membership = ChannelMembership.objects.filter(channel_id=channel.id, user_id=user.id)
                membership.update(read_rev=F("read_rev") + 1)
        now = channel_access(user=user, key=channel.key)
        mark = thread_mark(user=user, root=root.pk)
        data = ReadUpdateData(
            **mark_data(now.marker, now.channel.head), mentions=now.mentions, number=now.channel.number, thread=mark
        )
        publish.to_user(user.id, Event(EventType.READ_UPDATED, now.channel.key, data), exclude=session_id)
    return {**read_data(now.marker, now.channel.head, now.mentions), "thread": mark}
