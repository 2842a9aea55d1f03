"""The second factor: an authenticator app (TOTP), and recovery codes for when it is lost.

django-otp keeps the devices and checks codes; this says when one is needed, and how one comes and goes. Called by
accounts.logging_in, by accounts.second_factor_api for whoever has a token, and by accounts.site and accounts.admin.
Of a recovery code only a digest is stored.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from datetime import timedelta
from secrets import token_bytes
from typing import Annotated, Any, TypedDict

import segno
from django.db import transaction
from django.utils import timezone
from django_otp import devices_for_user, verify_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import services, tokens
from accounts.models import User
from accounts.signals import second_factor_removed
from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotAuthenticatedError
from reaktor.shapes import Count
from reaktor.why import Why

RECOVERY_CODES = 10
APP, RECOVERY = "authenticator app", "recovery codes"
MAX_CODE_CHARS = 32
CODE_WRONG = "The code is wrong, or was used already."
BEGUN_LASTS = timedelta(hours=1)
"""What was begun and never confirmed is begun anew then: somebody else may have seen that secret meanwhile."""
_CODE_BYTES = 10
_EARLIER_CHARS = 8
"""Recovery codes of up to version 0.4 are stored as they are."""


class SecondFactorData(TypedDict):
    """What there is of one's second factor."""

    is_set_up: bool
    is_required: Annotated[bool, "Staff of this server can't do without: it can be replaced, not removed."]
    recovery_codes_left: Count


class SecondFactorBegun(TypedDict):
    """What an authenticator app has to know. Asked again within an hour: the same."""

    secret: Annotated[str, "In Base32, for typing it in."]
    url: Annotated[str, "`otpauth://…`, as apps read it."]
    qr_code: Annotated[str, "The same as a picture: an SVG in a `data:` URI."]


class RecoveryCodes(TypedDict):
    """Each logs in once in the place of a code of the app. They are shown now, and never again."""

    recovery_codes: list[str]


def is_required() -> bool:
    """Whether staff can't do without (STAFF_TOTP)."""
    return tokens.are_codes_required()


def is_set_up(user: User) -> bool:
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def is_passed(user: Any) -> bool:
    """Whether this request's user has shown all that is asked of them; one query where they have no second factor."""
    return bool(user.is_verified()) or not (is_required() or is_set_up(user))


def state(user: User) -> SecondFactorData:
    return {
        "is_set_up": is_set_up(user),
        "is_required": is_required() and tokens.is_staff(user),
        "recovery_codes_left": StaticToken.objects.filter(device__user=user).count(),
    }


# -- Codes --------------------------------------------------------------------------------------------------------


def code_verify(user: User, code: str) -> Any:
    """The device whose code this is. A code works once: of two who bring it at the same time one is refused.

    Raises NotAuthenticatedError, and RateLimitedError: wrong codes have to wait longer and longer, those of the app and
    recovery codes each on their own, so that who has the password and guesses at one leaves the other to the owner.
    """
    wanted = _plain(code)
    kind = TOTPDevice if _is_of_the_app(wanted) else StaticDevice
    stored = wanted if kind is TOTPDevice or len(wanted) == _EARLIER_CHARS else _digest(wanted)
    with services.app().limits.code(f"{user.pk}.{kind.__name__}"):
        for device in devices_for_user(user):
            if isinstance(device, kind) and verify_token(user, device.persistent_id, stored):
                return device
        raise NotAuthenticatedError(CODE_WRONG, fields={"code": "wrong"}, why=Why.CODE_WRONG)


def code_confirm(user: User, code: str) -> None:
    """Whoever is logged in shows a code, too. Raises ForbiddenError, RateLimitedError."""
    services.came_by_password_check(user)
    try:
        code_verify(user, code)
    except NotAuthenticatedError as error:
        raise ForbiddenError(error.message, fields=error.fields, why=error.why) from error


def device_of(user: User) -> Any:
    """The app of a user who has one."""
    return TOTPDevice.objects.get(user=user, confirmed=True)


def _plain(code: str) -> str:
    """As it is compared, however it was written down."""
    return code.replace(" ", "").replace("-", "").lower()


def _is_of_the_app(code: str) -> bool:
    return code.isascii() and code.isdigit()


def _digest(code: str) -> str:
    """Of a recovery code: 80 random bits, so a quick hash keeps it as well as a slow one. As long as the column."""
    return b32encode(hashlib.sha256(code.encode()).digest()[:_CODE_BYTES]).decode().lower()


# -- Setting up ---------------------------------------------------------------------------------------------------


def begin(user: User, *, password: str) -> SecondFactorBegun:
    """The owner wants one. Nothing changes until confirm(). Raises ForbiddenError (wrong password), ConflictError."""
    services.password_confirm(user, password)
    if is_set_up(user):
        raise ConflictError("This account has a second factor: remove that one first.")
    device = device_begin(user)
    secret = b32encode(device.bin_key).decode()
    return {"secret": secret, "url": device.config_url, "qr_code": qr_code(device)}


def confirm(user: User, *, code: str) -> RecoveryCodes:
    """The app shows the right code. From now on logging in asks for one; who is logged in already stays.

    Raises ForbiddenError (wrong code), ConflictError (nothing was begun, or it is done), RateLimitedError.
    """
    services.came_by_password_check(user)
    if is_set_up(user) or _begun(user) is None:
        raise ConflictError("There is nothing to confirm: begin first.")
    with services.app().limits.code(f"{user.pk}.new"):
        codes = device_confirm(user, _plain(code))
        if codes is None:
            raise ForbiddenError(
                "That is not the code that the app shows now.", fields={"code": "wrong"}, why=Why.APP_CODE_WRONG
            )
    return {"recovery_codes": codes}


def device_begin(user: User) -> Any:
    """The app that is about to be set up; the same one until it is confirmed, whoever asks at once."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        TOTPDevice.objects.filter(user=user, confirmed=False, created_at__lte=timezone.now() - BEGUN_LASTS).delete()
        return _begun(user) or TOTPDevice.objects.create(user=user, confirmed=False, name=APP)


def _begun(user: User) -> Any | None:
    return TOTPDevice.objects.filter(user=user, confirmed=False).order_by("pk").first()


def qr_code(device: Any) -> str:
    """What the app's camera reads, as an SVG image in a data URI (the policy of the pages allows those in images)."""
    return str(segno.make(device.config_url, micro=False).svg_data_uri(scale=5, border=2))


def device_confirm(user: User, code: str) -> list[str] | None:
    """The app shows the right code: it is the user's second factor now. Recovery codes, or None: the code is wrong."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        device = _begun(user)
        if device is None or is_set_up(user) or not _is_of_the_app(code) or not device.verify_token(code):
            return None
        TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
        device.confirmed = True
        device.save()
        return recovery_codes_make(user)


def recovery_codes_renew(user: User, *, password: str | None, code: str | None) -> RecoveryCodes:
    """New ones for the owner, who shows the password or a code. The old ones are no good any more.

    Raises ForbiddenError, ConflictError (there is no second factor), InvalidError (neither was given),
    RateLimitedError.
    """
    if not (password or code):
        raise InvalidError("A password or a code is needed.", fields={"password": "missing", "code": "missing"})
    services.came_by_password_check(user)
    _check_set_up(user)
    if password:
        services.password_confirm(user, password)
    else:
        code_confirm(user, code or "")
    return {"recovery_codes": recovery_codes_make(user)}


def recovery_codes_make(user: User) -> list[str]:
    """New recovery codes; the old ones are no good any more. Shown once."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name=RECOVERY)
        codes = [b32encode(token_bytes(_CODE_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=device, token=_digest(code)) for code in codes)
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


# -- Its end ------------------------------------------------------------------------------------------------------


def remove_own(user: User, *, password: str, code: str) -> None:
    """The owner wants none any more. Raises ForbiddenError (something is wrong, or staff must have one),
    ConflictError (there is none), RateLimitedError.
    """
    services.password_confirm(user, password)
    _check_set_up(user)
    if state(user)["is_required"]:
        raise ForbiddenError("This server asks its staff for a second factor.", why=Why.STAFF_NEED_CODES)
    code_confirm(user, code)
    remove(user, by=user)


def remove(user: User, *, by: User) -> None:
    """The user has no second factor any more: it was lost, or they don't want it. Without one nothing happens.

    Log-ins stay, but for those of staff who must have one: theirs end.
    """
    with transaction.atomic():
        was_set_up = is_set_up(user)
        devices_delete(user)
        if not was_set_up:
            return
        second_factor_removed.send(User, user=user, by=by)
        if state(user)["is_required"]:
            services.tokens_revoke_all(user)


def devices_delete(user: User) -> None:
    """All that is stored of it."""
    TOTPDevice.objects.filter(user=user).delete()
    StaticDevice.objects.filter(user=user).delete()


def _check_set_up(user: User) -> None:
    if not is_set_up(user):
        raise ConflictError("This account has no second factor.")
