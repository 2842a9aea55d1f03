"""The audit log: found by who, on whom, where, what and when; taken along as CSV or JSON lines; never changed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet, Value
from django.db.models.functions import Lower
from django.http import Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path

from accounts import names
from chat.admin.access import ModerationAdmin, shown_time
from chat.admin.lists import LOOKED_AT, looked_at
from chat.models import AuditAction, AuditEntry
from chat.selectors.moderation import audit_data

EXPORTED = 50_000
"""Entries in one export, the newest first: some 15 MB. More is exported by its dates."""
BATCH = 1_000
COLUMNS = ("id", "at", "actor", "action", "target", "channel", "reason", "details")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet would run instead of show."""
DAYS = {"1": "last day", "7": "last week", "30": "last month", "365": "last year"}


class ActionFilter(admin.SimpleListFilter):
    title = "action"
    parameter_name = "action_is"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(action.value, action.value) for action in AuditAction]

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        return queryset.filter(action=self.value()) if self.value() else queryset


class DaysFilter(admin.SimpleListFilter):
    title = "time"
    parameter_name = "days"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(DAYS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        value = self.value()
        if value not in DAYS:
            return queryset
        return _since(queryset, datetime.now(UTC) - timedelta(days=int(value)))


@admin.register(AuditEntry)
class AuditAdmin(ModerationAdmin):
    change_list_template = "admin/chat/audit.html"
    list_display = ("when", "actor", "action", "target", "channel", "reason", "shown_details")
    list_filter = (ActionFilter, DaysFilter)
    search_fields = ("reason",)
    search_help_text = (
        "by:NAME (who), on:NAME (to whom), in:KEY (a channel), since:2026-01-31, until:2026-02-28, and words of the "
        f"reason, among the newest {LOOKED_AT:,} of what is left."
    )
    ordering = ("-id",)
    sortable_by = ("when",)
    fields = ("at", "actor", "actor_id", "action", "target", "target_id", "channel", "reason", "details")
    actions = None

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export_view)
        return [path("export/<slug:kind>/", export, name="chat_auditentry_export"), *super().get_urls()]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        words = []
        for term in search_term.split():
            name, _, value = term.partition(":")
            match name if value else "":
                case "by":
                    queryset = queryset.alias(by=Lower("actor")).filter(by=_as_stored(value))
                case "on":
                    queryset = queryset.alias(on=Lower("target")).filter(on=_as_stored(value))
                case "in":
                    queryset = queryset.filter(channel=value)
                case "since" if (day := _day(value)) is not None:
                    queryset = _since(queryset, day)
                case "until" if (day := _day(value)) is not None:
                    queryset = _before(queryset, day + timedelta(days=1))
                case _:
                    words.append(term)
        if words:
            queryset = looked_at(queryset)
        for word in words:
            queryset = queryset.filter(reason__icontains=word)
        return queryset, False

    @admin.display(description="when", ordering="id")
    def when(self, entry: AuditEntry) -> str:
        return shown_time(entry.at)

    @admin.display(description="details")
    def shown_details(self, entry: AuditEntry) -> str:
        return ", ".join(f"{name}: {value}" for name, value in entry.details.items() if value is not None)

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """What the list shows with the same query, all of its pages, up to EXPORTED entries."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if kind not in {"csv", "jsonl"}:
            raise Http404
        entries = _newest(self.get_changelist_instance(request).get_queryset(request))
        lines = _csv(entries) if kind == "csv" else _json_lines(entries)
        content_type = "text/csv; charset=utf-8" if kind == "csv" else "application/x-ndjson"
        headers = {"Content-Disposition": f'attachment; filename="audit.{kind}"', "Cache-Control": "no-store"}
        return StreamingHttpResponse(lines, content_type=content_type, headers=headers)


def _first_since(at: datetime) -> int | None:
    """The id of the first entry from then on; they are numbered in the order of their times."""
    return AuditEntry.objects.filter(at__gte=at).order_by("at").values_list("id", flat=True).first()


def _since(entries: QuerySet[AuditEntry], at: datetime) -> QuerySet[AuditEntry]:
    """By id: the list goes along the ids, and no index has two orders."""
    first = _first_since(at)
    return entries.none() if first is None else entries.filter(id__gte=first)


def _before(entries: QuerySet[AuditEntry], at: datetime) -> QuerySet[AuditEntry]:
    first = _first_since(at)
    return entries if first is None else entries.filter(id__lt=first)


def _as_stored(name: str) -> Lower:
    """The name as the database itself writes it in lower case: SQLite does so with ASCII alone."""
    return Lower(Value(names.stored(name)))


def _day(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return None


def _newest(found: QuerySet[AuditEntry]) -> Iterator[AuditEntry]:
    """Along the primary key, a batch at a time: neither a long transaction nor a table in memory."""
    left, below = EXPORTED, None
    while left > 0:
        page = found.order_by("-id") if below is None else found.filter(id__lt=below).order_by("-id")
        batch = list(page[: min(BATCH, left)])
        yield from batch
        left -= len(batch)
        if len(batch) < BATCH:
            return
        below = batch[-1].pk


def _json_lines(entries: Iterator[AuditEntry]) -> Iterator[bytes]:
    for entry in entries:
        yield orjson.dumps(audit_data(entry)) + b"\n"


def _csv(entries: Iterator[AuditEntry]) -> Iterator[bytes]:
    row = io.StringIO()
    writer = csv.writer(row)
    writer.writerow(COLUMNS)
    yield row.getvalue().encode()
    for entry in entries:
        row.seek(0)
        row.truncate()
        data = audit_data(entry) | {"details": orjson.dumps(entry.details).decode() if entry.details else ""}
        writer.writerow([_harmless(data[name]) for name in COLUMNS])
        yield row.getvalue().encode()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
