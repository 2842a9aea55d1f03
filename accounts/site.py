"""The admin site: Django's, behind a second factor. Its login asks for the code, and a page sets the factor up.

Whoever has set one up must show it; with STAFF_TOTP=required whoever has not comes to that page first and nowhere else.
"""

from __future__ import annotations

from typing import Any, cast

import django_otp
from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.admin.sites import AdminSite
from django.contrib.auth.views import PasswordChangeView
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from accounts import second_factor
from accounts.forms import OwnPasswordForm
from accounts.models import User
from reaktor import __version__
from reaktor.errors import ReaktorError

CODE_CHARS = second_factor.MAX_CODE_CHARS


class LoginForm(AdminAuthenticationForm):
    """Name, password, and the code for those who have set up a second factor."""

    code = forms.CharField(
        label="Code",
        required=False,
        max_length=CODE_CHARS,
        help_text="From your authenticator app, or a recovery code. Empty if you have none.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "text"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        user = cast("User | None", self.get_user())
        if user is None or not second_factor.is_set_up(user):
            return cleaned
        code = cleaned.get("code") or ""
        if not code:
            raise forms.ValidationError("Your account asks for a code as well.", code="no_code")
        try:
            # login() stores it in the login session: this browser has shown it.
            user.otp_device = second_factor.code_verify(user, code)  # type: ignore[attr-defined]
        except ReaktorError as error:
            raise forms.ValidationError(error.message, code=error.code.value) from error
        return cleaned


class StaffSite(AdminSite):
    """Pages need is_staff and, where there is or must be one, the second factor."""

    login_form = LoginForm
    login_template = "accounts/login.html"

    def has_permission(self, request: HttpRequest) -> bool:
        return super().has_permission(request) and second_factor.is_passed(request.user)

    def get_urls(self) -> list[URLResolver | URLPattern]:
        # No model has a page outside of the admin, and the view that leads there answers 500 to ids of another kind.
        found = [each for each in super().get_urls() if getattr(each, "name", None) != "view_on_site"]
        return [path("second-factor/", self.second_factor, name="second_factor"), *found]

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Django's own page with a form of ours: the other log-ins end, and tries at the old password are counted."""
        request.current_app = self.name
        view = PasswordChangeView.as_view(
            form_class=OwnPasswordForm,
            success_url=reverse("admin:password_change_done", current_app=self.name),
            extra_context={**self.each_context(request), **(extra_context or {})},
        )
        return cast(TemplateResponse, view(request))

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "version": __version__}

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        if request.method == "GET" and self._has_to_set_up(request):
            return HttpResponseRedirect(reverse("admin:second_factor"))
        return super().login(request, extra_context)

    def _has_to_set_up(self, request: HttpRequest) -> bool:
        """Logged in as staff, with nothing more to show."""
        return super().has_permission(request) and not second_factor.is_set_up(cast(User, request.user))

    @method_decorator([never_cache, csrf_protect])
    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Set it up, get new recovery codes, switch it off. Who has one must have shown it: it can't be replaced
        by a password alone.
        """
        if not (self._has_to_set_up(request) or self.has_permission(request)):
            return HttpResponseRedirect(reverse("admin:login"))
        user = User.objects.get(pk=cast(User, request.user).pk)
        context: dict[str, Any] = {"title": "Second factor", "is_required": second_factor.is_required()}
        action = request.POST.get("action") if request.method == "POST" else None
        if action == "confirm" and not second_factor.is_set_up(user):
            context["codes"] = second_factor.device_confirm(user, request.POST.get("code", "").replace(" ", ""))
            context["is_wrong"] = context["codes"] is None
            if context["codes"]:
                self._pass(request, user)
        elif action == "codes" and second_factor.is_set_up(user):
            context["codes"] = second_factor.recovery_codes_make(user)
            self._pass(request, user)
        elif action == "remove" and not context["is_required"]:
            second_factor.remove(user, by=user)
            return HttpResponseRedirect(reverse("admin:second_factor"))
        context["is_set_up"] = second_factor.is_set_up(user)
        if not context["is_set_up"]:
            device = second_factor.device_begin(user)
            context |= {"qr_code": second_factor.qr_code(device), "secret": _in_fours(device.config_url)}
        return TemplateResponse(request, "accounts/second_factor.html", {**self.each_context(request), **context})

    @staticmethod
    def _pass(request: HttpRequest, user: User) -> None:
        """This browser has shown what it had to, be it by a code of the app or by one that is no good any more."""
        request.session.cycle_key()
        django_otp.login(request, second_factor.device_of(user))


def _in_fours(config_url: str) -> str:
    """The secret for typing it in, four letters at a time."""
    secret = config_url.partition("secret=")[2].partition("&")[0]
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
