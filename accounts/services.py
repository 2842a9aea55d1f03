"""Writes: registering, logging in, tokens, passwords. Called in threads (they wait for hashing), never on the loop.

Whatever ends tokens raises the user's token_version and says so on the bus after the commit (reaktor.process.orders),
so that the live sessions of the user end too, on every worker.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypedDict, cast

from django.apps import apps
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts import names, naming, refreshes, tokens
from accounts.claims import name_check, name_claim
from accounts.models import AppPassword, Bot, MailToken, User, WaitingAccount
from accounts.passwords import opaque
from accounts.selectors import UserData, user_data, user_named
from accounts.signals import user_registered
from accounts.validators import NOT_ALLOWED
from reaktor.errors import (
    BannedError,
    CloseCode,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NameTakenError,
    NotAuthenticatedError,
)
from reaktor.process.announce import announce
from reaktor.process.orders import END_LOGIN, END_SESSIONS, ORDERS_GROUP, ban_body, end_login_body, end_sessions_body
from reaktor.shapes import Time
from reaktor.times import timestamp
from reaktor.why import Why

if TYPE_CHECKING:
    from accounts.apps import AccountsConfig

logger = logging.getLogger(__name__)

SEED_PASSWORD_CHARS = 6
MAX_PASSWORD_CHARS = 1_024
"""Far more than any pass phrase; without a bound a password could be a whole request body."""
WRONG = "Wrong username or password"
PASSWORD_WHY = {
    "password_too_short": Why.PASSWORD_SHORT,
    "password_too_common": Why.PASSWORD_COMMON,
    "password_entirely_numeric": Why.PASSWORD_NUMERIC,
    "password_too_similar": Why.PASSWORD_SIMILAR,
}
"""By the codes of Django's validators."""


class TokensData(TypedDict):
    """What a log-in gives: 15 minutes of access, and a refresh token that buys the next pair."""

    user: UserData
    access: str
    refresh: str
    expires_at: Annotated[Time, "When the access token ends."]


def app() -> AccountsConfig:
    """What this process owns: hashing threads and limits."""
    return cast("AccountsConfig", apps.get_app_config("accounts"))


# -- Accounts -----------------------------------------------------------------------------------------------------


def user_register(
    *,
    username: str,
    password: str,
    strict: bool,
    address: str | None = None,
    is_active: bool = True,
    beside: Callable[[User], None] | None = None,
) -> User:
    """A new account. `strict`: Django's password validators, else the seed contract's six characters.

    `address` None is not limited (commands). Of two at once with one name, one wins. Raises InvalidError,
    NameTakenError, RateLimitedError, UnavailableError. `beside`: called with the account in the transaction that stores
    it; what it raises undoes that.
    """
    username = check_username(username)
    check_password(password, User(username=username), strict=strict)
    with app().limits.register(address):
        # Asked before the costly part; under the lock it is asked again.
        name_check(username)
        user = User(username=username, password=app().hashing.hash(password), is_active=is_active)
        with transaction.atomic():
            user_store(user)
            if beside is not None:
                beside(user)
    return user


def user_store(user: User) -> None:
    """Store a new account whose name is checked and whose password is hashed, and what belongs to it.

    Raises NameTakenError.
    """
    try:
        with transaction.atomic():
            name_claim(user.username)
            user.save(force_insert=True)
            if user.is_active:
                user_registered.send(User, user=user)
    except IntegrityError:
        raise NameTakenError from None


def administrator_ensure(*, username: str, password: str) -> tuple[User, bool]:
    """(the account of that name, whether it is new). A new one may do everything; an old one is left as it is.

    May be repeated. Raises InvalidError.
    """
    if (known := user_named(username)) is not None:
        return known, False
    username = check_username(username, by_operator=True)
    user = User(username=username, is_staff=True, is_superuser=True)
    check_password(password, user, strict=True)
    user.password = app().hashing.hash(password)
    try:
        user_store(user)
    except NameTakenError:
        # Somebody else prepares the same database right now.
        if (known := user_named(username)) is not None:
            return known, False
        raise
    return user, True


def user_rename(user: User, *, username: str) -> User:
    """Another name for the account. Live sessions end with a code that makes them come back under it."""
    username = names.stored(username)
    if username == user.username:
        return user
    # Whoever has a reserved name from before may write it otherwise.
    if names.folded(username) != names.folded(user.username):
        check_username(username)
    with transaction.atomic():
        name_claim(username, user.pk)
        naming.name_change(user, username)
        announce_end(user, CloseCode.RESYNC_NEEDED, "renamed")
    return user


def direct_from_set(user: User, direct_from: str) -> None:
    """From whom the user takes a first direct message: one of DirectFrom."""
    user.direct_from = direct_from
    user.save(update_fields=["direct_from"])


def user_authenticate(*, username: str, password: str, address: str) -> User:
    """The user with this name and password, counted as an attempt. Whoever asks sees to the second factor.

    Raises NotAuthenticatedError (wrong name or password), BannedError (only to who knows the password),
    RateLimitedError, UnavailableError.
    """
    limits = app().limits
    with limits.login(username, address):
        user = password_owner(username, password)
    limits.note_login(username, address)
    tokens.check_may_log_in(user)
    return user


def password_owner(username: str, password: str) -> User:
    """The user with this name and password, also one who may not log in now; the caller counts attempts.

    An old hash is replaced by today's. An unknown name takes as long as a wrong password. Raises NotAuthenticatedError
    (the same for both), UnavailableError.
    """
    could_fit = names.could_be(username) and len(password) <= MAX_PASSWORD_CHARS
    user = user_named(username) if could_fit else None
    verdict = app().hashing.verify(password[:MAX_PASSWORD_CHARS], user.password if user else None)
    if user is None or user.is_bot or not verdict.is_correct:
        raise NotAuthenticatedError(WRONG, why=Why.LOG_IN_WRONG)
    if verdict.upgraded is not None:
        User.objects.filter(pk=user.pk, password=user.password).update(password=verdict.upgraded)
    return user


def password_change(user: User, old: str, new: str) -> None:
    """A new password; every token and live session ends. Raises ForbiddenError (the old one is wrong), InvalidError
    (the new one is weak), ConflictError (changed by somebody else meanwhile), RateLimitedError.
    """
    password_confirm(user, old, field="old")
    check_password(new, user, strict=True, field="new")
    password_set(user, new)


def password_confirm(user: User, password: str, *, field: str = "password") -> None:
    """Whoever is logged in shows that they know the password, too. Raises ForbiddenError, RateLimitedError.

    Whoever came by an app password can't: it is for chatting.
    """
    came_by_password_check(user)
    with app().limits.password(str(user.pk)):
        if not app().hashing.verify(password[:MAX_PASSWORD_CHARS], user.password).is_correct:
            raise ForbiddenError("The password is wrong.", fields={field: "wrong"}, why=Why.PASSWORD_WRONG)


def came_by_password_check(user: User) -> None:
    """Raises ForbiddenError for a request of a log-in by an app password."""
    if tokens.APP_PASSWORD in user.came_by:
        raise ForbiddenError(
            "An app password is for chatting alone: log in with your own password for this.",
            why=Why.APP_PASSWORD_ONLY_CHATS,
        )


def password_set(user: User, new: str) -> None:
    """The same without the old one, for staff and for password_change(); `new` is checked. See password_store()."""
    password_store(user, app().hashing.hash(new))


def password_store(user: User, encoded: str) -> None:
    """The second half: `encoded` is hashed already. Links that would set another one are dead.

    App passwords go with the old one: whoever knew it may have made one. The second factor stays. Raises ConflictError,
    ForbiddenError (bots have no password).
    """
    if user.is_bot:
        raise ForbiddenError("A bot has no password.")
    with transaction.atomic():
        unchanged = User.objects.filter(pk=user.pk, password=user.password)
        if not unchanged.update(password=encoded, token_version=F("token_version") + 1):
            raise ConflictError("The password was changed meanwhile.")
        AppPassword.objects.filter(user=user).delete()
        MailToken.objects.filter(user=user, purpose=MailToken.RESET).delete()
        announce_end(user, CloseCode.LOGGED_OUT, "password changed")


def check_username(username: str, *, by_operator: bool = False) -> str:
    """The name as it is stored, if a new account may have it, whoever has it already. `by_operator`: an administrator
    is made at the machine, and may be called so (names.OF_OPERATORS). Raises InvalidError.
    """
    if not names.is_well_formed(username):
        raise InvalidError(
            names.RULE, fields={"username": "2 to 32 letters or digits of one script"}, why=Why.USERNAME_FORM
        )
    if names.is_reserved(username, by_operator=by_operator):
        raise InvalidError(NOT_ALLOWED, fields={"username": "reserved"}, why=Why.USERNAME_RESERVED)
    return names.stored(username)


def check_password(password: str, user: User, *, strict: bool, field: str = "password") -> None:
    """Raises InvalidError with what is wrong; never repeats the password."""
    problem = None
    why = None
    password = opaque(password)
    if len(password) > MAX_PASSWORD_CHARS:
        problem = f"A password has at most {MAX_PASSWORD_CHARS} characters."
    elif not strict and len(password) < SEED_PASSWORD_CHARS:
        problem = f"A password has at least {SEED_PASSWORD_CHARS} characters."
    elif strict:
        try:
            validate_password(password, user)
        except ValidationError as error:
            problem = " ".join(error.messages)
            why = next((PASSWORD_WHY[each.code] for each in error.error_list if each.code in PASSWORD_WHY), None)
    if problem is not None:
        raise InvalidError(problem, fields={field: problem}, why=why)


# -- Tokens -------------------------------------------------------------------------------------------------------


def tokens_issue(user: User, came_by: tuple[str, ...] = ()) -> TokensData:
    """The first access and refresh token of a new log-in; `came_by`: what opened it (accounts.tokens)."""
    login = uuid.uuid4()
    return _tokens_data(user, login, str(tokens.new(tokens.REFRESH, user, login, came_by)), came_by)


def _tokens_data(user: User, login: uuid.UUID, refresh: str, came_by: tuple[str, ...]) -> TokensData:
    access = tokens.new(tokens.ACCESS, user, login, came_by)
    return TokensData(
        user=user_data(user),
        access=str(access),
        refresh=refresh,
        expires_at=timestamp(access.current_time + access.lifetime),
    )


def seed_token_issue(user: User, login: uuid.UUID | None = None, came_by: tuple[str, ...] = ()) -> tuple[str, int]:
    """The seed contract's token, and when it ends in Unix milliseconds. `login` None: a new log-in."""
    token = tokens.new(tokens.SeedToken, user, login, came_by)
    return str(token), int(token["exp"]) * 1000


def tokens_refresh(refresh: str) -> TokensData:
    """A new pair for a refresh token, which is replaced; asked again within a minute, the same refresh token.

    Raises BannedError and NotAuthenticatedError. A token that was replaced longer ago ends its whole log-in: what came
    out of it, and every live session.
    """
    claims = tokens.payload(refresh, tokens.REFRESH_ONLY)
    with transaction.atomic():
        user = tokens.user_of(claims)
        verdict, family = refreshes.refresh_take(claims, user, timezone.now())
        if verdict is refreshes.Verdict.COPIED:
            login_end(user, login=claims["login"])
            announce_login_end(user, claims["login"], "a used refresh token came again")
    if verdict is refreshes.Verdict.COPIED:
        logger.warning("tokens: a refresh token of user %s came again; its log-in was ended", user.pk)
    if verdict is not refreshes.Verdict.GOOD:
        raise NotAuthenticatedError("The token was used already.")
    return _tokens_data(user, claims["login"], refreshes.refresh_of(family, user), claims["amr"])


def tokens_revoke(refresh: str) -> None:
    """Log-out on one device: the refresh tokens of its log-in die. One that is no good (any more) is no error, as in
    RFC 7009."""
    try:
        claims = tokens.payload(refresh, tokens.REFRESH_ONLY)
        with transaction.atomic():
            user = tokens.user_of(claims)
            refreshes.refreshes_end(claims, user, timezone.now())
    except (NotAuthenticatedError, BannedError):
        return


def login_end(user: User, *, login: uuid.UUID) -> None:
    """Log-out on one device from another: every token of that log-in is dead. Its live sessions are the caller's."""
    with transaction.atomic():
        tokens.login_end(user, login)
        # A bot's token is not made anew out of its log-in: this was it.
        Bot.objects.filter(pk=user.pk, login=login).update(login=None, digest="")


def tokens_revoke_all(user: User) -> None:
    """Log-out everywhere: every token and live session of the user ends."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(token_version=F("token_version") + 1)
        announce_end(user, CloseCode.LOGGED_OUT, "logged out everywhere")


def user_disable(user: User) -> None:
    """Switch the account off: no log-in, no token, no live session. Who, why and until when is chat's to keep."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=False, token_version=F("token_version") + 1)
        announce_end(user, CloseCode.BANNED, "banned")
        announce_bots_end(user)


def user_enable(user: User) -> None:
    """Switch it on again; it logs in anew. For one that waited to be approved it begins only now."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(is_active=True)
        if WaitingAccount.objects.filter(pk=user.pk).delete()[0]:
            user.is_active = True
            user_registered.send(User, user=user)


def user_ban(user: User, *, until: datetime | None, reason: str = "") -> None:
    """No log-in, no token, no live session until then (None: for good). The ban's own row is chat's."""
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(
            banned_until=until or tokens.FOR_GOOD, ban_reason=reason, token_version=F("token_version") + 1
        )
        _announce_ban(user, until=until, reason=reason)
        announce_bots_end(user)


def user_unban(user: User) -> None:
    """The ban is over before its time; the user logs in anew."""
    User.objects.filter(pk=user.pk).update(banned_until=None, ban_reason="")


def user_mute(user: User, *, until: datetime | None) -> None:
    """Whoever stores messages refuses this user's until then (None: for good). The mute's own row is chat's."""
    User.objects.filter(pk=user.pk).update(muted_until=until or tokens.FOR_GOOD)


def user_unmute(user: User) -> None:
    """The mute is over before its time."""
    User.objects.filter(pk=user.pk).update(muted_until=None)


def rights_announce(user: User) -> None:
    """Rights of the account were changed: its live sessions come back, with those that it has now."""
    announce_end(user, CloseCode.RESYNC_NEEDED, "rights changed")


def announce_end(user: User, code: CloseCode, reason: str) -> None:
    """After the commit: every live session of the user ends so. The caller has seen to their tokens."""
    announce(ORDERS_GROUP, END_SESSIONS, end_sessions_body(str(user.pk), int(code), reason))


def announce_bots_end(owner: User) -> None:
    """After the commit: the live sessions of the account's bots end, too. Their tokens are no good while it is off."""
    for pk in Bot.objects.filter(owner=owner).values_list("pk", flat=True):
        body = end_sessions_body(str(pk), int(CloseCode.BANNED), "the bot's owner is off")
        announce(ORDERS_GROUP, END_SESSIONS, body)


def _announce_ban(user: User, *, until: datetime | None, reason: str) -> None:
    """The same, with what the user is to know of it."""
    ends = None if until is None else timestamp(until)
    announce(ORDERS_GROUP, END_SESSIONS, ban_body(str(user.pk), int(CloseCode.BANNED), reason, ends))


def announce_login_end(user: User, login: uuid.UUID, reason: str) -> None:
    """After the commit: every live session of one log-in ends. Its tokens are ended by login_end()."""
    body = end_login_body(str(user.pk), str(login), int(CloseCode.LOGGED_OUT), reason)
    announce(ORDERS_GROUP, END_LOGIN, body)
