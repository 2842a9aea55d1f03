"""The list of sanctions, those in force first to be seen, with lifting; and the rules of the word filter."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from chat import services
from chat.admin.access import ModerationAdmin, acting, shown_time
from chat.admin.messages import named_account, named_channel
from chat.domain.policies import SanctionKind
from chat.models import Sanction, WordRule
from chat.selectors.workplace import sanctions_in_force
from chat.services.words import WORD_CHARS


class ForceFilter(admin.SimpleListFilter):
    """Without a choice: those in force."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("over", "lifted or over"), ("all", "all")]

    def choices(self, changelist: Any) -> Any:
        """Django's "All" is not what is shown without a choice."""
        found = list(super().choices(changelist))
        found[0]["display"] = "in force"
        return found

    def queryset(self, request: HttpRequest, queryset: QuerySet[Sanction]) -> QuerySet[Sanction]:
        if self.value() == "all":
            return queryset
        in_force = sanctions_in_force(datetime.now(UTC))
        return queryset.exclude(in_force) if self.value() == "over" else queryset.filter(in_force)


class KindFilter(admin.SimpleListFilter):
    title = "kind"
    parameter_name = "kind__exact"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(kind.value, kind.name.title()) for kind in SanctionKind]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Sanction]) -> QuerySet[Sanction]:
        """Along the ids: the index of the kinds has them in another order, and what it finds would be sorted."""
        if not self.value():
            return queryset
        return queryset.alias(of_kind=Coalesce("kind", Value(""))).filter(of_kind=self.value())


class PlaceFilter(admin.SimpleListFilter):
    title = "place"
    parameter_name = "place"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("everywhere", "everywhere"), ("channel", "one channel")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Sanction]) -> QuerySet[Sanction]:
        if self.value() not in {"everywhere", "channel"}:
            return queryset
        return queryset.filter(channel__isnull=self.value() == "everywhere")


@admin.register(Sanction)
class SanctionAdmin(ModerationAdmin):
    list_display = ("kind", "whose", "where", "state", "since", "ends", "reason", "issued_by")
    list_display_links = None
    list_filter = (ForceFilter, KindFilter, PlaceFilter)
    list_select_related = ("user", "channel", "issued_by", "lifted_by")
    search_fields = ("reason",)
    search_help_text = "A user's whole name, or in:KEY (a channel)."
    ordering = ("-id",)
    sortable_by = ("since",)
    fields = ("kind", "user", "channel", "reason", "issued_by", "created_at", "until", "lifted_at", "lifted_by")
    actions = ("lift",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Sanction], search_term: str
    ) -> tuple[QuerySet[Sanction], bool]:
        for term in search_term.split():
            name, _, value = term.partition(":")
            if name == "in" and value:
                queryset = queryset.filter(channel=named_channel(value))
            else:
                queryset = queryset.filter(user=named_account(term))
        return queryset, False

    @admin.display(description="user")
    def whose(self, sanction: Sanction) -> SafeString:
        path = reverse("admin:accounts_user_change", args=[sanction.user_id])
        return format_html('<a href="{}">{}</a>', path, sanction.user.username)

    @admin.display(description="where")
    def where(self, sanction: Sanction) -> str:
        return sanction.channel.name if sanction.channel else "everywhere"

    @admin.display(description="since", ordering="id")
    def since(self, sanction: Sanction) -> str:
        return shown_time(sanction.created_at)

    @admin.display(description="until")
    def ends(self, sanction: Sanction) -> str:
        return shown_time(sanction.until, "for good")

    @admin.display(description="state")
    def state(self, sanction: Sanction) -> str:
        if sanction.lifted_at:
            return f"lifted by {sanction.lifted_by}" if sanction.lifted_by else "lifted"
        return "over" if sanction.until and sanction.until <= datetime.now(UTC) else "in force"

    @admin.action(description="Lift (mutes and bans end now)", permissions=["moderate"])
    def lift(self, request: HttpRequest, queryset: QuerySet[Sanction]) -> None:
        who = acting(request)
        self.do_each(
            request,
            queryset,
            lambda sanction: services.sanction_lift(user=who, sanction_id=sanction.pk),
            "Sanctions lifted",
        )


class WordForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in its stubs
    word = forms.CharField(max_length=WORD_CHARS, help_text="A word or phrase; whole words, upper or lower case.")


@admin.register(WordRule)
class WordRuleAdmin(ModerationAdmin):
    """Who makes rules for everybody needs Django's own permissions on them; moderators don't have those."""

    form = WordForm
    list_display = ("word", "action", "created_at")
    list_filter = ("action",)
    search_fields = ("word",)
    ordering = ("word",)
    sortable_by = ("word",)
    fields = ("word", "action")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("chat.add_wordrule")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("chat.change_wordrule")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("chat.delete_wordrule")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Another word is another rule."""
        return () if obj is None else ("word",)

    def save_model(self, request: HttpRequest, obj: WordRule, form: Any, change: bool) -> None:
        obj.pk = services.word_set(user=acting(request), word=obj.word, action=obj.action).pk

    def delete_model(self, request: HttpRequest, obj: WordRule) -> None:
        services.word_remove(user=acting(request), word=obj.word)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[WordRule]) -> None:
        for rule in queryset:
            self.delete_model(request, rule)
