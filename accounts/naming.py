"""Writes: which name an account has, and who may have it next.

People know each other by name, and clients show a name for a while after it has changed. So a name that was given up is
kept for whom it belonged to: nobody else can take it for RESERVED, to be taken for them. Called inside a transaction.
Whether a name is free: accounts.claims.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts import names
from accounts.models import FormerName, User
from reaktor.errors import NameTakenError
from reaktor.process.announce import announce
from reaktor.process.orders import ORDERS_GROUP, RENAMED

RESERVED = timedelta(days=30)


def name_change(user: User, username: str, now: datetime | None = None) -> None:
    """Store the account's new name, which is claimed or unlike any; the old one stays reserved for it. Raises
    NameTakenError.

    After the commit every process hears of it, and shows the new name with what was said under the old one.
    """
    now = now or timezone.now()
    old, user.username = user.username, username
    try:
        with transaction.atomic():
            user.save(update_fields=["username", "username_folded", "username_skeleton", "search_name"])
    except IntegrityError:
        user.username = old
        raise NameTakenError from None
    fields = {"user": user, "since": now, "until": now + RESERVED, "name": old, "skeleton": names.skeleton(old)}
    FormerName.objects.update_or_create(folded=names.folded(old), defaults=fields)
    announce(ORDERS_GROUP, RENAMED, {"old": old, "new": username})
