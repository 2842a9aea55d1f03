"""Bulk deletion: everything that one user wrote in the last hours, in one channel or everywhere.

In short transactions, so that nobody waits: purge_begin() says who may and writes it down, each purge_batch() deletes
some messages as message_delete would (their places stay, members are told of each). Interrupted, it is begun again.
messages_purge() is all of that at once, for who has a thread to themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from chat.domain.events import EventType
from chat.domain.ids import UserRef
from chat.domain.policies import MAX_PURGE_HOURS
from chat.domain.rules import check_reason
from chat.models import AuditAction, Message
from chat.services.audit import audit_add
from chat.services.bulk import BATCH, messages_change, texts_remove
from chat.services.sanctions import target_find
from reaktor.errors import InvalidError


@dataclass(frozen=True, slots=True)
class Purge:
    """What is to go: whose messages, from which channel (None: all), written from when until when."""

    author_id: UUID
    channel_id: int | None
    since: datetime
    until: datetime

    def left(self) -> QuerySet[Message]:
        """What is still there, oldest first."""
        found = Message.objects.filter(
            author_id=self.author_id, created_at__gte=self.since, created_at__lte=self.until, deleted_at=None
        )
        if self.channel_id is not None:
            found = found.filter(channel_id=self.channel_id)
        return found.order_by("created_at", "id")


def messages_purge(*, user: UserRef, username: str, hours: int, channel: str | None = None, reason: str = "") -> int:
    """Delete what that user wrote in the last hours; how many messages. By who may sanction them there.

    Raises InvalidError, NotFoundError, ForbiddenError.
    """
    purge = purge_begin(user=user, username=username, hours=hours, channel=channel, reason=reason)
    count = 0
    while (deleted := purge_batch(purge=purge)) is not None:
        count += deleted
    return count


def purge_begin(*, user: UserRef, username: str, hours: int, channel: str | None = None, reason: str = "") -> Purge:
    """Decide what goes. The audit log has it before anything is gone, with how many messages there were.

    Raises InvalidError, NotFoundError, ForbiddenError.
    """
    if not 1 <= hours <= MAX_PURGE_HOURS:
        raise InvalidError(f"1 to {MAX_PURGE_HOURS} hours.", fields={"hours": f"1 to {MAX_PURGE_HOURS}"})
    why = check_reason(reason)
    now = datetime.now(UTC)
    with transaction.atomic():
        target = target_find(user, username, channel)
        channel_id = target.found.channel.id if target.found is not None else None
        purge = Purge(target.user.pk, channel_id, now - timedelta(hours=hours), now)
        details = {"hours": hours, "messages": purge.left().count()}
        audit_add(user, AuditAction.PURGE, target.ref, target.key, why, details)
    return purge


def purge_batch(*, purge: Purge) -> int | None:
    """Delete the next few messages; how many, or None when nothing was left. May be repeated."""
    with transaction.atomic():
        batch = list(purge.left()[:BATCH])
        if not batch:
            return None
        return messages_change(batch, EventType.MESSAGE_DELETED, texts_remove)
