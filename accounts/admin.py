"""The admin of accounts: find them, see them; superusers switch them off and on, give rights and passwords.

What moderators do with them is chat's to add (chat.admin.people).

Forms and actions call the same services as everything else, so that tokens and live sessions end when they should.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import UserChangeForm
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django_otp.plugins.otp_static import admin as static_admin
from django_otp.plugins.otp_totp import admin as totp_admin
from rest_framework_simplejwt.token_blacklist import admin as blacklist_admin

from accounts import app_passwords, names, second_factor, services, tokens
from accounts.claims import name_check
from accounts.forms import NewAccountForm, PasswordForm
from accounts.models import User
from reaktor.errors import ReaktorError

# Dead refresh tokens are a matter of the machinery, groups of nobody here, second factors of their owners alone.
admin.site.unregister([blacklist_admin.BlacklistedToken, blacklist_admin.OutstandingToken, Group])
admin.site.unregister([totp_admin.TOTPDevice, static_admin.StaticDevice])

admin.site.site_header = "Reaktor"
admin.site.site_title = "Reaktor"
admin.site.index_title = "Administration"

AT_ONCE = 1_000
"""So many accounts one action acts on."""
LAST_CHAR = "\U0010ffff"


def _checked_username(form: Any) -> str:
    username, owner = names.stored(form.cleaned_data["username"]), form.instance
    try:
        # Who has a reserved name from before keeps it.
        if owner._state.adding or names.folded(username) != names.folded(owner.username):
            services.check_username(username)
        name_check(username, None if owner._state.adding else owner.pk)
    except ReaktorError as error:
        raise forms.ValidationError(error.message) from error
    return username


def _without(fields: Sequence[Any], name: str) -> tuple[Any, ...]:
    return tuple(each for each in fields if each != name)


class AccountForm(UserChangeForm):  # type: ignore[type-arg]  # generic only in its stubs
    """An account as superusers may change it. Bots get no rights: their tokens lie about in files."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        rights = ("is_staff", "is_superuser", "groups", "user_permissions")
        if self.instance.is_bot and any(cleaned.get(name) for name in rights):
            raise forms.ValidationError("A bot gets none of the rights of staff.")
        return cleaned

    def clean_username(self) -> str:
        return _checked_username(self)


class CreationForm(NewAccountForm):
    """A new account by hand, under a name that it may have."""

    def clean_username(self) -> str:
        return _checked_username(self)


@admin.register(User)
class UserAdmin(DjangoUserAdmin):  # type: ignore[type-arg]  # the same
    """Accounts are switched off, never deleted: what they wrote keeps its author."""

    form = AccountForm
    add_form = CreationForm
    change_password_form = PasswordForm
    list_display = ("username", "is_active", "is_staff", "created_at", "last_login")
    list_filter = ("is_active", "is_staff", "is_superuser")
    search_fields = ("username",)
    search_help_text = "The beginning of a name."
    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    filter_horizontal = ("groups", "user_permissions")
    readonly_fields = ("is_bot", "id", "created_at", "last_login", "token_version", "is_active", "named_app_passwords")
    fieldsets = (
        (None, {"fields": ("username", "password", "id", "created_at", "last_login")}),
        (
            "Access",
            {"fields": ("is_active", "is_bot", "is_staff", "is_superuser", "token_version", "named_app_passwords")},
        ),
        ("Permissions", {"fields": ("groups", "user_permissions"), "classes": ("collapse",)}),
    )
    add_fieldsets = ((None, {"fields": ("username", "password1", "password2")}),)
    actions = ("log_out", "switch_off", "switch_on", "remove_second_factor", "revoke_app_passwords")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("accounts.view_user")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who could change accounts could make themselves superuser."""
        return request.user.is_superuser

    def has_add_permission(self, request: HttpRequest) -> bool:
        return request.user.is_superuser

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[User], search_term: str
    ) -> tuple[QuerySet[User], bool]:
        """By the beginning of the name, as a range: the index on the folded name has them in order."""
        term = names.folded(search_term.strip()[: names.MAX_TYPED])
        if not term:
            return queryset, False
        if not names.could_be(term):
            return queryset.none(), False
        found = queryset.filter(username_folded__gte=term, username_folded__lte=term + LAST_CHAR)
        return found.order_by("username_folded"), False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        if not change:
            services.user_store(obj)
            return
        if "username" in form.changed_data:
            services.user_rename(User.objects.get(pk=obj.pk), username=obj.username)
        # Only what was changed here: the rest of the row is as old as the form, and somebody may be banned meanwhile.
        columns = {field.name for field in User._meta.concrete_fields} - {"username"}
        if changed := columns & set(form.changed_data):
            obj.save(update_fields=changed)
        if {"is_staff", "is_superuser"} & set(form.changed_data):
            services.rights_announce(obj)
            if tokens.is_staff(obj):
                app_passwords.app_passwords_revoke(obj)

    @admin.action(description="Log out everywhere")
    def log_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, services.tokens_revoke_all, "logged out")

    @admin.action(description="Switch off (every session ends)")
    def switch_off(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset.exclude(pk=cast(User, request.user).pk), services.user_disable, "switched off")

    @admin.action(description="Switch on")
    def switch_on(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        self._each(request, queryset, services.user_enable, "switched on")

    @admin.action(description="Remove the second factor (it was lost)", permissions=["change"])
    def remove_second_factor(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by = cast(User, request.user)
        self._each(request, queryset, lambda user: second_factor.remove(user, by=by), "without a second factor now")

    @admin.action(description="Revoke all app passwords", permissions=["change"])
    def revoke_app_passwords(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        by = cast(User, request.user)

        def revoke(user: User) -> None:
            app_passwords.app_passwords_revoke(user, by=by)

        self._each(request, queryset, revoke, "without app passwords now")

    @admin.display(description="App passwords")
    def named_app_passwords(self, user: User) -> str:
        return ", ".join(each["name"] for each in app_passwords.app_passwords_of(user)) or "none"

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """What somebody calls their devices is for superusers, who may revoke them."""
        found = super().get_fieldsets(request, obj)
        if request.user.is_superuser:
            return found
        return [
            (title, {**shown, "fields": _without(shown["fields"], "named_app_passwords")}) for title, shown in found
        ]

    def _each(self, request: HttpRequest, users: QuerySet[User], service: Callable[[User], object], done: str) -> None:
        """Staff may not act on superusers."""
        chosen = list((users if request.user.is_superuser else users.filter(is_superuser=False))[:AT_ONCE])
        for user in chosen:
            service(user)
        self.message_user(request, f"Accounts {done}: {len(chosen)}.", messages.SUCCESS)
