"""App passwords: for clients of before, which know a name and a password and can't ask for a code.

Each is made by the server, has a name, and opens POST /auth/login alone (accounts.logging_in). All tokens that come by
one are of one log-in, so that revoking it ends them, and the live sessions, on every worker. Staff have none.
Called by accounts.second_factor_api and accounts.admin.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from base64 import b32encode
from secrets import token_bytes
from typing import Annotated, TypedDict

from django.db import transaction
from django.utils import timezone

from accounts import names, services, tokens
from accounts.models import AppPassword, User
from accounts.signals import app_passwords_revoked
from reaktor.errors import ConflictError, ForbiddenError, NotFoundError
from reaktor.shapes import Time, Uuid
from reaktor.times import timestamp
from reaktor.why import Why

MAX_EACH = 20
MAX_NAME_CHARS = 64
NOT_FOR_STAFF = "Staff have no app passwords: an old client would be all that guards their rights."
_BYTES = 20
_SHAPE = re.compile(r"[a-z2-7]{32}")


class AppPasswordData(TypedDict):
    """An app password of one's own; the password itself is shown when it is made, and never again."""

    id: Uuid
    name: str
    created_at: Time
    last_used_at: Annotated[Time | None, "The last log-in by it."]


class AppPasswordMade(AppPasswordData):
    """With the password, this once. Spaces and dashes in it may be left out."""

    password: str


def app_password_data(found: AppPassword) -> AppPasswordData:
    return {
        "id": str(found.pk),
        "name": found.name,
        "created_at": timestamp(found.created_at),
        "last_used_at": timestamp(found.last_used_at) if found.last_used_at else None,
    }


def app_passwords_of(user: User) -> list[AppPasswordData]:
    """Oldest first. One query."""
    return [app_password_data(each) for each in AppPassword.objects.filter(user=user).order_by("id")]


def app_password_create(user: User, *, name: str, password: str) -> AppPasswordMade:
    """A new one; `password` is the account's. Raises ForbiddenError (wrong password, staff), ConflictError (too many),
    RateLimitedError.
    """
    if tokens.is_staff(user):
        raise ForbiddenError(NOT_FOR_STAFF)
    services.password_confirm(user, password)
    made = b32encode(token_bytes(_BYTES)).decode().lower()
    with transaction.atomic():
        # Of two at once the second counts the first.
        User.objects.select_for_update().get(pk=user.pk)
        if AppPassword.objects.filter(user=user).count() >= MAX_EACH:
            raise ConflictError(
                f"An account has at most {MAX_EACH} app passwords: revoke one first.", why=Why.TOO_MANY, limit=MAX_EACH
            )
        found = AppPassword.objects.create(user=user, name=name, digest=_digest(made))
    shown = "-".join(made[start : start + 4] for start in range(0, len(made), 4))
    return {**app_password_data(found), "password": shown}


def app_password_owned(username: str, given: str) -> AppPassword | None:
    """The app password that was given, if it is one of that name's account. At most one query, whoever is asked for."""
    plain = given.replace(" ", "").replace("-", "").lower()
    if not _SHAPE.fullmatch(plain):
        return None
    found = AppPassword.objects.filter(digest=_digest(plain)).select_related("user").first()
    return found if found is not None and names.folded(found.user.username) == names.folded(username) else None


def app_password_used(found: AppPassword) -> None:
    AppPassword.objects.filter(pk=found.pk).update(last_used_at=timezone.now())


def app_password_revoke(user: User, app_password_id: str) -> None:
    """It opens nothing any more; its tokens and live sessions end. Raises NotFoundError."""
    try:
        wanted = uuid.UUID(app_password_id)
    except ValueError:
        raise NotFoundError("There is no such app password.") from None
    with transaction.atomic():
        found = AppPassword.objects.select_for_update().filter(user=user, pk=wanted).first()
        if found is None:
            raise NotFoundError("There is no such app password.")
        _revoke(user, found)


def app_passwords_revoke(user: User, *, by: User | None = None) -> None:
    """The same for all of an account. `by`: a superuser who wants it; None: it follows from something else."""
    with transaction.atomic():
        found = list(AppPassword.objects.select_for_update().filter(user=user))
        for each in found:
            _revoke(user, each)
        if found and by is not None:
            app_passwords_revoked.send(User, user=user, by=by)


def _revoke(user: User, found: AppPassword) -> None:
    found.delete()
    tokens.login_end(user, found.login)
    services.announce_login_end(user, found.login, "app password revoked")


def _digest(plain: str) -> str:
    """160 random bits: nobody finds them from a quick hash, and a slow one would cost every log-in."""
    return hashlib.sha256(plain.encode()).hexdigest()
