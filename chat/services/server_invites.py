"""Writes of server invites: links that let somebody register, with uses, an end, revocation, and channels to begin in.

Made by staff, or by every member where MEMBER_INVITES says so. accounts asks for one use of them by the signal
invite_used, in the transaction that stores the account.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db import transaction
from django.db.models import F

from accounts.models import User
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.moderation import ServerInviteData
from chat.domain.policies import ChannelKind
from chat.domain.reading import Head
from chat.domain.rules import check_until, has_unstorable, parse_channel_key
from chat.models import AuditAction, Channel, ServerInvite
from chat.selectors import ChannelAccess, channel_access, user_ref
from chat.selectors.server_invites import server_invite_data, server_invites_good
from chat.services.audit import audit_add
from chat.services.invites import MAX_USES, NO_GOOD
from chat.services.memberships import member_add
from reaktor.errors import ForbiddenError, InvalidError, NotFoundError, ReaktorError
from reaktor.why import Why

MAX_CHANNELS = 20


def server_invite_create(
    *,
    user: UserRef,
    uses: int | None = None,
    expires_at: datetime | None = None,
    channels: Sequence[str] = (),
    by_members: bool,
) -> ServerInviteData:
    """A link that lets so many people register (None: any number) until then (None: for good).

    They begin in these channels: public ones, and others that the user moderates. `by_members`: whether not staff
    alone may invite. Raises ForbiddenError, InvalidError, NotFoundError (a channel), BannedError.
    """
    if not (by_members or user.is_staff):
        raise ForbiddenError("Only staff may invite to this server.", why=Why.ONLY_STAFF)
    if User.objects.filter(pk=user.id, is_bot=True).exists():
        # Its token lies about in files: whoever finds one must not become a member.
        raise ForbiddenError("A bot invites nobody.")
    if uses is not None and not 1 <= uses <= MAX_USES:
        raise InvalidError("An invite has 1 to 100,000 uses.", fields={"uses": f"1 to {MAX_USES}"})
    if len(channels) > MAX_CHANNELS:
        raise InvalidError(f"At most {MAX_CHANNELS} channels.", fields={"channels": f"at most {MAX_CHANNELS}"})
    ends = check_until(expires_at, datetime.now(UTC))
    keys = list(dict.fromkeys(parse_channel_key(key) for key in channels))
    for key in keys:
        _check_may_bring(channel_access(user=user, key=key, to_moderate=True))
    with transaction.atomic():
        invite = ServerInvite.objects.create(created_by_id=user.id, expires_at=ends, uses_left=uses, channels=keys)
        details = {"id": invite.pk, "uses": uses, "channels": keys}
        audit_add(user, AuditAction.SERVER_INVITE_CREATE, details=details)
    return server_invite_data(invite)


def _check_may_bring(found: ChannelAccess) -> None:
    """As for the invites of channels: into closed and unlisted ones by their moderators alone."""
    kind = found.channel.kind
    if kind in (ChannelKind.DIRECT, ChannelKind.GROUP):
        raise InvalidError("Nobody is invited into a direct channel.", fields={"channels": "no direct channel"})
    if kind is ChannelKind.PUBLIC:
        found.access.check_read()
    else:
        found.access.check_moderate()


def server_invite_revoke(*, user: UserRef, code: str) -> None:
    """The link lets nobody in any more. By who made it, or staff. Repeating it changes nothing."""
    found = None if has_unstorable(code) else ServerInvite.objects.filter(code=code).first()
    if found is None or not (user.is_staff or str(found.created_by_id) == user.id):
        raise NotFoundError(NO_GOOD)
    with transaction.atomic():
        if ServerInvite.objects.filter(pk=found.pk, revoked_at=None).update(revoked_at=datetime.now(UTC)):
            audit_add(user, AuditAction.SERVER_INVITE_REVOKE, details={"id": found.pk})


def server_invite_use(*, user: UserRef, code: str, by_members: bool) -> None:
    """Count one use, for this new account, which belongs to the invite's channels now.

    Inside the transaction that stores the account: of many at once no more pass than the invite has uses. A channel
    into which its maker may not invite any longer is left out. Raises NotFoundError.
    """
    if has_unstorable(code):
        raise NotFoundError(NO_GOOD)
    with transaction.atomic():
        mine = ServerInvite.objects.select_for_update(of=("self",)).filter(code=code)
        invite = mine.select_related("created_by").first()
        # Asked under the lock: whoever was before us has counted.
        if invite is None or not server_invites_good(by_members=by_members).filter(pk=invite.pk).exists():
            raise NotFoundError(NO_GOOD)
        left = None if invite.uses_left is None else F("uses_left") - 1
        ServerInvite.objects.filter(pk=invite.pk).update(uses_left=left, used=F("used") + 1)
        maker = user_ref(invite.created_by)
        for key in invite.channels:
            _bring(user, maker, ChannelKey(key))


def _bring(user: UserRef, maker: UserRef, key: ChannelKey) -> None:
    try:
        found = channel_access(user=maker, key=key, to_moderate=True)
        _check_may_bring(found)
    except ReaktorError:
        return
    channel = Channel.objects.filter(pk=found.channel.id, archived_at=None).first()
    if channel is not None:
        member_add(channel.pk, user.id, read_to=Head(channel.number, channel.aside))


def server_invites_end(user_id: str) -> None:
    """Those that a deleted account made let nobody in any more."""
    ServerInvite.objects.filter(created_by__pk=user_id, revoked_at=None).update(revoked_at=datetime.now(UTC))
