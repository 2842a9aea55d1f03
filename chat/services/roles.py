"""Writes of roles in a channel: owners and staff give and take them."""

from __future__ import annotations

import uuid

from django.db import transaction

from accounts import names
from accounts.selectors import user_called
from chat.domain.events import EventType
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import ChannelKind, Rank, Role, check_give_role, rank_of
from chat.models import AuditAction, Channel, ChannelMembership, UserBlock
from chat.selectors import ChannelAccess, channel_access
from chat.services.audit import audit_add
from chat.services.memberships import member_add, tell_membership
from chat.services.sanctions import Target, target_find
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


def role_set(*, user: UserRef, key: str, username: str, role: str) -> Role:
    """Make somebody an owner, a moderator or a member; oneself only less than before. Who has a role in a private
    channel must belong to it already.

    Raises InvalidError, ForbiddenError, NotFoundError, ConflictError (the last owner stays one; not in that channel).
    """
    try:
        wanted = Role(role)
    except ValueError:
        words = ", ".join(each.value for each in Role)
        raise InvalidError(f"A role is one of {words}.", fields={"role": words}) from None
    with transaction.atomic():
        Channel.objects.select_for_update().filter(key=key).first()
        if names.folded(username) == names.folded(user.username):
            return _step_down(user, key, wanted)
        target = target_find(user, username, key, needed=Rank.OWNER)
        assert target.found is not None  # noqa: S101  a key was given
        check_give_role(target.actor_rank, wanted, to_oneself=False)
        channel_id = target.found.channel.id
        _check_willing(user, target)
        _check_asked(target)
        is_new = member_add(channel_id, target.ref.id, read_to=target.found.channel.head)
        _store(user, target.found, target.ref, wanted, is_new=is_new)
    return wanted


def role_remove(*, user: UserRef, key: str, username: str) -> Role:
    """Back to a mere member. Raises as role_set(), and NotFoundError for who is no member."""
    found = channel_access(user=user, key=ChannelKey(key), to_moderate=True)
    members = ChannelMembership.objects.filter(channel_id=found.channel.id, user=user_called(username))
    if not members.exists():
        raise NotFoundError("There is no such member.")
    return role_set(user=user, key=key, username=username, role=Role.MEMBER.value)


def _check_willing(user: UserRef, target: Target) -> None:
    """Nobody is made a member by somebody whom they block. Raises ForbiddenError, NotFoundError (switched off)."""
    if not target.user.is_active:
        raise NotFoundError("There is no such user.")
    if UserBlock.objects.filter(user=target.user, blocked_id=uuid.UUID(user.id)).exists():
        raise ForbiddenError("They do not want to hear from you.")


def _check_asked(target: Target) -> None:
    """Nobody is put into a private channel by a role: an invite asks. Raises ConflictError."""
    found = target.found
    assert found is not None  # noqa: S101  a key was given
    if found.channel.kind is not ChannelKind.PRIVATE:
        return
    if not ChannelMembership.objects.filter(channel_id=found.channel.id, user_id=target.ref.id).exists():
        raise ConflictError("They do not belong to this private channel. Send them an invite first.")


def _step_down(user: UserRef, key: str, wanted: Role) -> Role:
    found = channel_access(user=user, key=ChannelKey(key))
    owners = ChannelMembership.objects.filter(channel_id=found.channel.id, role=Role.OWNER.value)
    check_give_role(rank_of(found.access.role, is_staff=False, is_superuser=False), wanted, to_oneself=True)
    if found.access.role is Role.OWNER and wanted is not Role.OWNER and not owners.exclude(user_id=user.id).exists():
        raise ConflictError("Give the channel another owner first.")
    _store(user, found, user, wanted)
    return wanted


def _store(user: UserRef, found: ChannelAccess, whose: UserRef, wanted: Role, *, is_new: bool = False) -> None:
    mine = ChannelMembership.objects.filter(channel_id=found.channel.id, user_id=whose.id)
    mine.update(role=wanted.value)
    audit_add(user, AuditAction.ROLE, whose, found.channel.key, details={"role": wanted.value})
    tell_membership(whose, found.channel.key, EventType.CHANNEL_ADDED if is_new else EventType.CHANNEL_UPDATED)
