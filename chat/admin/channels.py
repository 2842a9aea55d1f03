"""The page of one channel as a place to work at: who is in it, who belongs to it, what was said lately, and buttons.

What the order of a channel rests on (seq, number) is read-only, rows are never deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import admin
from django.db import connection
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.expressions import RawSQL
from django.db.models.functions import Coalesce
from django.http import HttpRequest

from chat import services
from chat.admin import live
from chat.admin.access import MANAGE_CHANNELS, acting, sees_direct, shown_time, without_direct
from chat.admin.lists import LOOKED_AT
from chat.admin.object_actions import DAY_S, DeedForm, ObjectAction, Values, WorkplaceAdmin
from chat.admin.people import LiftForm, lift
from chat.domain import rules
from chat.domain.ids import UserRef
from chat.domain.policies import ChannelKind, Role
from chat.models import Channel, ChannelMembership, name_search
from chat.retention import retention_set
from chat.selectors.workplace import channel_page
from chat.services.channels import MADE_BY_HAND
from chat.services.invites import MAX_USES
from reaktor.errors import ReaktorError

SLOW_MODES = ((0, "off"), (5, "5 s"), (30, "30 s"), (60, "1 min"), (300, "5 min"), (1_800, "30 min"), (21_600, "6 h"))
MAX_INVITE_DAYS = 365
FOUND = 1_000
"""So many channels one search finds, the newest. They are sorted where a filter comes to it."""


class ChannelForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in its stubs
    """The rules of the domain, said where the field is."""

    def clean_name(self) -> str:
        return self._checked(rules.check_channel_name, "name")

    def clean_topic(self) -> str:
        return self._checked(rules.check_topic, "topic")

    def clean_kind(self) -> str:
        kind = str(self.cleaned_data["kind"])
        if kind not in MADE_BY_HAND:
            raise forms.ValidationError("Only public, unlisted and private channels are made by hand.")
        return kind

    def _checked(self, check: Callable[[Any], object], field: str) -> str:
        try:
            return str(check(self.cleaned_data[field]))
        except ReaktorError as error:
            raise forms.ValidationError(error.message) from error


class SlowForm(DeedForm):
    seconds = forms.IntegerField(min_value=0)


class RoleForm(DeedForm):
    username = forms.CharField(max_length=32)
    role = forms.ChoiceField(choices=[(role.value, role.value) for role in Role])


class MessageForm(DeedForm):
    message = forms.UUIDField()


class InviteForm(DeedForm):
    uses = forms.IntegerField(min_value=1, max_value=MAX_USES, required=False)
    days = forms.IntegerField(min_value=1, max_value=MAX_INVITE_DAYS, required=False)


class RevokeForm(DeedForm):
    code = forms.CharField(max_length=32)


def _slow(who: UserRef, channel: Channel, values: Values) -> str:
    services.channel_update(user=who, key=channel.key, slow_mode_s=values["seconds"])
    return f"Slow mode: one message in {values['seconds']} s." if values["seconds"] else "Slow mode is off."


def _threads(who: UserRef, channel: Channel, values: Values) -> str:
    services.channel_update(user=who, key=channel.key, threads=not channel.has_threads)
    return f"{channel.name} has {'no threads any more' if channel.has_threads else 'threads again'}."


def _freeze(who: UserRef, channel: Channel, values: Values) -> str:
    services.channel_update(user=who, key=channel.key, is_frozen=True)
    return f"{channel.name} is frozen: only moderators write in it now."


def _thaw(who: UserRef, channel: Channel, values: Values) -> str:
    services.channel_update(user=who, key=channel.key, is_frozen=False)
    return f"{channel.name} is open again."


def _let_everybody_pin(who: UserRef, channel: Channel, values: Values) -> str:
    services.channel_update(user=who, key=channel.key, everybody_pins=True)
    return f"Whoever may write in {channel.name} may pin messages now."


def _let_moderators_pin(who: UserRef, channel: Channel, values: Values) -> str:
    services.channel_update(user=who, key=channel.key, everybody_pins=False)
    return f"Only moderators pin messages in {channel.name} now."


def _archive(who: UserRef, channel: Channel, values: Values) -> str:
    services.channel_archive(user=who, key=channel.key)
    return f"{channel.name} is archived."


def _ask_archive(channel: Channel, values: Values) -> str:
    return f"Archive {channel.name}? Nobody will write in it any more, and there is no way back from here."


def _role(who: UserRef, channel: Channel, values: Values) -> str:
    role = services.role_set(user=who, key=channel.key, username=values["username"], role=values["role"])
    return f"{values['username']} is {role.value} of {channel.name} now."


def _delete_message(who: UserRef, channel: Channel, values: Values) -> str:
    message = services.message_delete(user=who, key=channel.key, message_id=str(values["message"]))
    return f"Message {message['number']} of {message['author']} is deleted."


def _invite(who: UserRef, channel: Channel, values: Values) -> str:
    ends = datetime.now(UTC) + timedelta(seconds=DAY_S * values["days"]) if values["days"] else None
    invite = services.invite_create(user=who, key=channel.key, uses=values["uses"], expires_at=ends)
    return f"The invite's code is {invite['code']}."


def _revoke(who: UserRef, channel: Channel, values: Values) -> str:
    services.invite_revoke(user=who, code=values["code"])
    return "The invite lets nobody in any more."


class EmptyFilter(admin.EmptyFieldListFilter):
    """Of a column that few rows have, as its index says it: SQLite does not know it in Django's NOT (… IS NULL)."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Channel]) -> QuerySet[Channel]:
        if self.lookup_val not in {"0", "1"}:
            return queryset
        return queryset.filter(**{f"{self.field_path}__isnull": self.lookup_val == "1"})


@admin.register(Channel)
class ChannelAdmin(WorkplaceAdmin):
    form = ChannelForm
    change_form_template = "admin/chat/channel.html"
    list_display = ("name", "key", "kind", "members", "number", "is_default", "created_by", "made", "state")
    list_filter = (
        "kind",
        "is_default",
        ("archived_at", EmptyFilter),
        ("frozen_at", EmptyFilter),
    )
    list_select_related = ("created_by",)
    search_fields = ("name", "=key")
    search_help_text = (
        f"A part of the name, or the whole key. One or two letters are looked for in the newest {LOOKED_AT:,}."
    )
    ordering = ("-id",)
    sortable_by = ("key", "made")
    fields = ("name", "topic", "kind", "retention_days", "retention_messages")
    actions = ("archive",)
    object_actions = (
        ObjectAction("slow", _slow, SlowForm),
        ObjectAction("threads", _threads),
        ObjectAction("freeze", _freeze),
        ObjectAction("thaw", _thaw),
        ObjectAction("everybody_pins", _let_everybody_pin),
        ObjectAction("moderators_pin", _let_moderators_pin),
        ObjectAction("archive", _archive, permission=MANAGE_CHANNELS, question=_ask_archive),
        ObjectAction("role", _role, RoleForm, permission=MANAGE_CHANNELS),
        ObjectAction("delete_message", _delete_message, MessageForm),
        ObjectAction("lift", lift, LiftForm),
        ObjectAction("invite", _invite, InviteForm, permission=MANAGE_CHANNELS),
        ObjectAction("revoke", _revoke, RevokeForm),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.add_channel")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(MANAGE_CHANNELS)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Channel]:
        belonging = ChannelMembership.objects.filter(channel=OuterRef("pk")).order_by().values("channel")
        counted = Subquery(belonging.annotate(count=Count("pk")).values("count"))
        found = Channel.objects.annotate(members=Coalesce(counted, 0)).select_related("created_by")
        return without_direct(request, found, "kind")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Channel], search_term: str
    ) -> tuple[QuerySet[Channel], bool]:
        """As everybody's search finds names: whatever their case, accents and form."""
        term = search_term.strip()
        if not term:
            return queryset, False
        found, parameters = name_search.found(connection, term, limit=FOUND, looked_at=LOOKED_AT)
        return queryset.filter(pk__in=RawSQL(found, parameters)), False  # noqa: S611  the text is name_search's own

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Who may find a channel is settled when it is made."""
        return () if obj is None else ("kind",)

    @admin.display(description="members")
    def members(self, channel: Any) -> int:
        return int(channel.members)

    @admin.display(description="created", ordering="id")
    def made(self, channel: Channel) -> str:
        return shown_time(channel.created_at)

    @admin.display(description="state")
    def state(self, channel: Channel) -> str:
        return "archived" if channel.archived_at else "frozen" if channel.frozen_at else "open"

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        channel = kwargs.get("obj")
        if channel is not None:
            here, here_count = live.members_of(channel.key)
            context |= {
                "page": channel_page(channel, with_direct=sees_direct(request)),
                "here": here,
                "here_count": here_count,
                "is_invited_to": channel.kind in {ChannelKind.PRIVATE, ChannelKind.UNLISTED},
                "now": datetime.now(UTC),
                "slow_modes": SLOW_MODES,
                "roles": [role.value for role in Role],
                "can": self.can(request),
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        me = acting(request)
        if change:
            services.channel_update(user=me, key=obj.key, name=obj.name, topic=obj.topic)
        else:
            made = services.channel_create(user=me, name=obj.name, topic=obj.topic, kind=obj.kind).channel
            obj.pk, obj.key = made.id, made.key
        if {"retention_days", "retention_messages"} & set(form.changed_data):
            retention_set(user=me, key=obj.key, days=obj.retention_days, messages=obj.retention_messages)

    @admin.action(description="Archive (nobody may write any more)", permissions=["manage"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Channel]) -> None:
        who = acting(request)
        self.do_each(
            request, queryset, lambda channel: services.channel_archive(user=who, key=channel.key), "Channels archived"
        )
