"""Writes: what only stood in the database until a time that is over. Called by `manage.py clear_expired`."""

from __future__ import annotations

from datetime import datetime, timedelta

from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.directory import directory_fill
from accounts.models import EndedLogin, FormerName, Mail, MailToken, RefreshFamily
from accounts.profiles import pictures_clear

MAILS_KEPT = timedelta(days=30)
"""What was given up is shown to administrators for so long."""


def expired_clear(now: datetime) -> dict[str, int]:
    """Delete it; says how many rows of each kind went. May be repeated, and interrupted.

    Log-ins that were ended and refresh tokens that were replaced: their tokens have expired and open nothing any more.
    Names that were given up: anybody may take them. Mails that nobody sent again, and links of mails that are dead.
    Pictures: nobody has them any more. The last line is no deletion: accounts that a version before stored, which are
    found in the directory from now on.
    """
    return {
        "ended log-ins": EndedLogin.objects.filter(expires_at__lt=now).delete()[0],
        "log-ins nobody refreshes": RefreshFamily.objects.filter(expires_at__lt=now).delete()[0],
        "pictures of nobody": pictures_clear(now),
        "names free again": FormerName.objects.filter(until__lt=now).delete()[0],
        "dead links of mails": MailToken.objects.filter(expires_at__lt=now).delete()[0],
        "mails given up": Mail.objects.filter(dead_at__lt=now - MAILS_KEPT).delete()[0],
        # Written by version 0.2.0.
        "refresh tokens of before": OutstandingToken.objects.filter(expires_at__lt=now).delete()[0],
        "names put into the directory": directory_fill(),
    }
