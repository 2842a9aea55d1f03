"""The admin of mails that wait and of those that were given up: superusers send them again, or take them away.

What a mail says is not shown: its links open accounts.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import mailing
from accounts.models import Mail
from chat.admin.access import AT_ONCE, ModerationAdmin, shown_time
from reaktor.wording import counted


class GivenUpFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("dead", "given up"), ("waiting", "to be sent")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Mail]) -> QuerySet[Mail]:
        if self.value() not in ("dead", "waiting"):
            return queryset
        return queryset.filter(dead_at__isnull=self.value() == "waiting")


@admin.register(Mail)
class MailAdmin(ModerationAdmin):
    """A list, and two buttons."""

    list_display = ("to", "subject", "queued", "tries", "error", "next_try", "given_up")
    list_display_links = None
    list_filter = (GivenUpFilter,)
    ordering = ("-id",)
    actions = ("send_again", "take_away")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_superuser

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    @admin.display(description="queued (UTC)")
    def queued(self, mail: Mail) -> str:
        return shown_time(mail.created_at)

    @admin.display(description="next attempt")
    def next_try(self, mail: Mail) -> str:
        return shown_time(None if mail.dead_at else mail.due_at)

    @admin.display(description="given up")
    def given_up(self, mail: Mail) -> str:
        return shown_time(mail.dead_at)

    @admin.action(description="Send again", permissions=["view"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Mail]) -> None:
        chosen = list(queryset.values_list("pk", flat=True)[:AT_ONCE])
        count = mailing.mails_retry(chosen)
        if left := len(chosen) - count:
            self.message_user(request, f"Too late for {counted(left, 'mail')}: their links are dead.", messages.WARNING)
        self.message_user(request, f"To be sent again: {counted(count, 'mail')}.", messages.SUCCESS)

    @admin.action(description="Delete, never send", permissions=["view"])
    def take_away(self, request: HttpRequest, queryset: QuerySet[Mail]) -> None:
        count = mailing.mails_delete(queryset.values_list("pk", flat=True)[:AT_ONCE])
        self.message_user(request, f"Deleted: {counted(count, 'mail')}.", messages.SUCCESS)
