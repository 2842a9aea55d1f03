"""What moderators do about how somebody shows themselves."""

from __future__ import annotations

from collections.abc import Collection

from django.db import transaction

from accounts import profiles
from chat.domain.ids import UserRef
from chat.domain.rules import check_reason
from chat.models import AuditAction
from chat.services.audit import audit_add
from chat.services.sanctions import target_find
from reaktor.errors import InvalidError


def profile_clear(*, user: UserRef, username: str, parts: Collection[str], reason: str = "") -> None:
    """Take somebody's display name, status or picture away; who shares a channel sees it within seconds.

    Raises NotFoundError, ForbiddenError, InvalidError.
    """
    why = check_reason(reason)
    wanted = sorted(set(parts))
    if not wanted or not profiles.PARTS.issuperset(wanted):
        known = ", ".join(sorted(profiles.PARTS))
        raise InvalidError(f"Name some of {known}.", fields={"parts": known})
    with transaction.atomic():
        target = target_find(user, username, None)
        # What it was, for whoever looks at the decision later; of a picture the hash alone.
        taken = {part: getattr(target.user, part) for part in wanted}
        profiles.profile_clear(target.user, wanted)
        audit_add(user, AuditAction.PROFILE_CLEAR, target.ref, reason=why, details=taken)
