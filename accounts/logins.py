"""Reads: which log-ins are still good, for what belongs to one and ends with it. Called in threads."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import NamedTuple

from accounts import tokens
from accounts.models import EndedLogin, RefreshFamily, User


class LoginRef(NamedTuple):
    """A log-in as it was when somebody last showed a token of it: at `seen_at`, with that token version."""

    user_id: uuid.UUID
    login: uuid.UUID
    token_version: int
    seen_at: datetime


def logins_living(found: Collection[LoginRef], now: datetime) -> set[uuid.UUID]:
    """Those of these log-ins that can still get a token: not logged out, not ended from elsewhere, not run out; their
    account is good, and its password is the same. Three queries.
    """
    ids = {each.login for each in found}
    users = User.objects.filter(pk__in={each.user_id for each in found}, is_active=True).exclude(banned_until__gt=now)
    versions = dict(users.values_list("pk", "token_version"))
    ended = set(EndedLogin.objects.filter(pk__in=ids).values_list("pk", flat=True))
    families = RefreshFamily.objects.filter(pk__in=ids).values_list("pk", "current", "expires_at")
    refreshes = {pk: (current, expires_at) for pk, current, expires_at in families}
    living = set()
    for each in found:
        current, until = refreshes.get(each.login, ("first", each.seen_at + tokens.REFRESH.lifetime))
        if versions.get(each.user_id) == each.token_version and each.login not in ended and current and until > now:
            living.add(each.login)
    return living
