"""The admin of channels and messages, for staff: find, rename, archive, take a text away.

What the order of a channel rests on (seq, number, whose text it is) is read-only, rows are never deleted, and
every change goes through chat.services, so that live sessions see it. Lists read a bounded number of rows: the
table of messages may hold ten million.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.text import Truncator

from accounts.models import User
from accounts.selectors import user_named
from chat import services
from chat.domain import rules
from chat.domain.rules import ChannelKind
from chat.models import Channel, ChannelMembership, Message
from chat.retention import retention_set
from chat.selectors import user_ref
from reaktor.errors import ReaktorError

COUNTED_ROWS = 10_000
SEARCHED_MESSAGES = 20_000


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # generic only in its stubs
    """Counts no further than COUNTED_ROWS: a full count reads the whole table, and nobody leafs that far."""

    @cached_property
    def count(self) -> int:
        found = cast("QuerySet[Any]", self.object_list)
        return found.order_by()[:COUNTED_ROWS].count()


class StaffAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic only in its stubs
    """Staff sees everything; nothing is ever deleted."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_staff

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_staff

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_staff

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def tell(self, request: HttpRequest, done: int, what: str, refused: Iterable[str]) -> None:
        """How many were done, and each reason why one was not."""
        if done:
            self.message_user(request, f"{what}: {done}.", messages.SUCCESS)
        for reason in sorted(set(refused)):
            self.message_user(request, reason, messages.ERROR)


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # the same
    """The rules of the domain, said where the field is."""

    def clean_name(self) -> str:
        return self._checked(rules.check_channel_name, "name")

    def clean_topic(self) -> str:
        return self._checked(rules.check_topic, "topic")

    def clean_kind(self) -> str:
        kind = str(self.cleaned_data["kind"])
        if kind not in {ChannelKind.PUBLIC, ChannelKind.UNLISTED}:
            raise forms.ValidationError("Only public and unlisted channels are made by hand.")
        return kind

    def _checked(self, check: Any, field: str) -> str:
        try:
            return str(check(self.cleaned_data[field]))
        except ReaktorError as error:
            raise forms.ValidationError(error.message) from error


@admin.register(Channel)
class ChannelAdmin(StaffAdmin):
    form = ChannelForm
    list_display = ("name", "key", "kind", "members", "number", "is_default", "created_by", "created_at", "archived_at")
    list_filter = ("kind", "is_default", ("archived_at", admin.EmptyFieldListFilter))
    list_select_related = ("created_by",)
    search_fields = ("name", "=key")
    search_help_text = "A part of the name, or the whole key."
    ordering = ("-id",)
    fields = (
        "name", "topic", "kind", "key", "number", "seq", "floor_seq", "is_default", "created_by", "created_at",
        "archived_at", "retention_days", "retention_messages",
    )  # fmt: skip
    actions = ("archive",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        belonging = ChannelMembership.objects.filter(channel=OuterRef("pk")).order_by().values("channel")
        counted = Subquery(belonging.annotate(count=Count("pk")).values("count"))
        return Channel.objects.annotate(members=Coalesce(counted, 0))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Who may find a channel is settled when it is made."""
        fixed = ("key", "number", "seq", "floor_seq", "created_by", "created_at", "archived_at", "is_default")
        return fixed if obj is None else (*fixed, "kind")

    @admin.display(description="members")
    def members(self, channel: Any) -> int:
        return int(channel.members)

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        me = user_ref(cast(User, request.user))
        if change:
            services.channel_update(user=me, key=obj.key, name=obj.name, topic=obj.topic)
        else:
            made = services.channel_create(user=me, name=obj.name, topic=obj.topic, kind=obj.kind).channel
            obj.pk, obj.key = made.id, made.key
        if {"retention_days", "retention_messages"} & set(form.changed_data):
            retention_set(user=me, key=obj.key, days=obj.retention_days, messages=obj.retention_messages)

    @admin.action(description="Archive (nobody may write any more)")
    def archive(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        me, done, refused = user_ref(cast(User, request.user)), 0, []
        for channel in queryset:
            try:
                services.channel_archive(user=me, key=channel.key)
                done += 1
            except ReaktorError as error:
                refused.append(f"{channel.name}: {error.message}")
        self.tell(request, done, "Channels archived", refused)


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
class MessageAdmin(StaffAdmin):
    """Messages are looked at, and their text is taken away; nobody edits what another one said."""

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

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description="text")
    def shown_text(self, message: Message) -> str:
        return "(deleted)" if message.deleted_at else Truncator(message.text).chars(80)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Message], search_term: str
    ) -> tuple[QuerySet[Message], bool]:
        words = []
        for term in search_term.split():
            name, _, value = term.partition(":")
            if name == "in" and value:
                queryset = queryset.filter(channel__key=value)
            elif name == "by" and value:
                author = user_named(value) if value.isascii() else None
                queryset = queryset.filter(author=author) if author else queryset.none()
            else:
                words.append(term)
        if words:
            newest = queryset.order_by("-id").values("id")[:SEARCHED_MESSAGES]
            queryset = queryset.filter(id__in=Subquery(newest))
            for word in words:
                queryset = queryset.filter(text__icontains=word)
        return queryset, False

    @admin.action(description="Take the text away (the place is kept)")
    def take_away(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        me, done, refused = user_ref(cast(User, request.user)), 0, []
        for message in queryset.select_related("channel"):
            try:
                services.message_delete(user=me, key=message.channel.key, message_id=str(message.pk))
                done += 1
            except ReaktorError as error:
                refused.append(error.message)
        self.tell(request, done, "Texts taken away", refused)
