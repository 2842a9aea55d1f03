"""The second factor of staff: an authenticator app (TOTP), and recovery codes for when it is lost.

django-otp keeps the devices and checks codes; this says when one is needed, and how one comes and goes.
Called by accounts.site and accounts.admin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import segno
from django.apps import apps
from django.db import transaction
from django_otp import devices_for_user, verify_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts.models import User
from accounts.signals import second_factor_removed
from reaktor.errors import NotAuthenticatedError

if TYPE_CHECKING:
    from accounts.apps import AccountsConfig

RECOVERY_CODES = 10
APP, RECOVERY = "authenticator app", "recovery codes"


def _app() -> AccountsConfig:
    return cast("AccountsConfig", apps.get_app_config("accounts"))


def is_required() -> bool:
    """Whether staff can't do without (STAFF_TOTP)."""
    return _app().requires_second_factor


def is_set_up(user: User) -> bool:
    return bool(TOTPDevice.objects.filter(user=user, confirmed=True).exists())


def is_passed(user: Any) -> bool:
    """Whether this request's user has shown all that is asked of them; one query where they have no second factor."""
    return bool(user.is_verified()) or not (is_required() or is_set_up(user))


def code_verify(user: User, code: str) -> Any:
    """The device whose code this is. A code works once.

    Raises NotAuthenticatedError, and RateLimitedError: wrong codes have to wait longer and longer, those of the app and
    recovery codes each on their own, so that who has the password and guesses at one leaves the other to the owner.
    """
    wanted = code.replace(" ", "").lower()
    kind = TOTPDevice if wanted.isdigit() else StaticDevice
    with _app().limits.code(f"{user.pk}.{kind.__name__}"):
        for device in devices_for_user(user):
            if isinstance(device, kind) and verify_token(user, device.persistent_id, wanted):
                return device
        raise NotAuthenticatedError("The code is wrong, or was used already.")


def device_of(user: User) -> Any:
    """The app of a user who has one."""
    return TOTPDevice.objects.get(user=user, confirmed=True)


# -- Setting up ---------------------------------------------------------------------------------------------------


def device_begin(user: User) -> Any:
    """The app that is about to be set up; the same one until it is confirmed, whoever asks at once."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        begun = TOTPDevice.objects.filter(user=user, confirmed=False).order_by("pk").first()
        return begun or TOTPDevice.objects.create(user=user, confirmed=False, name=APP)


def qr_code(device: Any) -> str:
    """What the app's camera reads, as an SVG image in a data URI (the policy of the pages allows those in images)."""
    return str(segno.make(device.config_url, micro=False).svg_data_uri(scale=5, border=2))


def device_confirm(user: User, code: str) -> list[str] | None:
    """The app shows the right code: it is the user's second factor now. Recovery codes, or None: the code is wrong."""
    device = device_begin(user)
    with transaction.atomic():
        if not code.isdigit() or not device.verify_token(code):
            return None
        TOTPDevice.objects.filter(user=user).exclude(pk=device.pk).delete()
        device.confirmed = True
        device.save()
        return recovery_codes_make(user)


def recovery_codes_make(user: User) -> list[str]:
    """New recovery codes; the old ones are no good any more. Shown once."""
    with transaction.atomic():
        StaticDevice.objects.filter(user=user).delete()
        device = StaticDevice.objects.create(user=user, name=RECOVERY)
        codes = [StaticToken.random_token() for _ in range(RECOVERY_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=device, token=code) for code in codes)
    return codes


def remove(user: User, *, by: User) -> None:
    """The user has no second factor any more: it was lost, or they don't want it. Without one nothing happens."""
    with transaction.atomic():
        was_set_up = is_set_up(user)
        TOTPDevice.objects.filter(user=user).delete()
        StaticDevice.objects.filter(user=user).delete()
        if was_set_up:
            second_factor_removed.send(User, user=user, by=by)
