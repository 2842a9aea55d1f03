"""The app that knows what is said, and what it owns once per process: the configuration and the rate limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import AppConfig

if TYPE_CHECKING:
    from accounts.models import User


class ChatConfig(AppConfig):
    """A composition root: reads settings, so that services and views need not."""

    name = "chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from accounts.signals import user_registered
        from chat import checks  # noqa: F401  registers the system checks
        from chat.limits import ChatLimits
        from chat.textrules import CurrentTextRules

        self.config = settings.REAKTOR
        self.is_worker = settings.IS_WORKER
        self.limits = ChatLimits(self.config.limits)
        self.text_rules = CurrentTextRules(self.config.limits)
        user_registered.connect(_start_account, dispatch_uid="chat.start_account")


def _start_account(sender: Any, user: User, **kwargs: Any) -> None:
    """In the transaction that stores the account: it belongs to the default channels from its start."""
    from chat.domain.ids import UserId
    from chat.services import memberships_ensure

    memberships_ensure(user_id=UserId(str(user.pk)))
