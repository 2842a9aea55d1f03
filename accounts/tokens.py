"""The kinds of token, as simplejwt classes: access (15 minutes), refresh (30 days), seed (7 days), bot (till revoked).

All carry `sub` (user id), `name`, `ver` (the user's token_version: raising it ends them all) and `login` (the log-in
that they come from, through all refreshes: one can be ended alone); `amr` where it was more, or other, than the
password that opened it (RFC 8176). Which refresh token of a log-in is good is
accounts.refreshes'. Called by this app only.
"""

from __future__ import annotations

import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.apps import apps
from django.db import connection
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token, UntypedToken

from accounts.models import AppPassword, EndedLogin, User, WaitingAccount
from reaktor.db.columns import time_from_column, uuid_from_column, uuid_to_column
from reaktor.errors import BannedError, NotAuthenticatedError, Terms, TokenExpiredError, WaitingError
from reaktor.why import Why

if TYPE_CHECKING:
    from accounts.apps import AccountsConfig

SWITCHED_OFF = "This account is switched off."
FOR_GOOD = datetime(9999, 12, 31, tzinfo=UTC)
"""What banned_until says of a ban without an end."""
MAX_TOKEN_CHARS = 4_096
"""Ours have about 330; nothing longer is worth a look."""
_SPELLING = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
"""Python's base64 reads over all other characters: one token could be written in any number of ways."""
CODE, APP_PASSWORD = "otp", "app"
"""What opened a log-in: the password and a code; an app password. Nothing said: the password alone."""
STAFF_NEED_CODES = (
    "Staff need a second factor here: set one up in the admin (/admin/second-factor/), then log in with a code."
)

T = TypeVar("T", bound=Token)
_FIELDS = (
    "is_superuser", "id", "username", "display_name", "status_text", "avatar", "is_bot", "is_active", "is_staff",
    "banned_until", "ban_reason", "token_version", "created_at",
)  # fmt: skip
"""In the model's order, as from_db() wants them."""
_FIND = f"""
SELECT EXISTS (SELECT 1 FROM accounts_endedlogin WHERE id = %s), {", ".join(_FIELDS)} FROM accounts_user WHERE id = %s
"""  # noqa: S608  ours


ACCESS: type[Token] = AccessToken
REFRESH: type[Token] = RefreshToken
REFRESH_ONLY = frozenset({"refresh"})


class SeedToken(Token):  # type: ignore[misc]  # simplejwt carries no types
    """The token of the seed contract: one for everything, for a week."""

    token_type = "seed"  # noqa: S105  a kind, no secret
    lifetime = timedelta(days=7)


class BotToken(Token):  # type: ignore[misc]  # the same
    """A bot's token. How long it is good stands in the store (accounts.bot_tokens); its signature outlives that."""

    token_type = "bot"  # noqa: S105  a kind, no secret
    lifetime = timedelta(days=36_500)


def new(kind: type[T], user: User, login: uuid.UUID | None = None, came_by: tuple[str, ...] = ()) -> T:
    """A fresh token of a kind for the user, out of that log-in (None: a new one); str() signs it."""
    token: T = kind()
    if came_by:
        token["amr"] = list(came_by)
    token["login"] = str(login or uuid.uuid4())
    token["sub"] = str(user.pk)
    token["name"] = user.username
    token["ver"] = user.token_version
    return token


def payload(raw: object, kinds: frozenset[str]) -> dict[str, Any]:
    """The verified claims of a token of one of the kinds: signature, algorithm, audience, times, kind, types.

    CPU only. Raises NotAuthenticatedError, whatever is wrong with it; which of them is for the log, not for strangers.
    All that is said is TokenExpiredError, of a token that was good: its owner gets a new one.
    """
    if not isinstance(raw, str) or len(raw) > MAX_TOKEN_CHARS or _SPELLING.fullmatch(raw) is None:
        raise NotAuthenticatedError("The token is not valid.")
    try:
        claims: dict[str, Any] = UntypedToken(raw).payload
    except ExpiredTokenError as error:
        raise TokenExpiredError from error
    # RecursionError: a header of a thousand nested lists reaches the JSON parser before any signature is checked.
    # The others: claims of types that simplejwt takes for granted.
    except (TokenError, RecursionError, KeyError, TypeError, ValueError, OverflowError, OSError) as error:
        raise NotAuthenticatedError("The token is not valid.") from error
    texts = [claims.get(name) for name in ("token_type", "sub", "name")]
    if not all(isinstance(text, str) for text in texts) or texts[0] not in kinds or type(claims.get("ver")) is not int:
        raise NotAuthenticatedError("The token is not valid.")
    came_by = claims.get("amr", [])
    if not isinstance(came_by, list) or not all(isinstance(each, str) for each in came_by):
        raise NotAuthenticatedError("The token is not valid.")
    claims["amr"] = tuple(came_by)
    try:
        claims["login"] = uuid.UUID(claims["login"])
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise NotAuthenticatedError("The token is not valid.") from error
    # The leeway is for clocks that differ when a token is made; its end is one for all.
    if claims["exp"] <= time.time():
        raise TokenExpiredError
    return claims


def user_of(claims: dict[str, Any]) -> User:
    """The user that verified claims speak for, as stored now. One query.

    Raises BannedError (the account is off) and NotAuthenticatedError (it is gone, the token was revoked, or it came
    about in a way that is not enough for staff).
    """
    user, is_ended = _user_find(claims["sub"], claims["login"])
    if user is None:
        raise NotAuthenticatedError("The token is not valid.")
    check_may_log_in(user)
    if is_ended or user.token_version != claims["ver"]:
        raise NotAuthenticatedError("The token was revoked.")
    user.came_by = claims["amr"]
    if is_staff(user):
        _check_enough_for_staff(user.came_by)
    return user


def is_staff(user: User) -> bool:
    return user.is_staff or user.is_superuser


def are_codes_required() -> bool:
    """Whether staff can't do without a second factor (STAFF_TOTP)."""
    return cast("AccountsConfig", apps.get_app_config("accounts")).requires_second_factor


def _check_enough_for_staff(came_by: tuple[str, ...]) -> None:
    """Also for who became staff after logging in. Raises NotAuthenticatedError."""
    if APP_PASSWORD in came_by:
        raise NotAuthenticatedError("The token was revoked.")
    if CODE not in came_by and are_codes_required():
        raise NotAuthenticatedError(STAFF_NEED_CODES, why=Why.STAFF_NEED_CODES)


def ban_error(banned_until: datetime, reason: str) -> BannedError:
    """What the user of an account with these columns is told."""
    return BannedError(terms=Terms(None if banned_until == FOR_GOOD else banned_until, reason))


def check_may_log_in(user: User) -> None:
    """Raises BannedError, with why and until when, for an account that is off or banned now; WaitingError for one that
    nobody has approved yet."""
    now = datetime.now(UTC)
    if user.banned_until is not None and user.banned_until > now:
        raise ban_error(user.banned_until, user.ban_reason)
    if not user.is_active:
        if WaitingAccount.objects.filter(pk=user.pk).exists():
            raise WaitingError
        raise BannedError(SWITCHED_OFF, why=Why.SWITCHED_OFF)


def _user_find(user_id: str, login: uuid.UUID) -> tuple[User | None, bool]:
    """The user, and whether that log-in was ended.

    By a statement of our own: every request asks, and the ORM would take four times as long. The rest loads late.
    """
    try:
        wanted = uuid_to_column(uuid.UUID(user_id))
    except ValueError:
        return None, False
    with connection.cursor() as cursor:
        cursor.execute(_FIND, [uuid_to_column(login), wanted])
        row = cursor.fetchone()
    if row is None:
        return None, False
    is_ended, *columns = row
    found = dict(zip(_FIELDS, columns, strict=True))
    found["id"] = uuid_from_column(found["id"])
    for name in ("banned_until", "created_at"):
        found[name] = time_from_column(found[name])
    return User.from_db(connection.alias, _FIELDS, list(found.values())), bool(is_ended)


def login_end(user: User, login: uuid.UUID) -> None:
    """End the tokens of one log-in; accounts.expired clears the row away when they would be dead anyway.

    An app password stays good: what comes by it from now on is another log-in.
    """
    AppPassword.objects.filter(login=login).update(login=uuid.uuid4())
    expires_at = datetime.now(UTC) + max(REFRESH.lifetime, SeedToken.lifetime)
    EndedLogin.objects.get_or_create(pk=login, defaults={"user": user, "expires_at": expires_at})
