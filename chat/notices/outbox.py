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
from chat.models import (
    Channel,
    ChannelMembership,
    Mention,
    Message,
    Notice,
    NoticePreferences,
    OutboxEntry,
    PushSubscription,
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
    named = _named(list(messages.values()))
    reasons: dict[Told, Reason] = {}
    pages: dict[tuple[int, int], _Page] = {}
    for entry in entries:
        message = messages.get(entry.pk)
        if message is None:
            continue
        at = (message.channel_id, entry.after or 0)
        if at not in pages:
            pages[at] = _Page(message.channel, at[1])
        page = pages[at]
        mine = named.get(message.pk, {})
        if entry.after is None:
            reasons |= {(message.pk, user_id): reason for user_id, reason in mine.items() if reason is not None}
        # Who is named was told in the first step: that notice may be over by now, and another one would be a second.
        others = (user_id for user_id in page.users if user_id != message.author_id and user_id not in mine)
        reasons |= {(message.pk, user_id): page.reason for user_id in others}
        if page.next is None:
            over.append(entry.pk)
        else:
            OutboxEntry.objects.filter(pk=entry.pk).update(after=page.next)
        if len(reasons) >= NOTICES:
            break  # what is left over is the next step's
    _store(messages, reasons)
    OutboxEntry.objects.filter(pk__in=over).delete()


def _named(messages: Sequence[Message]) -> dict[uuid.UUID, dict[uuid.UUID, Reason | None]]:
    """By message, whom it names and why they are told; None: they are not."""
    mentions = Mention.objects.filter(message_id__in=[message.pk for message in messages])
    pairs = list(mentions.values_list("message_id", "channel_id", "user_id"))
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


class _Page:
    """The next members of a channel, by the id of their membership, who are told of each message and can be reached.

    `next`: after which one to go on; None: there are no more.
    """

    def __init__(self, channel: Channel, after: int) -> None:
        kind = ChannelKind(channel.kind)
        reason = reason_of(kind, Level.ALL, is_mentioned=False)
        assert reason is not None  # noqa: S101  at `all` there is one
        self.reason = reason
        members = ChannelMembership.objects.filter(channel_id=channel.pk, pk__gt=after)
        members = members.filter(level__in=["", Level.ALL.value]) if kind.is_closed else members.filter(level="all")
        reached: Q = Q(Exists(PushSubscription.objects.filter(user_id=OuterRef("user_id"))))
        if reason in MAILED and is_mail_possible():
            confirmed = EmailAddress.objects.filter(user_id=OuterRef("user_id"), confirmed_at__isnull=False)
            reached |= Q(Exists(confirmed))
        found = list(members.filter(reached).order_by("pk").values_list("pk", "user_id")[:MEMBERS])
        self.users = [user_id for _, user_id in found]
        self.next: int | None = found[-1][0] if len(found) == MEMBERS else None


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
