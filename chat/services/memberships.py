"""Writes of durable memberships: an account's start, joining and leaving for good, read markers.

Not who is there now: that is chat.membership's. Losing the right to be in a private channel is told to the authority
by a Removal row.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction

from chat import publish
from chat.domain.events import Event, EventType, ReadData
from chat.domain.ids import ChannelKey, SessionId, UserId, UserRef
from chat.domain.policies import REMOVAL_S, ChannelKind, Role
from chat.models import Channel, ChannelMembership, Removal
from chat.selectors import ChannelAccess, channel_access, channel_data
from chat.services.locking import channel_lock
from reaktor.errors import ConflictError


def memberships_ensure(*, user_id: UserId) -> None:
    """Give an account that belongs nowhere its start: the default channels. Repeating it changes nothing."""
    if ChannelMembership.objects.filter(user_id=user_id).exists():
        return
    channels = Channel.objects.filter(is_default=True).values_list("id", "number")
    ChannelMembership.objects.bulk_create(
        [
            ChannelMembership(channel_id=channel_id, user_id=user_id, read_number=number)
            for channel_id, number in channels
        ],
        ignore_conflicts=True,
    )


def read_mark(*, user: UserRef, key: str, number: int, session_id: SessionId | None = None) -> ReadData:
    """Everything up to `number` is read; markers only move forward. Tells the user's other sessions."""
    found = channel_access(user=user, key=ChannelKey(key))
    head = found.channel.number
    if found.access.role is None:
        return {"read_number": 0, "unread": 0}
    wanted = min(number, head)
    mine = ChannelMembership.objects.filter(channel_id=found.channel.id, user_id=user.id)
    moved = mine.filter(read_number__lt=wanted).update(read_number=wanted)
    mark = ReadData(read_number=max(wanted, found.read_number), unread=head - max(wanted, found.read_number))
    if moved:
        publish.to_user(user.id, Event(EventType.READ_UPDATED, found.channel.key, dict(mark)), exclude=session_id)
    return mark


def membership_join(*, user: UserRef, key: str) -> ChannelAccess:
    """Belong to a channel that one may read, for good. Repeating it changes nothing."""
    found = channel_access(user=user, key=ChannelKey(key))
    if found.access.role is None:
        with transaction.atomic():
            member_add(found.channel.id, user.id, read_number=found.channel.number)
            tell_membership(user, found.channel.key)
        found = channel_access(user=user, key=found.channel.key)
    return found


def member_add(channel_id: int, user_id: UserId, *, read_number: int = 0) -> ChannelMembership:
    """The user's membership in the channel, made where there is none; an earlier removal holds no longer."""
    membership, _ = ChannelMembership.objects.get_or_create(
        channel_id=channel_id, user_id=user_id, defaults={"role": Role.MEMBER.value, "read_number": read_number}
    )
    if Removal.objects.filter(channel_id=channel_id, user_id=user_id).delete()[0]:
        publish.blocks_changed()
    return membership


def membership_leave(*, user: UserRef, key: str) -> None:
    """Belong to a channel no longer; out of a private one at once, with every session. Repeating it changes nothing.

    A private channel that nobody is left in is archived. Raises ConflictError for a direct channel, and for the last
    owner of others.
    """
    found = channel_access(user=user, key=ChannelKey(key))
    if found.channel.kind is ChannelKind.DIRECT:
        raise ConflictError("A direct channel stays; block the other one not to hear from them.")
    if found.access.role is None:
        return
    with transaction.atomic():
        channel_lock(found.channel.key)
        # Somebody may have made them the only owner, or nobody, while the lock was waited for.
        found = channel_access(user=user, key=found.channel.key)
        others = ChannelMembership.objects.filter(channel_id=found.channel.id).exclude(user_id=user.id)
        is_owner = found.access.role is Role.OWNER
        if is_owner and others.exists() and not others.filter(role=Role.OWNER.value).exists():
            raise ConflictError("Give the channel another owner first.")
        ChannelMembership.objects.filter(channel_id=found.channel.id, user_id=user.id).delete()
        if found.channel.kind is ChannelKind.PRIVATE:
            removal_add(found.channel.id, user.id)
            if not others.exists():
                Channel.objects.filter(pk=found.channel.id, archived_at=None).update(archived_at=datetime.now(UTC))


def removal_add(channel_id: int, user_id: UserId) -> None:
    """Have the authority take the user out of the channel, and keep out what was allowed in a moment before."""
    now = datetime.now(UTC)
    Removal.objects.filter(until__lt=now).delete()
    until = now + timedelta(seconds=REMOVAL_S)
    Removal.objects.update_or_create(channel_id=channel_id, user_id=user_id, defaults={"until": until})
    publish.blocks_changed()


def tell_membership(user: UserRef, key: ChannelKey) -> None:
    """The user's sessions are told of a channel that they belong to now, or in another role than before."""
    data = channel_data(channel_access(user=user, key=key), online=0)
    publish.to_user(user.id, Event(EventType.CHANNEL_UPDATED, key, data))
