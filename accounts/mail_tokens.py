"""Tokens in the links of mails: 256 random bits, good once and for an hour, of which only the hash is stored."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import MailToken, User

LIFETIME = timedelta(hours=1)
MAX_CHARS = 100
"""Ours have 43."""


def token_make(purpose: str, *, user: User | None, folded: str) -> tuple[str, datetime]:
    """A new token, and when it ends; the account's earlier ones for the same purpose are dead.

    `user` None: one that opens nothing, for answers that must not tell whether there is an account.
    """
    token, ends = secrets.token_urlsafe(32), timezone.now() + LIFETIME
    MailToken.objects.filter(user=user, purpose=purpose, folded=folded).delete()
    MailToken.objects.create(hash=_hash(token), purpose=purpose, user=user, folded=folded, expires_at=ends)
    return token, ends


def token_find(purpose: str, token: str) -> MailToken | None:
    """The row of a token that is good now."""
    if len(token) > MAX_CHARS:
        return None
    found = MailToken.objects.select_related("user").filter(hash=_hash(token), purpose=purpose)
    return found.filter(user__isnull=False, expires_at__gt=timezone.now()).first()


def token_spend(found: MailToken) -> bool:
    """Whether it was still there: of two who use it at once, one does. Inside a transaction."""
    return bool(MailToken.objects.filter(pk=found.pk).delete()[0])


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
