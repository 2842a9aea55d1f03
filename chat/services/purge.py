"""Bulk deletion: everything that one user wrote in the last hours, in one channel or everywhere.

purge_begin() says who may, and stores what is to go (Purge) beside the audit entry. purge_batch() deletes some of it as
message_delete would (their places stay, members are told of each), in a short transaction; between two of them the
channels are free. Whoever began it does the first batches, so that a usual purge is over when it is answered. What is
left then, or was interrupted, chat.deletions goes on with.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet

from chat.domain.events import EventType
from chat.domain.ids import UserRef
from chat.domain.moderation import PurgeData
from chat.domain.policies import MAX_PURGE_HOURS
from chat.domain.rules import check_reason
from chat.models import AuditAction, Message, Purge
from chat.services.audit import audit_add
from chat.services.bulk import BATCH, messages_change, texts_remove
from chat.services.sanctions import place_lock, target_find
from reaktor.errors import InvalidError

FIRST_BATCHES = 10
"""What whoever asked waits for: a thousand messages, well under a second on a quiet machine."""


@dataclass(slots=True)
class Purging:
    """A purge under way: the row's id, and how many messages there were and have gone."""

    purge_id: int
    messages: int
    deleted: int = 0
    is_over: bool = False

    def went(self, count: int | None) -> None:
        """What purge_batch() said."""
        self.deleted += count or 0
        self.is_over = count is None

    def as_data(self) -> PurgeData:
        """When it is over all of them have gone, also those that chat.deletions went on with beside us."""
        deleted = self.messages if self.is_over else self.deleted
        return {"deleted": deleted, "left": max(self.messages - deleted, 0)}


def messages_purge(
    *,
    user: UserRef,
    username: str,
    hours: int,
    channel: str | None = None,
    reason: str = "",
    batches: int | None = FIRST_BATCHES,
    rest: Callable[[float], None] = time.sleep,
) -> PurgeData:
    """Delete what that user wrote in the last hours, by who may sanction them there: at most `batches` batches of it
    here (None: all), with a rest after each one; chat.deletions does what is left.

    Raises InvalidError, NotFoundError, ForbiddenError.
    """
    purging = purge_begin(user=user, username=username, hours=hours, channel=channel, reason=reason)
    done = 0
    while not purging.is_over and (batches is None or done < batches):
        started = time.monotonic()
        purging.went(purge_batch(purge_id=purging.purge_id))
        done += 1
        # As long as it took: posts come first, half of the time.
        rest(time.monotonic() - started)
    return purging.as_data()


def purge_begin(*, user: UserRef, username: str, hours: int, channel: str | None = None, reason: str = "") -> Purging:
    """Decide what goes. The audit log has it before anything is gone, with how many messages there were.

    Raises InvalidError, NotFoundError, ForbiddenError.
    """
    if not 1 <= hours <= MAX_PURGE_HOURS:
        raise InvalidError(f"1 to {MAX_PURGE_HOURS} hours.", fields={"hours": f"1 to {MAX_PURGE_HOURS}"})
    why = check_reason(reason)
    now = datetime.now(UTC)
    with transaction.atomic():
        place_lock(user, username, channel)
        target = target_find(user, username, channel)
        purge = Purge.objects.create(
            author=target.user,
            channel_id=target.found.channel.id if target.found is not None else None,
            since=now - timedelta(hours=hours),
            until=now,
        )
        messages = _left(purge).count()
        audit_add(user, AuditAction.PURGE, target.ref, target.key, why, {"hours": hours, "messages": messages})
    return Purging(purge.pk, messages)


def purge_batch(*, purge_id: int) -> int | None:
    """Delete the next few messages; how many, or None when it is over. May be repeated."""
    with transaction.atomic():
        purge = Purge.objects.select_for_update().filter(pk=purge_id).first()
        if purge is None:
            return None
        batch = list(_left(purge)[:BATCH])
        if not batch:
            purge.delete()
            return None
        purge.since = batch[-1].created_at
        purge.save(update_fields=["since"])
        return messages_change(batch, EventType.MESSAGE_DELETED, texts_remove)


def purges_waiting() -> list[int]:
    """Purges that are not over, oldest first."""
    return list(Purge.objects.order_by("pk").values_list("pk", flat=True)[:BATCH])


def _left(purge: Purge) -> QuerySet[Message]:
    """What is still there, oldest first."""
    found = Message.objects.filter(
        author_id=purge.author_id, created_at__gte=purge.since, created_at__lte=purge.until, deleted_at=None
    )
    if purge.channel_id is not None:
        found = found.filter(channel_id=purge.channel_id)
    return found.order_by("created_at", "id")
