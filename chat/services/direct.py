"""Writes of what two people have with each other: a direct channel, and whom one does not want to hear."""

from __future__ import annotations

import uuid

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.selectors import user_called
from chat.domain.events import EventType
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import ChannelKind, Role
from chat.domain.rules import reserved_channel_key
from chat.models import Channel, ChannelMembership, UserBlock, random_channel_key
from chat.selectors import ChannelAccess, channel_access, user_ref
from chat.services.memberships import tell_membership
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

MAX_BLOCKED = 1_000


def direct_find(*, user: UserRef, username: str) -> ChannelAccess | None:
    """The one channel of these two, if there is one. Raises NotFoundError, InvalidError (oneself)."""
    return _channel_of(user, _pair(user, _somebody_else(user, username)))


def direct_open(*, user: UserRef, username: str) -> tuple[ChannelAccess, bool]:
    """The one channel of these two, made when there is none; and whether it was made. Both are told of a new one.

    Raises NotFoundError, InvalidError (oneself), ForbiddenError (one of them does not want to hear the other).
    """
    other = _somebody_else(user, username)
    pair = _pair(user, other)
    if (found := _channel_of(user, pair)) is not None:
        return found, False
    if not other.is_active:
        raise NotFoundError("There is no such user.")
    both = [uuid.UUID(user.id), other.pk]
    blocks = UserBlock.objects.filter(user_id__in=both, blocked_id__in=both)
    if blocks.exists():
        raise ForbiddenError("One of you does not want to hear from the other.")
    key = reserved_channel_key(ChannelKind.DIRECT, random_channel_key())
    try:
        with transaction.atomic():
            channel = Channel.objects.create(
                key=key,
                name="Direct",  # each of the two sees the other one's name instead
                kind=ChannelKind.DIRECT.value,
                pair=pair,
                created_by_id=user.id,
            )
            ChannelMembership.objects.bulk_create(
                ChannelMembership(channel=channel, user_id=each, role=Role.MEMBER.value) for each in (user.id, other.pk)
            )
            for each in (user, user_ref(other)):
                tell_membership(each, key, EventType.CHANNEL_ADDED)
    except IntegrityError:
        # The other one opened it in the same moment.
        return direct_open(user=user, username=username)
    return channel_access(user=user, key=key), True


def user_block(*, user: UserRef, username: str) -> None:
    """Not hear somebody: no direct channel with them, no mention by them. Repeating it changes nothing."""
    other = _somebody_else(user, username)
    if UserBlock.objects.filter(user_id=user.id, blocked=other).exists():
        return
    if UserBlock.objects.filter(user_id=user.id).count() >= MAX_BLOCKED:
        raise ConflictError(f"Nobody blocks more than {MAX_BLOCKED:,} people.")
    UserBlock.objects.get_or_create(user_id=user.id, blocked=other)


def user_unblock(*, user: UserRef, username: str) -> None:
    """Hear them again. Repeating it changes nothing."""
    UserBlock.objects.filter(user_id=user.id, blocked=_somebody_else(user, username)).delete()


def _pair(user: UserRef, other: User) -> str:
    return ":".join(sorted((str(user.id), str(other.pk))))


def _channel_of(user: UserRef, pair: str) -> ChannelAccess | None:
    key = Channel.objects.filter(pair=pair).values_list("key", flat=True).first()
    return None if key is None else channel_access(user=user, key=ChannelKey(key))


def _somebody_else(user: UserRef, username: str) -> User:
    other = user_called(username)
    if other is None:
        raise NotFoundError("There is no such user.")
    if str(other.pk) == user.id:
        raise InvalidError("That is you.", fields={"username": "is your own"})
    return other
