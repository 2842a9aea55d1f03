"""Writes of invites: links into private and unlisted channels, with uses, an end, and revocation."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F, QuerySet

from chat.domain.events import EventType
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.moderation import InviteData
from chat.domain.policies import Access, ChannelKind, ban_from_channel
from chat.domain.reading import Head
from chat.domain.rules import check_until, has_unstorable
from chat.models import AuditAction, ChannelMembership, Invite, Sanction
from chat.selectors import ChannelAccess, channel_access, invite_data
from chat.services.audit import audit_add
from chat.services.locking import channel_lock, channel_locked
from chat.services.memberships import member_add, tell_membership
from reaktor.errors import ForbiddenError, InvalidError, NotFoundError

NO_GOOD = "That invite is not good (any more)."
MAX_USES = 100_000


def invite_create(
    *, user: UserRef, key: str, uses: int | None = None, expires_at: datetime | None = None
) -> InviteData:
    """A link that lets so many people in (None: any number) until then (None: for good). By a moderator."""
    if uses is not None and not 1 <= uses <= MAX_USES:
        raise InvalidError("An invite has 1 to 100,000 uses.", fields={"uses": f"1 to {MAX_USES}"})
    ends = check_until(expires_at, datetime.now(UTC))
    with channel_locked(user=user, key=key, check=Access.check_moderate) as found:
        if found.channel.kind not in {ChannelKind.PRIVATE, ChannelKind.UNLISTED}:
            raise InvalidError("Only private and unlisted channels have invites.")
        invite = Invite.objects.create(
            channel_id=found.channel.id, created_by_id=user.id, expires_at=ends, uses_left=uses
        )
        audit_add(user, AuditAction.INVITE_CREATE, channel=found.channel.key, details={"id": invite.pk, "uses": uses})
    return invite_data(invite)


def invite_revoke(*, user: UserRef, code: str) -> None:
    """The link lets nobody in any more. By a moderator, or who made it. Repeating it changes nothing."""
    invite = _invite_find(Invite.objects.all(), code)
    is_own = str(invite.created_by_id) == user.id

    def check(access: Access) -> None:
        if not is_own:
            access.check_moderate()

    with channel_locked(user=user, key=invite.channel.key, check=check) as found:
        if Invite.objects.filter(pk=invite.pk, revoked_at=None).update(revoked_at=datetime.now(UTC)):
            audit_add(user, AuditAction.INVITE_REVOKE, channel=found.channel.key, details={"id": invite.pk})


def invite_accept(*, user: UserRef, code: str) -> ChannelAccess:
    """Become a member of the invite's channel; who is one uses nothing up. Raises NotFoundError, BannedError."""
    key = _invite_find(Invite.objects.all(), code).channel.key
    with transaction.atomic():
        # A kick, a ban or the channel's end that is on its way is stored first, or waits.
        channel_lock(key)
        invite = _invite_find(Invite.objects.select_for_update(of=("self",)), code)
        channel = invite.channel
        if not ChannelMembership.objects.filter(channel=channel, user_id=user.id).exists():
            if not _is_good(invite):
                raise NotFoundError(NO_GOOD)
            _refuse_banned(user, channel.pk)
            _refuse_kicked(user, invite)
            member_add(channel.pk, user.id, read_to=Head(channel.number, channel.aside))
            if invite.uses_left is not None:
                Invite.objects.filter(pk=invite.pk).update(uses_left=F("uses_left") - 1)
            tell_membership(user, ChannelKey(channel.key), EventType.CHANNEL_ADDED)
    return channel_access(user=user, key=ChannelKey(channel.key))


def _invite_find(invites: QuerySet[Invite], code: str) -> Invite:
    """Raises NotFoundError, also for what is no possible code."""
    invite = None if has_unstorable(code) else invites.select_related("channel").filter(code=code).first()
    if invite is None:
        raise NotFoundError(NO_GOOD)
    return invite


def _is_good(invite: Invite) -> bool:
    is_over = invite.expires_at is not None and invite.expires_at <= datetime.now(UTC)
    return invite.revoked_at is None and invite.uses_left != 0 and not is_over and invite.channel.archived_at is None


def _refuse_banned(user: UserRef, channel_id: int) -> None:
    bans = Sanction.objects.filter(user_id=user.id, channel_id=channel_id, kind="ban", lifted_at=None)
    for until, reason in bans.exclude(until__lte=datetime.now(UTC)).values_list("until", "reason")[:1]:
        raise ban_from_channel(until, reason)


def _refuse_kicked(user: UserRef, invite: Invite) -> None:
    """Who was kicked out needs an invite that is newer than that."""
    kicks = Sanction.objects.filter(user_id=user.id, channel_id=invite.channel_id, kind="kick")
    if kicks.filter(created_at__gt=invite.created_at).exists():
        raise ForbiddenError("You were removed from that channel since; ask for a new invite.")
