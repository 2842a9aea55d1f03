"""Forms of the admin that set a password: by the same rules as over the API, and ending the same things.

Django's own would only store the hash: every token, app password and live session of the account would go on.
"""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib.admin.forms import AdminPasswordChangeForm as OwnPasswordChangeForm
from django.contrib.auth.forms import AdminPasswordChangeForm, BaseUserCreationForm

from accounts import services
from accounts.models import User
from reaktor.errors import ReaktorError


class Checked:
    """Asks accounts.services whether a new password may be one."""

    def validate_password_for_user(self, user: User, password_field_name: str = "password2") -> None:  # noqa: S107  a field
        form = cast(forms.Form, self)
        if password := form.cleaned_data.get(password_field_name):
            try:
                services.check_password(password, user, strict=True)
            except ReaktorError as error:
                form.add_error(password_field_name, error.message)


class NewAccountForm(Checked, BaseUserCreationForm):  # type: ignore[type-arg]  # generic only in its stubs
    """A new account by hand; whether it may have its name is for who uses this."""


class PasswordForm(Checked, AdminPasswordChangeForm):  # type: ignore[type-arg]  # the same
    """Somebody else's password, set as the account's owner would: every token and live session ends."""

    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields.pop("usable_password", None)
        self.fields["password1"].required = self.fields["password2"].required = True

    def clean_password1(self) -> str:
        if self.user.is_bot:
            raise forms.ValidationError("A bot has no password.")
        return str(self.cleaned_data["password1"])

    def save(self, commit: bool = True) -> User:
        services.password_set(self.user, self.cleaned_data["password1"])
        user = self.user = User.objects.get(pk=self.user.pk)
        return user


class OwnPasswordForm(Checked, OwnPasswordChangeForm):
    """One's own, by who knows the old one: how often that may be tried is counted, as over the API."""

    def clean_old_password(self) -> str:
        given = str(self.cleaned_data["old_password"])
        try:
            services.password_confirm(self.user, given, field="old")
        except ReaktorError as error:
            raise forms.ValidationError(error.message, code=error.code.value) from error
        return given

    def save(self, commit: bool = True) -> User:
        """Every other log-in ends; the view keeps the one that it serves, by what `user` says then."""
        services.password_set(self.user, self.cleaned_data["new_password1"])
        self.user = User.objects.get(pk=self.user.pk)
        return self.user
