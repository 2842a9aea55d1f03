"""The app that knows who you are, and what it owns once per process: the hashing threads and the rate limits."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """A composition root: reads settings, so that services need not."""

    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from accounts.hashing import Hashing
        from accounts.limits import AccountLimits

        self.hashing = Hashing()
        self.limits = AccountLimits(settings.REAKTOR.limits)
