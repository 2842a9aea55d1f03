"""Writes: the end of an account, by its owner; its bots end with it. Called in threads.

What was written keeps an author: the row stays, without a name, a password or rights. What belongs to the account in
other apps goes in the same transaction, through the signal user_deleted.
"""

from __future__ import annotations

import uuid

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts import second_factor
from accounts.mailing import mail_data_delete
from accounts.models import AppPassword, Bot, User
from accounts.naming import name_change
from accounts.profiles import profile_clear
from accounts.services import announce_end, password_confirm
from accounts.signals import user_deleted
from reaktor.errors import CloseCode

_DIGITS = 12


def neutral_name() -> str:
    """What somebody who is gone is called: a name like any other, so that it fits wherever names do."""
    return f"deleted{uuid.uuid4().hex[:_DIGITS]}"


def user_delete(user: User, *, password: str) -> None:
    """Delete one's own account; `password` shows that it is its owner who asks. There is no way back.

    Nobody can take its name for a while (accounts.naming). Raises ForbiddenError (wrong password), RateLimitedError,
    UnavailableError.
    """
    password_confirm(user, password)
    account_end(user)


def account_end(user: User) -> None:
    """The end of an account, and of its bots; whoever calls this has asked whether it may be."""
    with transaction.atomic():
        for bot in Bot.objects.filter(owner=user, kind=Bot.Kind.BOT, user__deleted_at=None).select_related("user"):
            account_end(bot.user)
        gone = User.objects.select_for_update().get(pk=user.pk)
        name_change(gone, neutral_name())
        gone.password = make_password(None)
        gone.is_active = gone.is_staff = gone.is_superuser = False
        gone.deleted_at = timezone.now()
        gone.last_login = None
        gone.save()
        profile_clear(gone)
        Bot.objects.filter(pk=gone.pk).update(login=None, digest="", scopes="", token_since=None)
        User.objects.filter(pk=gone.pk).update(token_version=F("token_version") + 1)
        mail_data_delete(gone)
        gone.groups.clear()
        gone.user_permissions.clear()
        second_factor.devices_delete(gone)
        AppPassword.objects.filter(user=gone).delete()
        user_deleted.send(User, user=gone)
        announce_end(gone, CloseCode.LOGGED_OUT, "account deleted")
