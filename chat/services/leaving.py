"""Writes: what becomes of a deleted account in chat. One atomic each; events through chat.publish after the commit.

account_leave() runs in the transaction that deletes the account. Where its messages go too, that is much work: it is
written down (Deletion) and done in batches by account_messages_remove(), which goes on where it was interrupted.
Rows are locked in this order: channel, then message.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from django.db import transaction
from django.db.models import Q

from chat.domain.events import EventType
from chat.domain.ids import UserId
from chat.domain.policies import Role
from chat.models import (
    AuditAction,
    AuditEntry,
    ChannelMembership,
    Deletion,
    EarlierText,
    Invite,
    Mention,
    Message,
    Notice,
    NoticePreferences,
    PushSubscription,
    Reaction,
    ThreadFollow,
    UserBlock,
)
from chat.services.bulk import BATCH, messages_change, texts_remove
from chat.services.files import files_forget_unsent
from chat.services.places import places_forget
from chat.services.server_invites import server_invites_end


def account_leave(*, user_id: UserId, removes_messages: bool) -> None:
    """The account leaves everything it belongs to; inside the transaction that deletes it.

    A channel whose only owner it was falls to its longest-serving moderator, and without one to nobody: then staff
    looks after it. Reports and sanctions stay for the moderators.
    """
    with transaction.atomic():
        for channel_id in _orphaned(user_id):
            _inherit(channel_id, user_id)
        ChannelMembership.objects.filter(user_id=user_id).delete()
        Mention.objects.filter(user_id=user_id).delete()
        threads = ThreadFollow.objects.filter(user_id=user_id)
        threads.filter(replies=0).delete()
        # What they said in threads is counted still.
        threads.update(is_on=False, read_number=0)
        # What they took back, nobody is to read once they are gone, whatever becomes of their messages.
        EarlierText.objects.filter(author__pk=user_id).delete()
        UserBlock.objects.filter(Q(user_id=user_id) | Q(blocked_id=user_id)).delete()
        places_forget(user_id)
        for kind in (Notice, PushSubscription, NoticePreferences):
            kind._default_manager.filter(user_id=user_id).delete()
        Invite.objects.filter(created_by__pk=user_id, revoked_at=None).update(revoked_at=datetime.now(UTC))
        server_invites_end(user_id)
        files_forget_unsent(user_id)
        if removes_messages:
            Deletion.objects.get_or_create(user_id=user_id)
        AuditEntry.objects.create(actor="system", action=AuditAction.ACCOUNT_DELETE, target_id=user_id)


def _orphaned(user_id: UserId) -> list[int]:
    owners = ChannelMembership.objects.filter(role=Role.OWNER.value)
    mine = set(owners.filter(user_id=user_id).values_list("channel_id", flat=True))
    others = set(owners.filter(channel_id__in=mine).exclude(user_id=user_id).values_list("channel_id", flat=True))
    return sorted(mine - others)


def _inherit(channel_id: int, user_id: UserId) -> None:
    moderators = ChannelMembership.objects.filter(channel_id=channel_id, role=Role.MODERATOR.value)
    heir = moderators.exclude(user_id=user_id).order_by("created_at", "id").first()
    if heir is not None:
        heir.role = Role.OWNER.value
        heir.save(update_fields=["role"])


def accounts_to_empty() -> list[UserId]:
    """Deleted accounts that still have messages or reactions to lose."""
    return [UserId(str(pk)) for pk in Deletion.objects.order_by("pk").values_list("pk", flat=True)[:BATCH]]


def account_messages_remove(*, user_id: UserId) -> bool:
    """Remove the next BATCH of a deleted account's messages, then of its reactions.

    False: nothing was left, or another process is at it. Live members see each change as an event. May be interrupted
    and called again at any time.
    """
    with transaction.atomic():
        job = Deletion.objects.select_for_update(skip_locked=True).filter(user__pk=user_id).first()
        if job is None:
            return False
        mine = Message.objects.filter(author__pk=user_id, deleted_at=None)
        if job.done_until is not None:
            mine = mine.filter(created_at__gte=job.done_until)
        messages = list(mine.order_by("created_at", "id")[:BATCH])
        if messages:
            messages_change(messages, EventType.MESSAGE_DELETED, texts_remove)
            job.done_until = messages[-1].created_at
            job.save(update_fields=["done_until"])
            return True
        reactions = list(Reaction.objects.filter(user_id=user_id).select_related("message").order_by("id")[:BATCH])
        if reactions:
            messages = list({each.message_id: each.message for each in reactions}.values())
            messages_change(messages, EventType.REACTION_CHANGED, partial(_take_back, [each.pk for each in reactions]))
            return True
        job.delete()
    return False


def _take_back(reactions: Sequence[int], messages: Sequence[uuid.UUID]) -> None:
    Reaction.objects.filter(pk__in=reactions).delete()
