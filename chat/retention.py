"""Retention: old messages are deleted for good, by age and by count, and their channel's floor rises.

Called by `manage.py apply_retention`, which the supervisor starts now and then. A message goes when it is too old or
one too many, and everything before it in its channel has gone; numbers stay as they are. What somebody has reported
stays until that is decided. The root of a thread loses its text on time, and keeps its place as a deleted message until
its last reply is gone, which has an age of its own. Each transaction takes the channel's lock for some hundred rows and
then rests as long as it worked, so that those who post never wait for long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, QuerySet

from chat import publish
from chat.domain.events import EventType
from chat.domain.ids import SYSTEM, ChannelKey, UserRef
from chat.models import AuditAction, Channel, ChannelMembership, Message, Report, message_search
from chat.selectors import flow_at
from chat.services.audit import audit_add
from chat.services.bulk import BATCH, messages_change, texts_remove
from chat.services.files import files_forget
from chat.services.pins import pins_drop
from chat.services.threads import GoneReply, replies_gone, threads_go

BATCH_ROWS = 500
MIN_ROWS = 50
LOCK_S = 0.1
"""How long a transaction should hold the channel's lock: on a slow or busy machine batches become smaller."""


@dataclass(frozen=True, slots=True)
class Expired:
    """What is to go in one channel: everything numbered up to `last` but what is reported, `rows` messages.

    `texts`: roots among them that replies keep there, and that lose their texts alone.
    """

    channel_id: int
    key: ChannelKey
    last: int
    rows: int
    texts: int = 0


@dataclass(slots=True)
class Trimmed:
    """What went: `deleted` rows in `key`; `longest_lock_s`: the longest transaction."""

    key: ChannelKey
    deleted: int = 0
    floor_seq: int = 0
    longest_lock_s: float = 0.0
    is_finished: bool = False


def retention_set(*, user: UserRef, key: str, days: int | None, messages: int | None) -> None:
    """A channel's own rules, from the next run on; None: as the server's. By site staff (the admin asks for it)."""
    with transaction.atomic():
        changed = Channel.objects.filter(key=key).update(retention_days=days, retention_messages=messages)
        if changed:
            details = {"retention_days": days, "retention_messages": messages}
            audit_add(user, AuditAction.CHANNEL_UPDATE, channel=key, details=details)


def retention_find(*, days: int, messages: int, now: datetime, key: str | None = None) -> Iterator[Expired]:
    """The channels in which something is to go, oldest first; changes nothing. `days`, `messages`: where a channel
    has no rule of its own; 0 keeps for ever. `key`: in that channel alone.
    """
    channels = Channel.objects.order_by("id").values_list("id", "key", "number", "retention_days", "retention_messages")
    if key is not None:
        channels = channels.filter(key=key)
    for channel_id, channel_key, number, own_days, own_messages in list(channels):
        keep_days = days if own_days is None else own_days
        keep_messages = messages if own_messages is None else own_messages
        last = max(number - keep_messages, 0) if keep_messages else 0
        if keep_days:
            last = max(last, _last_before(channel_id, number, now - timedelta(days=keep_days)))
        rows = _going(channel_id, last).count() if last else 0
        texts = _kept_texts(channel_id, last).count() if last else 0
        if rows or texts:
            yield Expired(channel_id, ChannelKey(channel_key), last, rows, texts)


_REPLIES = Message.objects.filter(thread_id=OuterRef("pk"))


def _due(channel_id: int, last: int) -> QuerySet[Message]:
    """The messages up to that number, without those that a moderator has yet to look at."""
    waiting = Report.objects.filter(message_id=OuterRef("pk"), resolved_at=None)
    return Message.objects.filter(~Exists(waiting), channel_id=channel_id, number__lte=last)


def _going(channel_id: int, last: int) -> QuerySet[Message]:
    """Those that nothing keeps: no reply is left in a thread of theirs."""
    return _due(channel_id, last).filter(~Exists(_REPLIES))


def _kept_texts(channel_id: int, last: int) -> QuerySet[Message]:
    """The roots among them that replies keep, and that still have their texts."""
    return _due(channel_id, last).filter(Exists(_REPLIES), thread_id=None, deleted_at=None)


def _last_before(channel_id: int, head: int, cutoff: datetime) -> int:
    """The number before the first message that is young enough to stay."""
    kept = Message.objects.filter(channel_id=channel_id, created_at__gte=cutoff).order_by("number")
    first = kept.values_list("number", flat=True).first()
    return head if first is None else first - 1


def retention_apply(
    expired: Iterable[Expired],
    *,
    batch_rows: int = BATCH_ROWS,
    rest: Callable[[float], None] = time.sleep,
    on_progress: Callable[[int], None] = lambda rows: None,
) -> list[Trimmed]:
    """Delete what retention_find() found. May be ended anywhere and repeated: each batch is complete in itself.

    `on_progress` is called with the rows of each batch, `rest` with the seconds to leave to others.
    """
    return [_channel_trim(each, batch_rows, rest, on_progress) for each in expired]


def _channel_trim(
    expired: Expired, batch_rows: int, rest: Callable[[float], None], on_progress: Callable[[int], None]
) -> Trimmed:
    trimmed = Trimmed(expired.key)
    wanted = batch_rows
    try:
        while not trimmed.is_finished:
            started = time.monotonic()
            rows = _batch_delete(expired, trimmed, wanted)
            took_s = time.monotonic() - started
            trimmed.longest_lock_s = max(trimmed.longest_lock_s, took_s)
            on_progress(rows)
            rest(took_s)
            wanted = min(batch_rows, max(MIN_ROWS, int(wanted * LOCK_S / took_s)))
        while expired.texts and _texts_remove(expired):
            rest(LOCK_S)
        return trimmed
    finally:
        if trimmed.deleted and not trimmed.is_finished:
            _channel_finish(expired, trimmed.deleted, trimmed.floor_seq)


def _batch_delete(expired: Expired, trimmed: Trimmed, batch_rows: int) -> int:
    """One transaction: how many rows went. Locks the channel, as every writer does.

    The last one finishes the channel as well: a run that is killed leaves rows for the next one, or nothing to do.
    """
    with transaction.atomic():
        channel = Channel.objects.select_for_update(no_key=True).filter(pk=expired.channel_id).first()
        if channel is None:
            trimmed.is_finished = True
            return 0
        oldest = _going(channel.pk, expired.last).order_by("number")
        fields = ("id", "changed_seq", "thread_id", "author_id", "number", "deleted_at")
        found = list(oldest.values_list(*fields)[: batch_rows + 1])
        is_last, found = len(found) <= batch_rows, found[:batch_rows]
        deleted, floor_seq = trimmed.deleted + len(found), channel.floor_seq
        if found:
            ids = [pk for pk, *_ in found]
            files_forget(ids)
            pins_drop(ids)
            # With what hangs on them; what quotes them stays, and quotes nothing.
            Message.objects.filter(pk__in=ids).only("pk").delete()
            message_search.forget(ids)
            floor_seq = max(floor_seq, *(changed_seq for _, changed_seq, *_ in found))
            Channel.objects.filter(pk=channel.pk).update(floor_seq=floor_seq)
            threads_go(ids)
            replies = [
                GoneReply(thread, author, number, was_deleted=at is not None)
                for _, _, thread, author, number, at in found
                if thread is not None
            ]
            replies_gone(replies)
            # Roots that nothing keeps any longer go at once.
            is_last = is_last and not (replies and _going(channel.pk, expired.last).exists())
        if is_last and deleted:
            _channel_finish(expired, deleted, floor_seq)
    trimmed.deleted, trimmed.floor_seq, trimmed.is_finished = deleted, floor_seq, is_last
    return len(found)


def _texts_remove(expired: Expired) -> int:
    """Some roots that replies keep in their places lose their texts: they are deleted messages from now on, and those
    in the channel are told. How many.
    """
    with transaction.atomic():
        roots = list(_kept_texts(expired.channel_id, expired.last).order_by("number")[:BATCH])
        return messages_change(roots, EventType.MESSAGE_DELETED, texts_remove) if roots else 0


def _markers_raise(channel_id: int, last: int) -> None:
    """What is gone is not unread; and of one's own messages those count that are left."""
    above = Message.objects.filter(channel_id=channel_id, number__gt=last).order_by()
    own = dict(above.filter(is_aside=None).values_list("author_id").annotate(Count("id")))
    aside = last - flow_at(channel_id, last)
    behind = ChannelMembership.objects.filter(channel_id=channel_id, read_number__lt=last)
    raised = {"read_number": last, "own_above": last, "read_aside": aside, "read_rev": F("read_rev") + 1}
    for author_id, count in own.items():
        behind.filter(user_id=author_id).update(own=count, **raised)
    behind.update(own=0, **raised)


def _channel_finish(expired: Expired, deleted: int, floor_seq: int) -> None:
    """What is gone is not unread; the feeds forget it; the audit log knows."""
    with transaction.atomic():
        left = _going(expired.channel_id, expired.last).order_by("number").values_list("number", flat=True).first()
        last = expired.last if left is None else left - 1
        _markers_raise(expired.channel_id, last)
        details = {"deleted": deleted, "up_to_number": last, "floor_seq": floor_seq}
        audit_add(SYSTEM, AuditAction.RETENTION, channel=expired.key, details=details)
        publish.trimmed(expired.key)
