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

        from accounts.signals import user_deleted, user_registered
        from chat import checks  # noqa: F401  registers the system checks
        from chat.posting.limits import ChatLimits
        from chat.posting.textrules import CurrentTextRules
        from reaktor.limits.sharedlimits import SharedCounts

        self.config = settings.REAKTOR
        self.is_worker = settings.IS_WORKER
        # Only a worker of a cluster has others beside it, and a Redis that is surely theirs.
        url = self.config.redis_url if self.is_worker else None
        shared = SharedCounts(url) if url else None
        is_alone = self.config.cluster.workers == 1
        self.limits = ChatLimits(self.config.limits, shared, None if is_alone else shared)
        self.text_rules = CurrentTextRules(self.config.limits)
        user_registered.connect(_start_account, dispatch_uid="chat.start_account")
        user_deleted.connect(self._end_account, dispatch_uid="chat.end_account")

    def _end_account(self, sender: Any, user: User, **kwargs: Any) -> None:
        """In the transaction that deletes the account."""
        from chat.domain.ids import UserId
        from chat.services.leaving import account_leave

        account_leave(user_id=UserId(str(user.pk)), removes_messages=self.config.account_deletion == "remove")


def _start_account(sender: Any, user: User, **kwargs: Any) -> None:
    """In the transaction that stores the account: it belongs to the default channels from its start."""
    from chat.domain.ids import UserId
    from chat.services import memberships_ensure

    memberships_ensure(user_id=UserId(str(user.pk)))
