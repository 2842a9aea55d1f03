"""Bulk deletion: everything that one user wrote in the last hours, in one channel or everywhere.

In short transactions, so that nobody waits: each deletes some messages as message_delete would (their places stay,
members are told of each). Interrupted, it is simply called again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from chat.domain.events import EventType
from chat.domain.ids import UserRef
from chat.domain.policies import MAX_PURGE_HOURS, check_reason
from chat.models import AuditAction, Message
from chat.services.audit import audit_add
from chat.services.bulk import BATCH, messages_change, texts_remove
from chat.services.sanctions import target_find
from reaktor.errors import InvalidError


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
    while True:
        with transaction.atomic():
            batch = list(theirs.order_by("created_at", "id")[:BATCH])
            count += messages_change(batch, EventType.MESSAGE_DELETED, texts_remove)
        if not batch:
            break
    audit_add(user, AuditAction.PURGE, target.ref, target.key, why, {"hours": hours, "messages": count})
    return count
