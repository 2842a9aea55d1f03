"""The lists of bots and of webhooks, with switching off; and bots of the server, which superusers make."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import bot_tokens, bots
from accounts import services as accounts
from accounts.bots import BotMadeData
from accounts.models import Bot, User
from accounts.standing import why_off
from chat import services
from chat.admin.access import ModerationAdmin, acting, shown_time
from chat.admin.messages import named_account, named_channel
from chat.models import AuditAction, Hook
from chat.selectors import user_ref
from reaktor.errors import ReaktorError


class BotForm(forms.Form):
    """A bot of the server: its account is made with it. `made`: what was, once the form is valid."""

    username = forms.CharField(max_length=32, help_text="A name like any other account's.")
    display_name = forms.CharField(max_length=bots.DISPLAY_NAME_CHARS, required=False)
    may_write = forms.BooleanField(required=False, initial=True, help_text="Without it its token only reads.")
    made: BotMadeData

    def clean(self) -> dict[str, Any]:
        """Makes the bot: every rule of names is the service's to say."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        scopes = bot_tokens.SCOPES if cleaned["may_write"] else ("read",)
        try:
            self.made = bots.bot_create(
                owner=None, username=cleaned["username"], display_name=cleaned["display_name"], scopes=scopes
            )
        except ReaktorError as error:
            raise forms.ValidationError(error.message) from error
        return cleaned


def _account(user: User) -> SafeString:
    path = reverse("admin:accounts_user_change", args=[user.pk])
    return format_html('<a href="{}">{}</a>', path, user.username)


@admin.register(Bot)
class BotAdmin(ModerationAdmin):
    """The accounts that programs speak with. Their owners make them; those without one are the server's."""

    list_display = ("account", "kind", "whose", "state", "scopes", "since")
    list_display_links = None
    list_select_related = ("user", "owner")
    search_fields = ("user__username",)
    search_help_text = "A bot's whole name, or of:NAME (its owner)."
    ordering = ("-user_id",)
    fields = ("user", "owner", "kind", "scopes", "token_since")
    actions = ("switch_off", "switch_on", "revoke", "new_token")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("accounts.view_user")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def add_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Make a bot of the server; its token is shown on a page of its own, once."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = BotForm(request.POST if request.method == "POST" else None)
        if request.method == "POST" and form.is_valid():
            bot = Bot.objects.select_related("user").get(pk=uuid.UUID(form.made["bot"]["id"]))
            services.audit_add(acting(request), AuditAction.BOT_CREATE, user_ref(bot.user))
            return self._shown_once(request, bot.user.username, form.made["token"])
        context = {**self.admin_site.each_context(request), "title": "Make a bot of the server", "form": form}
        return TemplateResponse(request, "admin/chat/bot_add.html", context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Bot], search_term: str
    ) -> tuple[QuerySet[Bot], bool]:
        for term in search_term.split():
            name, _, value = term.partition(":")
            if name == "of" and value:
                queryset = queryset.filter(owner=named_account(value))
            else:
                # A range, since SQLite would sort the one row that is equal.
                account = named_account(term)
                queryset = queryset.filter(user__gte=account, user__lte=account)
        return queryset, False

    @admin.display(description="account")
    def account(self, bot: Bot) -> SafeString:
        return _account(bot.user)

    @admin.display(description="owner")
    def whose(self, bot: Bot) -> SafeString | str:
        return "the server" if bot.owner is None else _account(bot.owner)

    @admin.display(description="state")
    def state(self, bot: Bot) -> str:
        if bot.user.deleted_at is not None:
            return "deleted"
        if why_off(bot.user) is not None:
            return "off"
        return "on" if bot.has_token or bot.kind == Bot.Kind.HOOK else "without a token"

    @admin.display(description="made")
    def since(self, bot: Bot) -> str:
        return shown_time(bot.user.created_at)

    def _shown_once(self, request: HttpRequest, username: str, token: str) -> HttpResponse:
        """A page of its own: what Django says behind a redirect it keeps in a cookie."""
        context = {**self.admin_site.each_context(request), "title": "Token", "username": username, "token": token}
        return TemplateResponse(request, "admin/chat/bot_token.html", context, headers={"Cache-Control": "no-store"})

    @admin.action(description="Switch off (its token and every session end)", permissions=["moderate"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        def off(bot: Bot) -> None:
            bots.bot_token_revoke(bot)
            accounts.user_disable(bot.user)
            self._note(request, bot, {"is_active": False})

        self.do_each(request, queryset.filter(user__deleted_at=None), off, "Bots switched off")

    @admin.action(description="Switch on (its owner makes a token)", permissions=["moderate"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        def on(bot: Bot) -> None:
            accounts.user_enable(bot.user)
            self._note(request, bot, {"is_active": True})

        # A webhook that was deleted stays off: there is nothing left that would post by it.
        there = queryset.filter(user__deleted_at=None).exclude(kind=Bot.Kind.HOOK, user__hook=None)
        self.do_each(request, there, on, "Bots switched on")

    @admin.action(description="Revoke the token", permissions=["moderate"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        def end(bot: Bot) -> None:
            bots.bot_token_revoke(bot)
            self._note(request, bot, {"token": None})

        self.do_each(request, queryset, end, "Tokens revoked")

    @admin.action(description="New token of a bot of the server", permissions=["add"])
    def new_token(self, request: HttpRequest, queryset: QuerySet[Bot]) -> HttpResponse | None:
        found = list(queryset.filter(owner=None, kind=Bot.Kind.BOT, user__is_active=True)[:2])
        if len(found) != 1:
            self.message_user(request, "Choose one bot of the server that is on.", "error")
            return None
        self._note(request, found[0], {"token": "new"})
        return self._shown_once(request, found[0].user.username, bots.bot_token_make(found[0])["token"])

    @staticmethod
    def _note(request: HttpRequest, bot: Bot, details: dict[str, Any]) -> None:
        services.audit_add(acting(request), AuditAction.ACCOUNT_RIGHTS, user_ref(bot.user), details=details)


@admin.register(Hook)
class HookAdmin(ModerationAdmin):
    """What posts into channels by an address of its own."""

    list_display = ("name", "place", "account", "maker", "state", "since")
    list_display_links = None
    list_select_related = ("channel", "created_by", "user__bot__owner")
    search_fields = ("name",)
    search_help_text = "in:KEY (a channel), or the whole name of who made it."
    ordering = ("-id",)
    fields = ("name", "channel", "user", "created_by", "created_at")
    actions = ("remove",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("chat.view_channel")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Hook], search_term: str
    ) -> tuple[QuerySet[Hook], bool]:
        for term in search_term.split():
            name, _, value = term.partition(":")
            if name == "in" and value:
                queryset = queryset.filter(channel=named_channel(value))
            else:
                queryset = queryset.filter(created_by=named_account(term))
        return queryset, False

    @admin.display(description="channel")
    def place(self, hook: Hook) -> SafeString:
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:chat_channel_change", args=[hook.channel_id]), hook.channel
        )

    @admin.display(description="account")
    def account(self, hook: Hook) -> SafeString:
        return _account(hook.user)

    @admin.display(description="made by")
    def maker(self, hook: Hook) -> SafeString | str:
        return "" if hook.created_by is None else _account(hook.created_by)

    @admin.display(description="state")
    def state(self, hook: Hook) -> str:
        return "on" if why_off(hook.user) is None else "off"

    @admin.display(description="since")
    def since(self, hook: Hook) -> str:
        return shown_time(hook.created_at)

    @admin.action(description="Delete (nothing is posted by them any more)", permissions=["moderate"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Hook]) -> None:
        who = acting(request)
        self.do_each(
            request,
            queryset,
            lambda hook: services.hook_delete(user=who, key=hook.channel.key, hook_id=str(hook.pk)),
            "Webhooks deleted",
        )
