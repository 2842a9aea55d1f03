"""Reads of server invites: those that are good, as plain values; and whether one is."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db.models import QuerySet

from chat.domain.ids import UserRef
from chat.domain.moderation import ServerInviteData, ServerInviteLook
from chat.domain.rules import has_unstorable
from chat.models import ServerInvite
from reaktor.times import timestamp

PAGE = 100


def server_invite_data(invite: ServerInvite) -> ServerInviteData:
    return {
        "code": invite.code,
        "created_by": invite.created_by.username,
        "created_at": timestamp(invite.created_at),
        "expires_at": None if invite.expires_at is None else timestamp(invite.expires_at),
        "uses_left": invite.uses_left,
        "used": invite.used,
        "channels": list(invite.channels),
    }


def server_invites_good(now: datetime | None = None, *, by_members: bool) -> QuerySet[ServerInvite]:
    """Those that let somebody in: not used up, over or revoked, and made by somebody who may still invite."""
    now = now or datetime.now(UTC)
    found = ServerInvite.objects.filter(revoked_at=None, created_by__is_active=True).exclude(uses_left=0)
    found = found.exclude(expires_at__lte=now).exclude(created_by__banned_until__gt=now)
    return found if by_members else found.filter(created_by__is_staff=True)


def server_invites_list(*, user: UserRef, by_members: bool) -> list[ServerInviteData]:
    """The good ones that the user made, for staff all of them; the newest first, PAGE at most."""
    found = server_invites_good(by_members=by_members)
    mine = found if user.is_staff else found.filter(created_by__pk=user.id)
    return [server_invite_data(invite) for invite in mine.select_related("created_by").order_by("-id")[:PAGE]]


def server_invite_look(*, code: str, by_members: bool) -> ServerInviteLook | None:
    """What a stranger may know of a good one; None: it is none."""
    if has_unstorable(code):
        return None
    found = server_invites_good(by_members=by_members).filter(code=code).select_related("created_by").first()
    if found is None:
        return None
    expires_at = None if found.expires_at is None else timestamp(found.expires_at)
    return {"code": found.code, "invited_by": found.created_by.username, "expires_at": expires_at}
