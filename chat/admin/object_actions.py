"""The buttons of an admin page about one object. Each button is an ObjectAction.

The page's admin lists its actions; the template posts to `…/<id>/do/<name>/`. The post is checked by the action's form.
An action that hurts somebody asks once more on a page of its own. Then a service does it, and Django's messages tell
the result on the page that the button was on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme

from chat.admin.access import MODERATE, ModerationAdmin, acting
from chat.domain.ids import UserRef
from chat.domain.rules import REASON_CHARS
from reaktor.errors import ReaktorError

Values = dict[str, Any]
HOUR_S, DAY_S, WEEK_S = 3_600, 86_400, 604_800
FOR_GOOD = "0"
DURATIONS = ((str(HOUR_S), "1 hour"), (str(DAY_S), "1 day"), (str(WEEK_S), "1 week"), (FOR_GOOD, "for good"))
NOT_FIELDS = {"csrfmiddlewaretoken", "confirmed", "back", IS_POPUP_VAR}


class DeedForm(forms.Form):
    """What a button brings; without fields: nothing."""


class ReasonForm(DeedForm):
    reason = forms.CharField(max_length=REASON_CHARS, required=True)


class DurationField(forms.ChoiceField):
    """When it is over, from the seconds that it lasts; None: never."""

    def __init__(self) -> None:
        super().__init__(choices=DURATIONS)

    def clean(self, value: Any) -> datetime | None:
        seconds = int(super().clean(value))
        return datetime.now(UTC) + timedelta(seconds=seconds) if seconds else None


@dataclass(frozen=True, slots=True)
class ObjectAction:
    """One button. `do(who, object, values)` calls a service and returns a sentence of what was done.

    `question(object, values)`: what to ask before it is done; None: nothing.
    """

    name: str
    do: Callable[[UserRef, Any, Values], str]
    form: type[DeedForm] = DeedForm
    permission: str = MODERATE
    question: Callable[[Any, Values], str | None] = lambda found, values: None


class WorkplaceAdmin(ModerationAdmin):
    """An admin whose pages have buttons. A template asks `can` which of them its reader has."""

    object_actions: tuple[ObjectAction, ...] = ()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        view = self.admin_site.admin_view(self.do_view)
        return [path("<path:object_id>/do/<slug:object_action>/", view, name=name), *super().get_urls()]

    def do_view(self, request: HttpRequest, object_id: str, object_action: str) -> HttpResponse:
        """One press of a button."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        chosen = next((each for each in self.object_actions if each.name == object_action), None)
        found = self.get_object(request, unquote(object_id))
        if chosen is None or found is None:
            raise Http404
        if not (self.has_view_permission(request, found) and request.user.has_perm(chosen.permission)):
            raise PermissionDenied
        form = chosen.form(request.POST)
        if not form.is_valid():
            for sentence in _wrong(form):
                self.message_user(request, sentence, messages.ERROR)
            return self._back(request, found)
        question = chosen.question(found, form.cleaned_data)
        if question is not None and "confirmed" not in request.POST:
            return self._ask(request, found, question)
        try:
            self.message_user(request, chosen.do(acting(request), found, form.cleaned_data), messages.SUCCESS)
        except ReaktorError as error:
            self.message_user(request, error.message, messages.ERROR)
        return self._back(request, found)

    def _ask(self, request: HttpRequest, found: Any, question: str) -> HttpResponse:
        posted = [(name, value) for name in request.POST if name not in NOT_FIELDS for value in
                  request.POST.getlist(name)]  # fmt: skip
        context = {
            **self.admin_site.each_context(request),
            "title": "Are you sure?",
            "opts": self.opts,
            "object": found,
            "question": question,
            "posted": posted,
            "back": self._back_path(request, found),
        }
        return TemplateResponse(request, "admin/chat/confirm.html", context)

    def _back(self, request: HttpRequest, found: Any) -> HttpResponse:
        return HttpResponseRedirect(self._back_path(request, found))

    def _back_path(self, request: HttpRequest, found: Any) -> str:
        """The page that the button was on, if it says so and is one of ours."""
        wanted = request.POST.get("back", "")
        home = reverse("admin:index", current_app=self.admin_site.name)
        if wanted.startswith(home) and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None):
            return wanted
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return reverse(name, args=[quote(found.pk)], current_app=self.admin_site.name)

    def can(self, request: HttpRequest) -> dict[str, bool]:
        """For templates: object_action name → whether the reader has that button."""
        return {
            object_action.name: request.user.has_perm(object_action.permission) for object_action in self.object_actions
        }


def _wrong(form: forms.Form) -> Iterator[str]:
    for name, problems in form.errors.items():
        for problem in problems:
            yield f"{name.replace('_', ' ').capitalize()}: {problem}" if name != "__all__" else str(problem)
