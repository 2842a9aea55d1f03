"""Writes of durable memberships: an account's start, joining and leaving for good, read markers.

Not who is there now: that is chat.membership's. Losing the right to be in a private channel is told to the authority
by a Removal row.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from chat import publish
from chat.domain.errors import NotAMemberError
from chat.domain.events import Event, EventType, LevelData, ReadData
from chat.domain.following import Level
from chat.domain.ids import ChannelKey, SessionId, UserId, UserRef
from chat.domain.policies import REMOVAL_S, ChannelKind, Role
from chat.domain.reading import START, UNREAD, Head
from chat.models import Channel, ChannelMembership, Message, Removal, Thread
from chat.selectors import ChannelAccess, ChannelRow, channel_access, channel_data, flow_at, read_data, user_ref
from chat.services.locking import channel_lock
from reaktor.errors import ConflictError, InvalidError
from reaktor.why import Why


def memberships_ensure(*, user_id: UserId) -> None:
    """Give an account that belongs nowhere its start: the default channels. Repeating it changes nothing."""
    if ChannelMembership.objects.filter(user_id=user_id).exists():
        return
    channels = Channel.objects.filter(is_default=True).values_list("id", "number", "aside")
    ChannelMembership.objects.bulk_create(
        [
            ChannelMembership(channel_id=channel_id, user_id=user_id, **marker_at(Head(number, aside)))
            for channel_id, number, aside in channels
        ],
        ignore_conflicts=True,
    )


def marker_at(head: Head) -> dict[str, int]:
    """The columns of a new membership whose user has read everything."""
    return {"read_number": head.number, "read_aside": head.aside, "own_above": head.number}


def read_mark(
    *, user: UserRef, key: str, number: int, is_back: bool = False, session_id: SessionId | None = None
) -> ReadData:
    """Everything up to `number` is read, and nothing above it. Tells the user's other sessions.

    A marker moves forward only, unless it `is_back`. Who is no member has none.
    """
    found = channel_access(user=user, key=ChannelKey(key))
    if found.access.role is None:
        return read_data(UNREAD, START, 0)
    wanted = min(number, found.channel.number)
    if wanted <= found.marker.at.number and not is_back:
        return read_data(found.marker, found.channel.head, found.mentions)
    with transaction.atomic():
        # Whoever posts moves the marker as well, and counts what is theirs: one after the other.
        mine = ChannelMembership.objects.select_for_update(no_key=True)
        membership = mine.filter(channel_id=found.channel.id, user_id=user.id).first()
        if membership is not None and (membership.read_number < wanted or is_back):
            _move(membership, max(wanted, _floor(found.channel)) if is_back else wanted)
            membership.save(update_fields=["read_number", "read_aside", "read_rev", "own", "own_above"])
            now = channel_access(user=user, key=found.channel.key)
            mark = read_data(now.marker, now.channel.head, now.mentions)
            publish.to_user(user.id, Event(EventType.READ_UPDATED, now.channel.key, mark), exclude=session_id)
            return mark
    found = channel_access(user=user, key=found.channel.key)
    return read_data(found.marker, found.channel.head, found.mentions)


def _floor(channel: ChannelRow) -> int:
    """The number below the oldest message that is left: what is gone can't be unread. Behind deleted roots, which their
    replies may have kept there alone.
    """
    kept = Q(Exists(Thread.objects.filter(root_id=OuterRef("pk"))), deleted_at__isnull=False)
    left = Message.objects.filter(~kept, channel_id=channel.id).order_by("number").values_list("number", flat=True)
    return (left.first() or channel.number + 1) - 1


def _move(membership: ChannelMembership, number: int) -> None:
    """Put a marker of a row that is locked there."""
    here = Message.objects.filter(channel_id=membership.channel_id)
    above = here.filter(author_id=membership.user_id, number__gt=number, is_aside=None)
    # Above a marker that moves forward there are none, where there were none above it before.
    has_none = membership.own == 0 and membership.own_above == membership.read_number <= number
    membership.read_aside = number - flow_at(membership.channel_id, number)
    membership.own = 0 if has_none else above.count()
    membership.read_number = membership.own_above = number
    membership.read_rev += 1


def membership_join(*, user: UserRef, key: str, level: str | None = None) -> ChannelAccess:
    """Belong to a channel that one may read, for good, and be told so much of it (None: as before, or as its kind has
    it). Repeating it changes nothing.
    """
    found = channel_access(user=user, key=ChannelKey(key))
    with transaction.atomic():
        if found.access.role is None:
            member_add(found.channel.id, user.id, read_to=found.channel.head)
            if level is not None:
                _level_store(found, user, level)
            tell_membership(user, found.channel.key, EventType.CHANNEL_ADDED)
        elif level is not None and level != found.level:
            _level_store(found, user, level)
            publish.to_user(user.id, Event(EventType.LEVEL_CHANGED, found.channel.key, LevelData(level=level)))
        else:
            return found
    return channel_access(user=user, key=found.channel.key)


def level_set(*, user: UserRef, key: str, level: str) -> ChannelAccess:
    """How much a member is told of a channel. Raises NotAMemberError."""
    if channel_access(user=user, key=ChannelKey(key)).access.role is None:
        raise NotAMemberError("Follow the channel first.")
    return membership_join(user=user, key=key, level=level)


def channel_hide(*, user: UserRef, key: str) -> ChannelAccess:
    """Not see a direct channel or a group until something is said there. Raises InvalidError for others."""
    return _hide(user, key, is_hidden=True)


def channel_show(*, user: UserRef, key: str) -> ChannelAccess:
    """See it again."""
    return _hide(user, key, is_hidden=False)


def _hide(user: UserRef, key: str, *, is_hidden: bool) -> ChannelAccess:
    found = channel_access(user=user, key=ChannelKey(key))
    if not found.channel.kind.is_direct:
        raise InvalidError("Only direct channels and groups are hidden. Leave the channel, or be told less of it.")
    if found.is_hidden is is_hidden:
        return found
    with transaction.atomic():
        # A post that is on its way is stored before it, and hidden with it, or after it, and shows the channel again.
        channel = channel_lock(found.channel.key)
        number = channel.number if is_hidden and channel is not None else None
        mine = ChannelMembership.objects.filter(channel_id=found.channel.id, user_id=user.id)
        mine.update(hidden_number=number)
        tell_membership(user, found.channel.key, EventType.CHANNEL_UPDATED)
    return channel_access(user=user, key=found.channel.key)


def _level_store(found: ChannelAccess, user: UserRef, level: str) -> None:
    mine = ChannelMembership.objects.filter(channel_id=found.channel.id, user_id=user.id)
    mine.update(level=Level(level).value)


def member_add(channel_id: int, user_id: UserId, *, read_to: Head = START) -> bool:
    """The user's membership in the channel, made where there is none; earlier removals hold no longer. True: made."""
    # Above that of every membership before this one, of which devices may know: the greatest is the newest.
    rev = int(time.time() * 1000)
    fields = {"role": Role.MEMBER.value, "read_rev": rev, **marker_at(read_to)}
    _, is_new = ChannelMembership.objects.get_or_create(channel_id=channel_id, user_id=user_id, defaults=fields)
    if Removal.objects.filter(channel_id=channel_id, user_id=user_id).delete()[0]:
        publish.blocks_changed()
    return is_new


def membership_leave(*, user: UserRef, key: str) -> None:
    """Belong to a channel no longer; out of a closed one at once, with every session. Repeating it changes nothing.

    A private channel or a group that nobody is left in is archived. Raises ConflictError for a direct channel, and for
    the last owner of others.
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
            raise ConflictError("Give the channel another owner first.", why=Why.LAST_OWNER)
        ChannelMembership.objects.filter(channel_id=found.channel.id, user_id=user.id).delete()
        tell_removed(user.id, found.channel.key)
        if found.channel.kind is ChannelKind.GROUP:
            # It is no longer that of the same people: these get a new one.
            Channel.objects.filter(pk=found.channel.id).update(pair=None)
            for each in others.select_related("user"):
                # Its name says who is in it.
                tell_membership(user_ref(each.user), found.channel.key, EventType.CHANNEL_UPDATED)
        if found.channel.kind.is_closed:
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


def tell_membership(user: UserRef, key: ChannelKey, kind: EventType) -> None:
    """The user's sessions are told of a channel: CHANNEL_ADDED, they belong to it now; CHANNEL_UPDATED, in another role
    than before.
    """
    data = channel_data(channel_access(user=user, key=key), online=0)
    publish.to_user(user.id, Event(kind, key, data))


def tell_removed(user_id: UserId, key: ChannelKey) -> None:
    """The user's sessions are told of a channel that they belong to no longer, or may not read now."""
    publish.to_user(user_id, Event(EventType.CHANNEL_REMOVED, key, {}))
