"""The outbox: what a post left behind becomes notices, one for each person who is to be told of the message.

A step is one transaction: it makes the notices of a bounded number of people, and writes down how far it came. So a
process may die at any point, and each person gets one notice. What goes wrong with one row is tried again later.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.mailing import is_mail_possible
from accounts.models import EmailAddress
from chat.domain.following import Level, level_of
from chat.domain.notices import DIGEST, Reason, again_after, reason_of
from chat.domain.policies import ChannelKind
from chat.domain.threads import FOLLOWERS_NOTICED
from chat.models import (
    Call,
    Channel,
    ChannelMembership,
    Mention,
    Message,
    Notice,
    NoticePreferences,
    OutboxEntry,
    PushSubscription,
    ThreadFollow,
)
from chat.notices.digests import addresses_of
from reaktor.db.database import LOST

logger = logging.getLogger(__name__)

ROWS = 100
"""So many messages are taken in one step, until it has NOTICES to make."""
NOTICES = 1_000
MEMBERS = 500
"""So many members of a channel are looked at for one message in one step."""
MAILED = frozenset({Reason.DIRECT, Reason.MENTION})
Told = tuple[uuid.UUID, uuid.UUID]
"""(message, user)."""


def outbox_waits(now: datetime) -> bool:
    """Whether there is a step to take. One look at an index."""
    return _due(now).exists()


def outbox_step(rows: int = ROWS) -> bool:
    """Take the next step; False: there is none. Raises what loses the database itself.

    Many messages at once, since those of one channel are mostly for the same people. Where that fails they are taken
    one by one, so that one which goes wrong keeps no other back.
    """
    entries: list[OutboxEntry] = []
    try:
        with transaction.atomic():
            # Of two processes at once the second one finds the next rows.
            due = _due(timezone.now()).select_for_update(skip_locked=True)
            entries = list(due.order_by("pk")[:rows])
            if not entries:
                return False
            _expand(entries)
    except LOST:
        raise
    except Exception as error:
        if len(entries) > 1:
            return outbox_step(1)
        if not entries:
            raise
        logger.exception("outbox: no notices were made of message %s; it will be tried again", entries[0].pk)
        _failed(entries[0], error)
    return True


def outbox_again(ids: Iterable[uuid.UUID]) -> int:
    """Try again what was given up."""
    return OutboxEntry.objects.filter(pk__in=ids).update(failed_at=None, due_at=None, tries=0, problem="")


def _due(now: datetime) -> QuerySet[OutboxEntry]:
    return OutboxEntry.objects.filter(Q(due_at=None) | Q(due_at__lte=now), failed_at=None)


def _failed(entry: OutboxEntry, error: Exception) -> None:
    wait = again_after(entry.tries + 1)
    now = timezone.now()
    OutboxEntry.objects.filter(pk=entry.pk).update(
        tries=entry.tries + 1,
        due_at=None if wait is None else now + wait,
        failed_at=now if wait is None else None,
        problem=type(error).__name__,
    )


def _expand(entries: Sequence[OutboxEntry]) -> None:
    wanted = Message.objects.filter(pk__in=[entry.pk for entry in entries], deleted_at=None)
    messages = {message.pk: message for message in wanted.select_related("channel")}
    over = [entry.pk for entry in entries if entry.pk not in messages]
    named = _told_first(list(messages.values()))
    calls = {call.pk: call for call in Call.objects.filter(pk__in=messages)}
    reasons: dict[Told, Reason] = {}
    pages: dict[tuple[int, int, bool], _Page] = {}
    for entry in entries:
        message = messages.get(entry.pk)
        if message is None:
            continue
        call = calls.get(message.pk)
        at = (message.channel_id, entry.after or 0, call is not None)
        if at not in pages:
            pages[at] = _Page(message.channel, at[1], is_called=call is not None)
        page = pages[at]
        mine = named.get(message.pk, {})
        if entry.after is None:
            reasons |= {(message.pk, user_id): reason for user_id, reason in mine.items() if reason is not None}
        # Who is named was told in the first step: that notice may be over by now, and another one would be a second.
        others = (user_id for user_id in page.levels if user_id != message.author_id and user_id not in mine)
        for user_id in others:
            if (reason := page.reason(user_id, call)) is not None:
                reasons[message.pk, user_id] = reason
        if page.next is None:
            over.append(entry.pk)
        else:
            OutboxEntry.objects.filter(pk=entry.pk).update(after=page.next)
        if len(reasons) >= NOTICES:
            break  # what is left over is the next step's
    _store(messages, reasons)
    OutboxEntry.objects.filter(pk__in=over).delete()


def _told_first(messages: Sequence[Message]) -> dict[uuid.UUID, dict[uuid.UUID, Reason | None]]:
    """By message, whom it names and who follows its thread, and why they are told; None: they are not."""
    mentions = Mention.objects.filter(message_id__in=[message.pk for message in messages])
    pairs = list(mentions.values_list("message_id", "channel_id", "user_id"))
    pairs += [
        (message.pk, message.channel_id, user_id)
        for message in messages
        if message.thread_id is not None
        for user_id in _followers(message.thread_id, message.author_id)
    ]
    if not pairs:
        return {}
    members = ChannelMembership.objects.filter(
        channel_id__in={channel_id for _, channel_id, _ in pairs}, user_id__in={user_id for *_, user_id in pairs}
    )
    levels = {(channel, user): level for channel, user, level in members.values_list("channel_id", "user_id", "level")}
    kinds = {message.channel_id: ChannelKind(message.channel.kind) for message in messages}
    found: dict[uuid.UUID, dict[uuid.UUID, Reason | None]] = {}
    for message_id, channel_id, user_id in pairs:
        level = level_of(levels.get((channel_id, user_id), ""), kinds[channel_id])
        found.setdefault(message_id, {})[user_id] = reason_of(kinds[channel_id], level, is_mentioned=True)
    return found


def _followers(thread: uuid.UUID, author: uuid.UUID) -> list[uuid.UUID]:
    """FOLLOWERS_NOTICED at most of those who follow a thread, without the author of what is said in it."""
    follows = ThreadFollow.objects.filter(thread_id=thread, is_on=True).exclude(user_id=author)
    return list(follows.values_list("user_id", flat=True)[:FOLLOWERS_NOTICED])


class _Page:
    """The next members of a channel, by the id of their membership, who may be told of each message and can be reached:
    those who are told of all, and where many are called the others, too.

    `levels`: how much each wants to be told. `next`: after which one to go on; None: there are no more.
    """

    def __init__(self, channel: Channel, after: int, *, is_called: bool) -> None:
        self.kind = ChannelKind(channel.kind)
        usual = reason_of(self.kind, Level.ALL, is_mentioned=False)
        members = ChannelMembership.objects.filter(channel_id=channel.pk, pk__gt=after)
        if is_called:
            members = members.exclude(level=Level.NOTHING.value)
        elif self.kind.is_closed:
            members = members.filter(level__in=["", Level.ALL.value])
        else:
            members = members.filter(level=Level.ALL.value)
        reached: Q = Q(Exists(PushSubscription.objects.filter(user_id=OuterRef("user_id"))))
        if (is_called or usual in MAILED) and is_mail_possible():
            confirmed = EmailAddress.objects.filter(user_id=OuterRef("user_id"), confirmed_at__isnull=False)
            reached |= Q(Exists(confirmed))
        found = list(members.filter(reached).order_by("pk").values_list("pk", "user_id", "level")[:MEMBERS])
        self.levels = {user_id: level_of(level, self.kind) for _, user_id, level in found}
        self.next: int | None = found[-1][0] if len(found) == MEMBERS else None

    def reason(self, user_id: uuid.UUID, call: Call | None) -> Reason | None:
        """Why that member is told of a message which names others, or nobody."""
        is_called = call is not None and (call.present is None or user_id.hex in call.present)
        return reason_of(self.kind, self.levels[user_id], is_mentioned=is_called)


def _store(messages: Mapping[uuid.UUID, Message], reasons: Mapping[Told, Reason]) -> None:
    """A notice for each; who has one already keeps it."""
    if not reasons:
        return
    users = {user_id for _, user_id in reasons}
    told = set(PushSubscription.objects.filter(user_id__in=users).values_list("user_id", flat=True).distinct())
    told -= set(NoticePreferences.objects.filter(pk__in=users, push=False).values_list("pk", flat=True))
    mailed = addresses_of(users)
    notices = []
    for (message_id, user_id), reason in reasons.items():
        message = messages[message_id]
        is_mailed = user_id in mailed and reason in MAILED
        if user_id in told or is_mailed:
            notices.append(
                Notice(
                    message_id=message_id,
                    channel_id=message.channel_id,
                    user_id=user_id,
                    reason=reason.value,
                    created_at=message.created_at,
                    push_at=message.created_at if user_id in told else None,
                    mail_at=message.created_at + DIGEST if is_mailed else None,
                )
            )
    Notice.objects.bulk_create(notices, ignore_conflicts=True)
