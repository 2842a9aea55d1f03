"""Writes: logging in, with all that an account asks for. In threads.

A name and a password, then a code where there is a second factor; or, for clients of before, an app password instead.
Whether there is one is asked after the password was right, so a wrong password tells nothing of it, not even in time.
The admin's form does the same in its way (accounts.site).
"""

from __future__ import annotations

from accounts import app_passwords, second_factor, services, tokens
from accounts.models import AppPassword, User
from accounts.services import TokensData
from reaktor.errors import ForbiddenError, SecondFactorRequiredError
from reaktor.why import Why

SEED_REFUSAL = (
    "This account has a second factor: log in with an app password, which you make in the settings of the web client."
)


def tokens_log_in(*, username: str, password: str, code: str = "", address: str) -> TokensData:
    """The tokens of a new log-in.

    Raises NotAuthenticatedError (name, password or code is wrong), SecondFactorRequiredError (the password is right;
    it counts as an attempt), BannedError, ForbiddenError (staff without the second factor that they must have),
    RateLimitedError, UnavailableError.
    """
    limits = services.app().limits
    came_by: tuple[str, ...] = ()
    with limits.login(username, address):
        user = services.password_owner(username, password)
        if second_factor.is_set_up(user):
            tokens.check_may_log_in(user)
            if not code:
                raise SecondFactorRequiredError
            second_factor.code_verify(user, code)
            came_by = (tokens.CODE,)
    _admit(user, username, address, came_by)
    return services.tokens_issue(user, came_by)


def seed_log_in(*, username: str, password: str, address: str) -> tuple[str, int]:
    """The seed contract's token, and when it ends in Unix milliseconds. `password`: or an app password.

    Raises the same, but no SecondFactorRequiredError: its clients could not answer, and are told by ForbiddenError.
    """
    limits = services.app().limits
    try:
        with limits.login(username, address):
            found = app_passwords.app_password_owned(username, password)
            user = found.user if found is not None else _owner_without_factor(username, password)
    except SecondFactorRequiredError:
        raise ForbiddenError(SEED_REFUSAL) from None
    if found is not None:
        return _by_app_password(found, username, address)
    _admit(user, username, address, ())
    return services.seed_token_issue(user)


def _owner_without_factor(username: str, password: str) -> User:
    user = services.password_owner(username, password)
    if second_factor.is_set_up(user):
        tokens.check_may_log_in(user)
        raise SecondFactorRequiredError
    return user


def _by_app_password(found: AppPassword, username: str, address: str) -> tuple[str, int]:
    came_by = (tokens.APP_PASSWORD,)
    _admit(found.user, username, address, came_by)
    app_passwords.app_password_used(found)
    return services.seed_token_issue(found.user, found.login, came_by)


def _admit(user: User, username: str, address: str, came_by: tuple[str, ...]) -> None:
    """Who has shown all that they can. Raises BannedError, ForbiddenError."""
    services.app().limits.note_login(username, address)
    tokens.check_may_log_in(user)
    if not tokens.is_staff(user):
        return
    if tokens.APP_PASSWORD in came_by:
        raise ForbiddenError(app_passwords.NOT_FOR_STAFF)
    if tokens.CODE not in came_by and second_factor.is_required():
        raise ForbiddenError(tokens.STAFF_NEED_CODES, why=Why.STAFF_NEED_CODES)
