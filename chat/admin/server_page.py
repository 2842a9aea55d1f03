"""The page of the admin on which superusers say whose server this is."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any, cast

from django import forms
from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.apps import AccountsConfig
from chat import services
from chat.admin.access import ModerationAdmin, acting
from chat.models import ServerPage
from chat.selectors.server_page import logo_url
from reaktor.errors import ReaktorError

LOGO_SIZE = (512, 256)


class ServerPageForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in its stubs
    """The page, and a picture that becomes the logo."""

    picture = forms.FileField(
        required=False, label="Logo", help_text="PNG, JPEG, WebP or GIF, at most 5 MiB; scaled to 512 by 256 pixels."
    )
    without_logo = forms.BooleanField(required=False, label="No logo")

    class Meta:
        model = ServerPage
        fields = ("name", "welcome", "rules")

    def clean(self) -> dict[str, Any]:
        """Reads the picture, in a process of its own: `logo` is what is to be stored."""
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned["logo"] = b"" if cleaned.get("without_logo") else None
        if (sent := cleaned.get("picture")) is not None:
            with tempfile.TemporaryFile() as source:
                shutil.copyfileobj(sent, source)
                try:
                    cleaned["logo"] = _accounts().pictures.within(source, LOGO_SIZE)
                except ReaktorError as error:
                    self.add_error("picture", error.message)
        return cleaned


def _accounts() -> AccountsConfig:
    return cast(AccountsConfig, apps.get_app_config("accounts"))


@admin.register(ServerPage)
class ServerPageAdmin(ModerationAdmin):
    """One row, and no list of it."""

    form = ServerPageForm
    fields = ("name", "shown_logo", "picture", "without_logo", "welcome", "rules")
    readonly_fields = ("shown_logo",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.is_active and request.user.is_superuser

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """There is nothing to choose."""
        if not self.has_view_permission(request):
            return super().changelist_view(request, extra_context)
        ServerPage.objects.get_or_create(pk=1)
        return HttpResponseRedirect(reverse("admin:chat_serverpage_change", args=[1]))

    @admin.display(description="Logo now")
    def shown_logo(self, page: ServerPage) -> SafeString | str:
        url = logo_url(page.logo_hash)
        return format_html('<img src="{}" alt="" height="64">', url) if url else "none"

    def save_model(self, request: HttpRequest, obj: ServerPage, form: Any, change: bool) -> None:
        given = form.cleaned_data
        services.server_page_set(
            user=acting(request),
            name=given["name"],
            welcome=given["welcome"],
            rules=given["rules"],
            logo=given["logo"],
        )
