"""Django's own login form (the admin's) through the one service: bounded hashing, the same limits, the same hashers."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from accounts.models import User
from accounts.services import user_authenticate
from reaktor.errors import RateLimitedError, ReaktorError


class AccountBackend(ModelBackend):
    """Permissions as ModelBackend's."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username is None or password is None:
            return None
        address = str(request.META.get("REMOTE_ADDR") or "") if request is not None else ""
        try:
            return user_authenticate(username=username, password=password, address=address)
        except RateLimitedError as error:
            raise ValidationError(error.message) from error
        except ReaktorError:
            return None
