"""Messages are looked for and looked at, and their text is taken away; nobody edits what another one said.

Lists read a bounded number of rows: the table may hold ten million.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.contrib import admin
from django.db.models import QuerySet, Subquery
from django.http import HttpRequest
from django.utils.text import Truncator

from accounts.selectors import user_named
from chat import services
from chat.admin.access import ModerationAdmin, acting, without_direct
from chat.models import Message, Report

SEARCHED_MESSAGES = 20_000
Row = TypeVar("Row", Message, Report)


def named_account(name: str) -> uuid.UUID:
    """The id of the account with this name, for a filter; of nobody where there is none."""
    user = user_named(name)
    return user.pk if user is not None else uuid.UUID(int=0)


def narrowed(rows: QuerySet[Row], search_term: str) -> tuple[QuerySet[Row], list[str]]:
    """(the rows that `in:channel` and `by:author` leave, the other words) of what was typed into a search box."""
    words = []
    for term in search_term.split():
        name, _, value = term.partition(":")
        if name == "in" and value:
            rows = rows.filter(channel__key=value)
        elif name == "by" and value:
            rows = rows.filter(author=named_account(value))
        else:
            words.append(term)
    return rows, words


class WhenFilter(admin.SimpleListFilter):
    """By time through the primary key, which begins with it: the one index that the whole table has in that order."""

    title = "time"
    parameter_name = "when"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("1", "last hour"), ("24", "last day"), ("168", "last week")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> QuerySet[Message]:
        value = self.value()
        if value not in {"1", "24", "168"}:
            return queryset
        since = datetime.now(UTC) - timedelta(hours=int(value))
        return queryset.filter(pk__gte=uuid.UUID(int=int(since.timestamp() * 1000) << 80))


@admin.register(Message)
class MessageAdmin(ModerationAdmin):
    list_display = ("created_at", "channel", "author", "shown_text", "number", "edited_at", "deleted_at")
    list_filter = (WhenFilter,)
    list_select_related = ("channel", "author")
    search_fields = ("text",)
    search_help_text = (
        "in:KEY (a channel), by:NAME (an author), and words: a text that contains them, among the newest "
        f"{SEARCHED_MESSAGES:,} of what is left."
    )
    ordering = ("-id",)
    fields = (
        "id", "channel", "author", "text", "number", "seq", "changed_seq", "reply_to", "nonce",
        "created_at", "edited_at", "deleted_at",
    )  # fmt: skip
    readonly_fields = fields
    actions = ("take_away",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        return without_direct(request, super().get_queryset(request), "channel__kind")

    @admin.display(description="text")
    def shown_text(self, message: Message) -> str:
        return "(deleted)" if message.deleted_at else Truncator(message.text).chars(80)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        queryset, words = narrowed(queryset, search_term)
        if words:
            newest = queryset.order_by("-id").values("id")[:SEARCHED_MESSAGES]
            queryset = queryset.filter(id__in=Subquery(newest))
            for word in words:
                queryset = queryset.filter(text__icontains=word)
        return queryset, False

    @admin.action(description="Take the text away (the place is kept)", permissions=["moderate"])
    def take_away(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        who = acting(request)

        def delete(message: Message) -> None:
            services.message_delete(user=who, key=message.channel.key, message_id=str(message.pk))

        self.do_each(request, queryset.select_related("channel"), delete, "Texts taken away")
