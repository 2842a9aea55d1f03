"""What has become of accounts and log-ins since somebody's token was verified. Reads, for many at once; in threads.

user_for_claims() is the same for one token. This is for whoever holds live sessions and must not rely on being told.
"""

from __future__ import annotations

from collections.abc import Iterable

from accounts import bot_tokens, tokens
from accounts.models import EndedLogin, User
from reaktor.errors import BannedError
from reaktor.why import Why

_OFF = ("is_active", "banned_until", "ban_reason")
_COMPARED = ("username", "is_staff", "is_bot", *_OFF)


def accounts_by_id(user_ids: Iterable[str]) -> dict[str, User]:
    """The accounts that there are, as stored now, by id. One query; what no session is compared by loads late."""
    found = (
        User.objects.filter(pk__in=set(user_ids))
        .select_related("bot__owner")
        .only(*_COMPARED, "is_superuser", "deleted_at", "token_version", *(f"bot__owner__{name}" for name in _OFF))
    )
    return {str(user.pk): user for user in found}


def logins_ended(logins: Iterable[str]) -> set[str]:
    """Which of these log-ins were ended. One query."""
    return {str(pk) for pk in EndedLogin.objects.filter(pk__in=set(logins)).values_list("pk", flat=True)}


def why_off(user: User) -> BannedError | None:
    """Why and until when the account, or that of a bot's owner, is off or banned now; None when it is neither."""
    try:
        tokens.check_may_log_in(user)
        if user.is_bot:
            bot_tokens.check_may_speak(user.bot)
    except User.bot.RelatedObjectDoesNotExist:
        return BannedError(tokens.SWITCHED_OFF, why=Why.SWITCHED_OFF)
    except BannedError as error:
        return error
    return None
