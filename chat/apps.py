"""The app that knows what is said, and what it owns once per process: configuration, text rules, the joint list."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from django.apps import AppConfig, apps

if TYPE_CHECKING:
    from accounts.apps import AccountsConfig
    from accounts.models import User
    from chat.notices.targets import Targets
    from chat.notices.vapid import Vapid
    from reaktor.limits.rates import Rates


class ChatConfig(AppConfig):
    """A composition root: reads settings, so that services and views need not."""

    name = "chat"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings
        from django.db.models.signals import post_migrate, pre_migrate

        from accounts.signals import (
            app_passwords_revoked,
            invite_used,
            profile_changing,
            second_factor_removed,
            user_deleted,
            user_registered,
        )
        from chat import checks  # noqa: F401  registers the system checks
        from chat.posting.textrules import CurrentTextRules
        from chat.selectors.server_page import CurrentServerPage
        from reaktor.db import patience
        from reaktor.web.joint import Joint

        self.config = settings.REAKTOR
        self.is_worker = settings.IS_WORKER
        patience.take_time()  # asgi and the supervisor, which serve, say so after this
        self.text_rules = CurrentTextRules(self.config.limits)
        # Where nobody has said how one gets an account, nobody does (accounts.registration).
        self.server_page = CurrentServerPage(self.config.registration or "closed")
        self.listing: Joint[bytes] = Joint()
        user_registered.connect(_start_account, dispatch_uid="chat.start_account")
        invite_used.connect(self._use_invite, dispatch_uid="chat.use_invite")
        second_factor_removed.connect(_note_removed_factor, dispatch_uid="chat.note_removed_factor")
        profile_changing.connect(self._check_profile, dispatch_uid="chat.check_profile")
        app_passwords_revoked.connect(_note_revoked_app_passwords, dispatch_uid="chat.note_revoked_app_passwords")
        user_deleted.connect(self._end_account, dispatch_uid="chat.end_account")
        pre_migrate.connect(_before_migrations, sender=self, dispatch_uid="chat.before_migrations")
        post_migrate.connect(_after_migrations, sender=self, dispatch_uid="chat.after_migrations")

    @property
    def rates(self) -> Rates:
        """The rates of this process; accounts owns them."""
        return cast("AccountsConfig", apps.get_app_config("accounts")).rates

    def _check_profile(self, sender: Any, user: User, texts: list[str], **kwargs: Any) -> None:
        """Before what somebody shows of themselves is stored: the word filter holds for it, too."""
        from chat.selectors import user_ref
        from chat.services.words import words_check

        words_check(user_ref(user), texts, self.text_rules)

    @cached_property
    def vapid(self) -> Vapid | None:
        """What pushes are signed with; None: nothing is pushed."""
        from django.conf import settings

        from chat.notices.webpush import vapid_of

        return vapid_of(self.config, settings.VAPID_KEY) if settings.VAPID_KEY else None

    @cached_property
    def push_targets(self) -> Targets:
        from chat.notices.targets import Targets

        return Targets(self.config.push)

    def _use_invite(self, sender: Any, user: User, code: str, **kwargs: Any) -> None:
        """In the transaction that stores the account."""
        from chat.selectors import user_ref
        from chat.services import server_invite_use

        server_invite_use(user=user_ref(user), code=code, by_members=self.config.member_invites)

    def _end_account(self, sender: Any, user: User, **kwargs: Any) -> None:
        """In the transaction that deletes the account."""
        from chat.domain.ids import UserId
        from chat.services.leaving import account_leave

        account_leave(user_id=UserId(str(user.pk)), removes_messages=self.config.account_deletion == "remove")


def _before_migrations(sender: Any, using: str, plan: Any, **kwargs: Any) -> None:
    from chat.models import name_search

    if plan:
        name_search.put_away(using)


def _after_migrations(sender: Any, using: str, **kwargs: Any) -> None:
    from chat.models import name_search

    name_search.ensure(using)


def _start_account(sender: Any, user: User, **kwargs: Any) -> None:
    """In the transaction that stores the account: it belongs to the default channels from its start."""
    from chat.domain.ids import UserId
    from chat.services import memberships_ensure

    if user.is_bot:
        return  # a webhook's belongs to its channel alone; others get them when they say hello, as who has none does

    memberships_ensure(user_id=UserId(str(user.pk)))


def _note_removed_factor(sender: Any, user: User, by: User, **kwargs: Any) -> None:
    """In the transaction that removes it: from then on a password alone opens the account."""
    from chat.models import AuditAction
    from chat.selectors import user_ref
    from chat.services import audit_add

    audit_add(user_ref(by), AuditAction.SECOND_FACTOR_REMOVE, user_ref(user))


def _note_revoked_app_passwords(sender: Any, user: User, by: User, **kwargs: Any) -> None:
    """In the transaction that revokes them."""
    from chat.models import AuditAction
    from chat.selectors import user_ref
    from chat.services import audit_add

    audit_add(user_ref(by), AuditAction.APP_PASSWORDS_REVOKE, user_ref(user))
