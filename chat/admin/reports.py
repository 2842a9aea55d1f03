"""The queue of reports: each message in its context, and a decision is one click. Who waits longest comes first."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from chat import services
from chat.admin.access import sees_direct
from chat.admin.lists import LOOKED_AT, BoundedList, looked_at
from chat.admin.messages import Search
from chat.admin.object_actions import (
    DAY_S,
    FOR_GOOD,
    HOUR_S,
    WEEK_S,
    DeedForm,
    DurationField,
    ObjectAction,
    Values,
    WorkplaceAdmin,
)
from chat.domain.ids import UserRef
from chat.domain.policies import Resolution, SanctionKind
from chat.domain.rules import REASON_CHARS
from chat.models import Report
from chat.selectors.workplace import first_of_each_message, report_cards

PER_PAGE = 15
ONE_CLICK = (
    ("mute", str(HOUR_S), "Delete, mute 1 hour"),
    ("mute", str(DAY_S), "Delete, mute 1 day"),
    ("ban", str(DAY_S), "Delete, ban 1 day"),
    ("ban", str(WEEK_S), "Delete, ban 1 week"),
    ("ban", FOR_GOOD, "Delete, ban for good"),
)
"""Each also deletes the message, and says so."""


class SanctionForm(DeedForm):
    """`choice` is kind:seconds, so that one button says both; `place` everywhere or here; without a reason the
    report's own is taken.
    """

    choice = forms.ChoiceField(choices=[(f"{kind}:{seconds}", label) for kind, seconds, label in ONE_CLICK])
    place = forms.ChoiceField(choices=[("here", "here"), ("everywhere", "everywhere")])
    reason = forms.CharField(max_length=REASON_CHARS, required=False)

    def clean(self) -> Values:
        values: Values = super().clean() or {}
        if choice := values.get("choice"):
            kind, _, seconds = choice.partition(":")
            values |= {"kind": kind, "until": DurationField().clean(seconds)}
        return values


def _dismiss(who: UserRef, report: Report, values: Values) -> str:
    services.report_resolve(user=who, report_id=report.pk, resolution=Resolution.DISMISSED.value)
    return f"The report on {report.author.username} is dismissed."


def _delete(who: UserRef, report: Report, values: Values) -> str:
    resolution = Resolution.DELETED.value
    services.report_resolve(user=who, report_id=report.pk, resolution=resolution, reason=report.reason)
    return f"The message of {report.author.username} is deleted."


def _sanction(who: UserRef, report: Report, values: Values) -> str:
    services.report_resolve(
        user=who,
        report_id=report.pk,
        resolution=Resolution.SANCTIONED.value,
        kind=values["kind"],
        until=values["until"],
        is_everywhere=values["place"] == "everywhere",
        reason=values["reason"],
    )
    done = "muted" if values["kind"] == SanctionKind.MUTE.value else "banned"
    where = "everywhere" if values["place"] == "everywhere" else f"in {report.channel.name}"
    return f"The message is deleted, and {report.author.username} is {done} {where}."


class StateFilter(admin.SimpleListFilter):
    """Without a choice: the open ones."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("resolved", "decided"), ("all", "all, newest first")]

    def choices(self, changelist: Any) -> Any:
        """Django's "All" is not what is shown without a choice."""
        found = list(super().choices(changelist))
        found[0]["display"] = "open"
        return found

    def queryset(self, request: HttpRequest, queryset: QuerySet[Report]) -> QuerySet[Report]:
        if self.value() == "all":
            return queryset
        return queryset.filter(resolved_at__isnull=self.value() != "resolved")


class SourceFilter(admin.SimpleListFilter):
    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("people", "people"), ("words", "word filter")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Report]) -> QuerySet[Report]:
        if self.value() not in {"people", "words"}:
            return queryset
        return looked_at(queryset, _order(request)).filter(reporter__isnull=self.value() == "words")


def _order(request: HttpRequest) -> str:
    """Of the open ones who waits longest comes first, of others the newest."""
    return "-id" if request.GET.get("state") in {"resolved", "all"} else "id"


class ReportList(BoundedList):
    """The list as cards instead of rows."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        return [_order(request)]

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """One card for a message, with all its reports; whoever searches looks for a certain one."""
        found: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        if self.query:
            return found
        source = self.params.get("source")
        among = Report.objects.all() if source is None else Report.objects.filter(reporter__isnull=source == "words")
        return first_of_each_message(found, among)

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.cards = report_cards(list(self.result_list), with_direct=sees_direct(request))


@admin.register(Report)
class ReportAdmin(WorkplaceAdmin):
    change_list_template = "admin/chat/reports.html"
    list_display = ("id",)
    list_filter = (StateFilter, SourceFilter)
    list_select_related = ("message", "channel", "author", "reporter", "resolved_by")
    list_per_page = PER_PAGE
    search_fields = ("reason",)
    search_help_text = (
        f"in:KEY (a channel), by:NAME (whose message), and words of the reason, among {LOOKED_AT:,} of what is left."
    )
    fields = (
        "author", "channel", "text", "reason", "reporter", "created_at", "resolved_at", "resolved_by", "resolution",
    )  # fmt: skip
    object_actions = (
        ObjectAction("dismiss", _dismiss),
        ObjectAction("delete", _delete),
        ObjectAction("sanction", _sanction, SanctionForm),
    )

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ReportList

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        choices = [(f"{kind}:{seconds}", label) for kind, seconds, label in ONE_CLICK]
        context = {"title": "Reports", "one_click": choices, "can": self.can(request)}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Report], search_term: str
    ) -> tuple[QuerySet[Report], bool]:
        search = Search.parsed(search_term)
        queryset = queryset.filter(search.condition)
        if search.words:
            queryset = looked_at(queryset, _order(request))
        for word in search.words:
            queryset = queryset.filter(reason__icontains=word)
        return queryset, False
