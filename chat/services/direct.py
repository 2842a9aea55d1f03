"""Writes of what people have with each other: direct channels and groups, and whom one does not want to hear."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import IntegrityError, transaction

from accounts.models import DirectFrom, User
from accounts.selectors import user_called
from chat import publish
from chat.domain.events import EventType
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import DIRECT_KINDS, ChannelKind, Role
from chat.domain.rules import UNNAMED, reserved_channel_key
from chat.models import Channel, ChannelMembership, UserBlock, random_channel_key
from chat.selectors import ChannelAccess, channel_access, user_ref
from chat.services.memberships import tell_membership
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, RateLimitedError
from reaktor.why import Why

MAX_BLOCKED = 1_000
MAX_GROUP = 8
MAX_BEGUN = 10
YOUNG, DAY = timedelta(days=7), timedelta(days=1)


def direct_open(*, user: UserRef, username: str) -> tuple[ChannelAccess, bool]:
    """The one channel of these two, made when there is none; and whether it was made. Both are told of a new one.

    Raises NotFoundError, InvalidError (oneself), ForbiddenError (one of them does not want to hear the other, or takes
    no first message from them), RateLimitedError.
    """
    other = _somebody_else(user, username)
    if (found := _channel_of(user, _pair(user, other))) is not None:
        return found, False
    return _open(user, [other], ChannelKind.DIRECT, _pair(user, other))


def group_find(*, user: UserRef, usernames: Sequence[str]) -> ChannelAccess | None:
    """The group of just these people, if there is one; of one, the direct channel. Raises as group_open()."""
    others = _others(user, usernames)
    return _channel_of(user, _pair(user, others[0]) if len(others) == 1 else _circle(user, others))


def group_open(*, user: UserRef, usernames: Sequence[str]) -> tuple[ChannelAccess, bool]:
    """The group of just these people and the user, made when there is none; and whether it was made. All are told.

    Anybody leaves it, and nobody is added: other people make another group. Raises as direct_open(), and InvalidError
    for too many.
    """
    others = _others(user, usernames)
    if len(others) == 1:
        return direct_open(user=user, username=others[0].username)
    circle = _circle(user, others)
    if (found := _channel_of(user, circle)) is not None:
        return found, False
    return _open(user, others, ChannelKind.GROUP, circle)


def _open(user: UserRef, others: Sequence[User], kind: ChannelKind, pair: str) -> tuple[ChannelAccess, bool]:
    if not all(other.is_active for other in others):
        raise NotFoundError("There is no such user.", why=Why.NO_SUCH_USER)
    everybody = [uuid.UUID(user.id), *(other.pk for other in others)]
    if UserBlock.objects.filter(user_id__in=everybody, blocked_id__in=everybody).exists():
        raise ForbiddenError("One of you does not want to hear from the other.", why=Why.BLOCKED)
    _check_wanted(user, others)
    _check_pace(user)
    key = reserved_channel_key(kind, random_channel_key())
    try:
        with transaction.atomic():
            # Each of its members sees the names of the others instead.
            channel = Channel.objects.create(
                key=key, name=UNNAMED[kind], kind=kind.value, pair=pair, created_by_id=user.id
            )
            ChannelMembership.objects.bulk_create(
                ChannelMembership(channel=channel, user_id=each, role=Role.MEMBER.value) for each in everybody
            )
            for each in (user, *map(user_ref, others)):
                tell_membership(each, key, EventType.CHANNEL_ADDED)
    except IntegrityError:
        # Another one of them opened it in the same moment.
        found = _channel_of(user, pair)
        if found is None:
            raise
        return found, False
    return channel_access(user=user, key=key), True


def _check_wanted(user: UserRef, others: Sequence[User]) -> None:
    """All of them take a first message from this user. Raises ForbiddenError."""
    choosy = {other.pk for other in others if other.direct_from != DirectFrom.EVERYBODY}
    if not choosy or user.is_staff:
        return
    if all(other.direct_from != DirectFrom.NOBODY for other in others):
        # Everybody belongs to the default channels: being there together says nothing.
        mine = ChannelMembership.objects.filter(user_id=user.id, channel__is_default=False).values("channel_id")
        theirs = ChannelMembership.objects.filter(user_id__in=choosy, channel_id__in=mine)
        choosy -= set(theirs.values_list("user_id", flat=True))
    if choosy:
        names = [other.username for other in others if other.pk in choosy]
        said = f"No first message from you reaches: {', '.join(names)}."
        raise ForbiddenError(said, why=Why.NOT_REACHED, names=names)


def _check_pace(user: UserRef) -> None:
    """A young account begins no more than a few conversations a day. Raises RateLimitedError."""
    now = datetime.now(UTC)
    if not User.objects.filter(pk=user.id, created_at__gt=now - YOUNG).exists():
        return
    begun = Channel.objects.filter(created_by_id=uuid.UUID(user.id), created_at__gt=now - DAY, kind__in=DIRECT_KINDS)
    if begun.count() >= MAX_BEGUN:
        said = f"An account of less than a week begins at most {MAX_BEGUN} conversations a day."
        raise RateLimitedError(said, retry_after_s=3600, why=Why.TOO_MANY_BEGUN, limit=MAX_BEGUN)


def user_block(*, user: UserRef, username: str) -> None:
    """Not hear somebody: no direct channel with them, no mention by them, nothing of theirs in a group. Repeating it
    changes nothing.
    """
    other = _somebody_else(user, username)
    if UserBlock.objects.filter(user_id=user.id, blocked=other).exists():
        return
    if UserBlock.objects.filter(user_id=user.id).count() >= MAX_BLOCKED:
        raise ConflictError(f"Nobody blocks more than {MAX_BLOCKED:,} people.", why=Why.TOO_MANY, limit=MAX_BLOCKED)
    UserBlock.objects.get_or_create(user_id=user.id, blocked=other)
    publish.hiding_changed(user.id)


def user_unblock(*, user: UserRef, username: str) -> None:
    """Hear them again. Repeating it changes nothing."""
    UserBlock.objects.filter(user_id=user.id, blocked=_somebody_else(user, username)).delete()
    publish.hiding_changed(user.id)


def _others(user: UserRef, usernames: Sequence[str]) -> list[User]:
    """Those, each once, in the order of their ids."""
    found = {other.pk: other for other in (_somebody_else(user, username) for username in usernames)}
    if not 1 <= len(found) < MAX_GROUP:
        raise InvalidError(
            f"A group has 3 to {MAX_GROUP} people.",
            fields={"usernames": f"2 to {MAX_GROUP - 1}"},
            why=Why.GROUP_SIZE,
            limit=MAX_GROUP,
        )
    return [found[pk] for pk in sorted(found)]


def _circle(user: UserRef, others: Sequence[User]) -> str:
    """What stands for just these people: as long as a pair at most, however many they are."""
    ids = sorted([user.id, *(str(other.pk) for other in others)])
    return f"group:{hashlib.sha256(':'.join(ids).encode()).hexdigest()}"


def _pair(user: UserRef, other: User) -> str:
    return ":".join(sorted((str(user.id), str(other.pk))))


def _channel_of(user: UserRef, pair: str) -> ChannelAccess | None:
    key = Channel.objects.filter(pair=pair).values_list("key", flat=True).first()
    return None if key is None else channel_access(user=user, key=ChannelKey(key))


def _somebody_else(user: UserRef, username: str) -> User:
    other = user_called(username)
    if other is None:
        raise NotFoundError("There is no such user.", why=Why.NO_SUCH_USER)
    if str(other.pk) == user.id:
        raise InvalidError("That is you.", fields={"username": "is your own"}, why=Why.IS_YOU)
    return other
