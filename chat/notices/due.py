"""Notices that are due: taken by one process for a while, with all that must be known of each; and how they ended.

What is taken is pushed back by CLAIM_S in the same statement, so a process that dies gives it up by itself. The facts
are read then, at the last moment: what was deleted, read, blocked or left meanwhile is seen.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import orjson
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from chat.domain.events import LAST_CHARS
from chat.domain.following import Level, level_of
from chat.domain.formatting import excerpt, shortened
from chat.domain.ids import UserId
from chat.domain.notices import Facts, Reason
from chat.domain.policies import ChannelKind, SanctionKind
from chat.models import ChannelMembership, Message, Notice, Sanction, ThreadFollow, UserBlock
from chat.notices.preferences import preferences_by_user, quiet_hours
from chat.notices.subscriptions import Subscription, subscriptions_of

CLAIM_S = 60.0
"""Longer than all that may be tried with one notice takes."""


class Told(NamedTuple):
    """What a person may be shown of a message. `channel_name`: empty in a direct channel, which is the author's.

    `thread`: the root of the thread which alone shows it.
    """

    message_id: uuid.UUID
    channel: str
    channel_name: str
    number: int
    author: str
    text: str
    thread: str | None


def title_of(told: Told) -> str:
    """Who wrote, and where unless it is said to one alone."""
    return f"{told.author} · {told.channel_name}" if told.channel_name else told.author


def page_of(told: Told) -> str:
    """Where the web client shows it, below the address of its page."""
    return f"#/c/{told.channel}" if told.thread is None else f"#/c/{told.channel}/t/{told.thread}"


class Due(NamedTuple):
    """A notice that is due, and what to decide by. `facts.status` is for the caller to say."""

    id: int
    user_id: UserId
    facts: Facts
    told: Told
    has_preview: bool
    tries: int
    subscriptions: Sequence[Subscription]


class Ended(NamedTuple):
    """What became of a push. `again_at`: when to try it next, for `pushes` alone if some were sent; None: never.

    `problem`: why it is given up, for the operator; empty: it is over. `is_quiet`: it waits for the end of quiet hours.
    """

    id: int
    again_at: datetime | None = None
    pushes: Sequence[int] | None = None
    tries: int = 0
    problem: str = ""
    is_quiet: bool = False


def push_waits(now: datetime) -> bool:
    """Whether a push is due. One look at an index."""
    return Notice.objects.filter(push_at__lte=now).exists()


def pushes_claim(now: datetime, limit: int) -> list[Due]:
    """Take the next pushes that are due, for CLAIM_S; a fixed number of queries."""
    with transaction.atomic():
        due = Notice.objects.select_for_update(skip_locked=True, no_key=True).filter(push_at__lte=now)
        ids = list(due.order_by("push_at", "id").values_list("pk", flat=True)[:limit])
        if not ids:
            return []
        Notice.objects.filter(pk__in=ids).update(push_at=now + timedelta(seconds=CLAIM_S))
    return read_due(ids, now)


def read_due(ids: Collection[int], now: datetime) -> list[Due]:
    """All that must be known of these notices, as it is now."""
    rows = list(Notice.objects.filter(pk__in=ids).select_related("message__author", "channel", "user").order_by("id"))
    known = _Known(rows, now)
    return [known.due(row) for row in rows]


class _Known:
    """What is known of the people and messages of some notices: read at once, then asked without queries."""

    def __init__(self, rows: Sequence[Notice], now: datetime) -> None:
        self._now = now
        users = {row.user_id for row in rows}
        authors = {row.message.author_id for row in rows}
        channels = {row.channel_id for row in rows}
        members = ChannelMembership.objects.filter(user_id__in=users, channel_id__in=channels)
        self._members = {(each.user_id, each.channel_id): each for each in members}
        blocks = UserBlock.objects.filter(user_id__in=users, blocked_id__in=authors)
        self._blocks = set(blocks.values_list("user_id", "blocked_id"))
        bans = Sanction.objects.filter(Q(channel_id__in=channels) | Q(channel_id=None), user_id__in=users)
        bans = bans.filter(kind=SanctionKind.BAN.value, lifted_at=None).exclude(until__lte=now)
        self._bans = set(bans.values_list("user_id", "channel_id"))
        self._preferences = preferences_by_user(users)
        self._subscriptions = subscriptions_of(users, now)
        self._strangers = _strangers(rows)
        threads = {each for row in rows if row.message.is_aside and (each := row.message.thread_id)}
        reads = ThreadFollow.objects.filter(thread_id__in=threads, user_id__in=users) if threads else ()
        self._reads = {(each.user_id, each.thread_id): each.read_number for each in reads}

    def _is_read(self, message: Message, member: ChannelMembership | None, user_id: uuid.UUID) -> bool:
        """What a thread alone shows is read there."""
        if message.is_aside and message.thread_id is not None:
            return self._reads.get((user_id, message.thread_id), 0) >= message.number
        return member is not None and member.read_number >= message.number

    def due(self, row: Notice) -> Due:
        message, channel, user_id = row.message, row.channel, row.user_id
        kind = ChannelKind(channel.kind)
        member = self._members.get((user_id, row.channel_id))
        wanted = self._preferences[user_id]
        is_banned = not self._bans.isdisjoint({(user_id, row.channel_id), (user_id, None)})
        facts = Facts(
            created_at=row.created_at,
            reason=Reason(row.reason),
            # Who is mentioned without belonging to the channel has chosen nothing.
            level=Level.MENTIONS if member is None else level_of(member.level, kind),
            is_deleted=message.deleted_at is not None,
            is_read=self._is_read(message, member, user_id),
            is_blocked=(user_id, message.author_id) in self._blocks,
            may_read=row.user.is_active and not is_banned and (member is not None or not kind.is_closed),
            is_stranger=row.pk in self._strangers,
            wants=wanted.push,
            quiet=quiet_hours(wanted),
        )
        name = "" if kind is ChannelKind.DIRECT else channel.name
        author = message.author.display_name or message.author.username
        thread = str(message.thread_id) if message.is_aside else None
        told = Told(message.pk, channel.key, name, message.number, author, _text(message), thread)
        subscriptions = self._subscriptions.get(user_id, [])
        if row.pushes is not None:
            subscriptions = [each for each in subscriptions if each.id in row.pushes]
        return Due(row.pk, UserId(str(user_id)), facts, told, wanted.preview, row.tries, subscriptions)


def _strangers(rows: Sequence[Notice]) -> set[int]:
    """The notices of direct messages whose author is a stranger: their reader has said nothing there, and they have no
    other channel in common but those to which everybody belongs.
    """
    direct = [row.pk for row in rows if row.channel.kind == ChannelKind.DIRECT.value]
    if not direct:
        return set()
    answers = Message.objects.filter(channel_id=OuterRef("channel_id"), author_id=OuterRef("user_id"))
    theirs = ChannelMembership.objects.filter(
        channel_id=OuterRef("channel_id"), user_id=OuterRef(OuterRef("message__author_id"))
    )
    shared = ChannelMembership.objects.filter(user_id=OuterRef("user_id"), channel__is_default=False)
    shared = shared.exclude(channel__kind=ChannelKind.DIRECT.value).filter(Exists(theirs))
    # Staff reach everybody (chat.services.direct).
    found = Notice.objects.filter(pk__in=direct, message__author__is_staff=False)
    found = found.filter(~Exists(answers), ~Exists(shared))
    return set(found.values_list("pk", flat=True))


def pushes_settle(ended: Iterable[Ended], now: datetime) -> None:
    """Store how they ended; what has no way left goes."""
    with transaction.atomic():
        over = []
        # In the order of their messages: of those that wait for the end of quiet hours the last one stays.
        for each in sorted(ended):
            row = Notice.objects.filter(pk=each.id)
            if each.problem:
                row.update(push_at=None, failed_at=now, problem=each.problem[:200], tries=each.tries)
            elif each.again_at is None:
                over.append(each.id)
            else:
                pushes = {} if each.pushes is None else {"pushes": list(each.pushes)}
                row.update(push_at=each.again_at, tries=each.tries, **pushes)
                if each.is_quiet:
                    over += _superseded(each)
        gone = Notice.objects.filter(pk__in=over)
        gone.filter(mail_at=None, failed_at=None).delete()
        gone.update(push_at=None)


def _superseded(waiting: Ended) -> list[int]:
    """Of each channel the newest message alone is pushed when quiet hours end: these are older."""
    newest = Notice.objects.filter(pk=waiting.id).values("user_id", "channel_id")
    older = Notice.objects.filter(
        user_id__in=newest.values("user_id"), channel_id__in=newest.values("channel_id"), pk__lt=waiting.id
    )
    return list(older.filter(push_at=waiting.again_at).values_list("pk", flat=True))


def notices_again(ids: Iterable[int], now: datetime) -> int:
    """Try again what was given up."""
    failed = Notice.objects.filter(pk__in=ids).exclude(failed_at=None)
    return failed.update(failed_at=None, problem="", tries=0, push_at=now)


def _text(message: Message) -> str:
    """Its beginning; of one that is files alone, what they are called."""
    if not message.text and message.files is not None:
        return shortened(", ".join(each["name"] for each in orjson.loads(message.files)), LAST_CHARS)
    return excerpt(message.text, LAST_CHARS)
