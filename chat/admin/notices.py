"""The admin of notices that were given up: superusers see why, and have them tried again. No text is shown."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from chat.admin.access import AT_ONCE, ModerationAdmin, shown_time
from chat.models import Notice, OutboxEntry
from chat.notices.due import notices_again
from chat.notices.outbox import outbox_again
from reaktor.wording import counted


class _GivenUp(ModerationAdmin):
    """A list of what was given up, and a button. For superusers."""

    list_display_links = None
    actions = ("try_again",)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return request.user.is_superuser

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def get_queryset(self, request: HttpRequest) -> QuerySet[Notice | OutboxEntry]:
        found: QuerySet[Notice | OutboxEntry] = super().get_queryset(request).filter(failed_at__isnull=False)
        return found

    @admin.display(description="given up")
    def given_up(self, row: Notice | OutboxEntry) -> str:
        return shown_time(row.failed_at)


@admin.register(Notice)
class NoticeAdmin(_GivenUp):
    """Pushes that no service took."""

    list_display = ("user", "channel", "reason", "tries", "problem", "given_up")
    list_select_related = ("user", "channel")
    ordering = ("-id",)

    @admin.action(description="Try again", permissions=["view"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[Notice]) -> None:
        count = notices_again(list(queryset.values_list("pk", flat=True)[:AT_ONCE]), timezone.now())
        self.message_user(request, f"To be tried again: {counted(count, 'notice')}.", messages.SUCCESS)


@admin.register(OutboxEntry)
class OutboxAdmin(_GivenUp):
    """Messages of which no notices could be made."""

    list_display = ("message_id", "tries", "problem", "given_up")
    ordering = ("-message_id",)

    @admin.action(description="Try again", permissions=["view"])
    def try_again(self, request: HttpRequest, queryset: QuerySet[OutboxEntry]) -> None:
        count = outbox_again(list(queryset.values_list("pk", flat=True)[:AT_ONCE]))
        self.message_user(request, f"To be tried again: {counted(count, 'message')}.", messages.SUCCESS)
