"""POST /auth/register and /auth/login, in the original's order of checks and with its sentences."""

from __future__ import annotations

import re

from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import logging_in, registration, services
from accounts.limits import COUNTED_BY_LIMITS
from accounts.models import RESERVED_USERNAMES
from chat.transports.seed.views import SeedView, required
from reaktor.errors import InvalidError, NameTakenError, NotAuthenticatedError
from reaktor.web.api import client_address, operation

_NAME = re.compile(r"[A-Za-z0-9]+")
MIN_NAME, MAX_NAME = 3, 32


class OpenView(SeedView):
    authentication_classes = ()
    permission_classes = (AllowAny,)


class RegisterView(OpenView):
    @operation(COUNTED_BY_LIMITS)
    def post(self, request: Request) -> Response:
        """{name, password} → {token, expiresIn}."""
        registration.open_check()
        name, password = check_registration(*required(self.fields(request), "name", "password"))
        try:
            user = services.user_register(
                username=name, password=password, strict=False, address=client_address(request)
            )
        except NameTakenError:
            raise NameTakenError("User with name already exists") from None
        return _logged_in(*services.seed_token_issue(user))


class LoginView(OpenView):
    @operation(COUNTED_BY_LIMITS)
    def post(self, request: Request) -> Response:
        """{name, password} → {token, expiresIn}. One sentence for an unknown name and a wrong password.

        An account with a second factor gives an app password as the password.
        """
        name, password = required(self.fields(request), "name", "password")
        if not isinstance(name, str) or not isinstance(password, str):
            raise NotAuthenticatedError(services.WRONG)
        given = logging_in.seed_log_in(username=name, password=password, address=client_address(request))
        return _logged_in(*given)


def check_registration(name: object, password: object) -> tuple[str, str]:
    """The original's checks in its order. Raises InvalidError with its sentences; never repeats the password."""
    if isinstance(name, str) and name.lower() in RESERVED_USERNAMES:
        raise InvalidError("That name is not allowed")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidError("Name must be numbers or letter a-z only")
    if len(name) < MIN_NAME:
        raise InvalidError(f"The name {name} is too short. (min {MIN_NAME}. characters)")
    if len(name) > MAX_NAME:
        raise InvalidError(f"The name is too long. (max {MAX_NAME}. characters)")
    if not isinstance(password, str):
        raise InvalidError("The password must be a string")
    if len(password) < services.SEED_PASSWORD_CHARS:
        raise InvalidError(f"The password is too short. (min {services.SEED_PASSWORD_CHARS}. characters)")
    if len(password) > services.MAX_PASSWORD_CHARS:
        raise InvalidError(f"The password is too long. (max {services.MAX_PASSWORD_CHARS}. characters)")
    return name, password


def _logged_in(token: str, ends_ms: int) -> Response:
    return Response({"token": token, "expiresIn": ends_ms})
