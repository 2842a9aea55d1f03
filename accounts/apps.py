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
        from reaktor.limits.sharedlimits import SharedCounts

        self.hashing = Hashing()
        self.requires_second_factor: bool = settings.REAKTOR.staff_totp == "required"
        # Only a worker of a cluster has others beside it, and a Redis that is surely theirs.
        url = settings.REAKTOR.redis_url if settings.IS_WORKER else None
        self.limits = AccountLimits(settings.REAKTOR.limits, SharedCounts(url) if url else None)
