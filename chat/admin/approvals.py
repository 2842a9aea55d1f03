"""The queue of accounts that wait for approval: each is decided by one click, or many at once. The oldest first."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from accounts.models import EmailAddress, User, WaitingAccount
from chat import services
from chat.admin.access import MODERATE, acting, shown_time
from chat.admin.object_actions import ObjectAction, Values, WorkplaceAdmin
from chat.domain.ids import UserRef


def _approve(who: UserRef, waiting: WaitingAccount, values: Values) -> str:
    services.account_approve(user=who, account=waiting.user)
    return f"{waiting.user.username} is approved."


def _refuse(who: UserRef, waiting: WaitingAccount, values: Values) -> str:
    name = waiting.user.username
    services.account_refuse(user=who, account=waiting.user)
    return f"{name} is refused; the name is free."


@admin.register(WaitingAccount)
class ApprovalAdmin(WorkplaceAdmin):
    list_display = ("username", "email", "waits_since", "decide")
    list_display_links = None
    list_select_related = ("user",)
    ordering = ("since", "pk")
    actions = ("approve", "refuse")
    object_actions = (ObjectAction("approve", _approve), ObjectAction("refuse", _refuse))

    def get_queryset(self, request: HttpRequest) -> QuerySet[WaitingAccount]:
        """With the newest address of each."""
        given = EmailAddress.objects.filter(user_id=OuterRef("pk")).order_by("-id")
        found: QuerySet[WaitingAccount] = super().get_queryset(request)
        return found.annotate(
            address=Subquery(given.values("address")[:1]), confirmed_at=Subquery(given.values("confirmed_at")[:1])
        )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm(MODERATE)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(MODERATE)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"title": "Accounts that wait", **(extra_context or {})})

    @admin.display(description="name")
    def username(self, waiting: WaitingAccount) -> str:
        return waiting.user.username

    @admin.display(description="e-mail")
    def email(self, waiting: WaitingAccount) -> str:
        """What they gave, and whether the link that was mailed there has been used."""
        address, confirmed_at = waiting.address, waiting.confirmed_at  # type: ignore[attr-defined]  # get_queryset()
        return f"{address} ({'confirmed' if confirmed_at else 'not confirmed'})" if address else ""

    @admin.display(description="waits since (UTC)")
    def waits_since(self, waiting: WaitingAccount) -> str:
        return shown_time(waiting.since)

    @admin.display(description="")
    def decide(self, waiting: WaitingAccount) -> str:
        """Two buttons of the list's own form, which has the token against forgery."""
        home = reverse("admin:accounts_waitingaccount_changelist")
        button = '<button type="submit" class="{}" formaction="{}{}/do/{}/" name="back" value="{}">{}</button> '
        approve = format_html(button, "button", home, waiting.pk, "approve", home, "Approve")
        return approve + format_html(button, "button grave", home, waiting.pk, "refuse", home, "Refuse")

    @admin.action(description="Approve", permissions=["moderate"])
    def approve(self, request: HttpRequest, queryset: QuerySet[WaitingAccount]) -> None:
        self._each(request, queryset, services.account_approve, "Accounts approved")

    @admin.action(description="Refuse (the account goes, its name is free)", permissions=["moderate"])
    def refuse(self, request: HttpRequest, queryset: QuerySet[WaitingAccount]) -> None:
        self._each(request, queryset, services.account_refuse, "Accounts refused")

    def _each(self, request: HttpRequest, chosen: QuerySet[WaitingAccount], service: Any, what: str) -> None:
        who = acting(request)
        users = User.objects.filter(pk__in=chosen.values_list("pk", flat=True))
        self.do_each(request, users, lambda user: service(user=who, account=user), what)
