"""Bulk deletion: everything that one user wrote in the last hours, in one channel or everywhere.

In short transactions, so that nobody waits: each locks one channel, deletes some messages as message_delete would
(their places stay, members are told of each), and ends. Interrupted, it is simply called again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from chat.domain.events import EventType
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import MAX_PURGE_HOURS, check_reason
from chat.models import AuditAction, Message
from chat.services.audit import audit_add
from chat.services.messages import message_store, text_remove
from chat.services.sanctions import target_find
from chat.statements import channels_lock
from reaktor.errors import InvalidError

BATCH = 100
"""Messages in one transaction: some 30 ms under a channel's lock."""


def messages_purge(*, user: UserRef, username: str, hours: int, channel: str | None = None, reason: str = "") -> int:
    """Delete what that user wrote in the last hours; how many messages. By who may sanction them there.

    Raises InvalidError, NotFoundError, ForbiddenError.
    """
    if not 1 <= hours <= MAX_PURGE_HOURS:
        raise InvalidError(f"1 to {MAX_PURGE_HOURS} hours.", fields={"hours": f"1 to {MAX_PURGE_HOURS}"})
    why = check_reason(reason)
    target = target_find(user, username, channel)
    theirs = Message.objects.filter(
        author=target.user, created_at__gte=datetime.now(UTC) - timedelta(hours=hours), deleted_at=None
    )
    if target.found is not None:
        theirs = theirs.filter(channel_id=target.found.channel.id)
    count = 0
    for key in list(theirs.order_by().values_list("channel__key", flat=True).distinct()):
        while True:
            with transaction.atomic():
                locked = channels_lock([key])[0]
                batch = theirs.filter(channel_id=locked.id).select_for_update(of=("self",)).order_by("number")[:BATCH]
                seq = locked.seq
                for message in batch:
                    seq += 1
                    text_remove(message)
                    message_store(message, seq, EventType.MESSAGE_DELETED, ChannelKey(key))
            if seq == locked.seq:
                break
            count += seq - locked.seq
    audit_add(user, AuditAction.PURGE, target.ref, target.key, why, {"hours": hours, "messages": count})
    return count
