"""The app that knows who you are, and what it owns once per process: the hashing threads and the rates."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from reaktor.limits.rates import Rates


class AccountsConfig(AppConfig):
    """A composition root: reads settings, so that services need not."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from accounts.hashing import Hashing
        from accounts.limits import AccountLimits
        from reaktor.sandbox.pictures import Pictures

        self.hashing = Hashing()
        self.pictures = Pictures()
        self.requires_second_factor: bool = settings.REAKTOR.staff_totp == "required"
        self.bots_by_members: bool = settings.REAKTOR.bots == "members"
        limits = settings.REAKTOR.limits
        self.new_account_s: float = limits.new_account_s if limits.enabled else 0.0
        self.mail = settings.REAKTOR.mail
        self.registration: str = settings.REAKTOR.registration
        self.page_url: str = settings.REAKTOR.page_url
        self.wake_mailer: Callable[[], None] = _nobody_sends
        self.limits = AccountLimits(settings.REAKTOR.limits.login, self.rates)

    @cached_property
    def rates(self) -> Rates:
        """The rates of this process, for every app: chat's are asked here, too."""
        from django.conf import settings

        from reaktor.limits.rates import rates_of

        return rates_of(settings.REAKTOR, is_worker=settings.IS_WORKER)


def _nobody_sends() -> None:
    """No mailer runs in this process; others look every few seconds. Where one runs, reaktor.asgi puts it here."""
