"""The page of one user as a place to work at: what they are, where, what they did, what was done to them, and buttons.

Stands in for accounts.admin's page of accounts, which knows nothing of chat, and keeps what superusers do there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts import services as accounts
from accounts.admin import UserAdmin
from accounts.models import User
from accounts.selectors import avatar_url
from chat import services
from chat.admin import live
from chat.admin.access import acting, sees_direct
from chat.admin.object_actions import (
    DURATIONS,
    DeedForm,
    DurationField,
    ObjectAction,
    ReasonForm,
    Values,
    WorkplaceAdmin,
)
from chat.domain.ids import UserRef
from chat.domain.policies import DIRECT_KINDS, MAX_PURGE_HOURS, SanctionKind
from chat.models import AuditAction, Channel
from chat.selectors import user_ref
from chat.selectors.workplace import SHOWN_MEMBERS, user_page

HOURS = (1, 6, 24, 72, MAX_PURGE_HOURS)
SHOWN_PARTS = (("display_name", "Display name"), ("status_text", "Status"), ("avatar", "Picture"))
RIGHTS = frozenset({"username", "is_staff", "is_superuser", "groups", "user_permissions"})


class RestrictForm(ReasonForm):
    """A ban or mute: where (empty: everywhere), for how long, why."""

    place = forms.CharField(max_length=64, required=False)
    duration = DurationField()


class KickForm(ReasonForm):
    place = forms.CharField(max_length=64)


class PurgeForm(ReasonForm):
    place = forms.CharField(max_length=64, required=False)
    hours = forms.IntegerField(min_value=1, max_value=MAX_PURGE_HOURS)


class ProfileForm(ReasonForm):
    """What is taken away of how somebody shows themselves."""

    parts = forms.MultipleChoiceField(choices=SHOWN_PARTS)


class LiftForm(DeedForm):
    sanction = forms.IntegerField()


def _where(values: Values) -> str:
    return f"in {values['place']}" if values["place"] else "everywhere"


def _restrict(kind: SanctionKind, done: str) -> Callable[[UserRef, User, Values], str]:
    def do(who: UserRef, user: User, values: Values) -> str:
        services.sanction_issue(
            user=who,
            kind=kind.value,
            username=user.username,
            channel=values["place"] or None,
            until=values["duration"],
            reason=values["reason"],
        )
        until = values["duration"]
        ends = f"until {until:%Y-%m-%d %H:%M} UTC" if until else "for good"
        return f"{user.username} is {done} {_where(values)} {ends}."

    return do


def _kick(who: UserRef, user: User, values: Values) -> str:
    services.sanction_issue(
        user=who, kind=SanctionKind.KICK.value, username=user.username, channel=values["place"], reason=values["reason"]
    )
    return f"{user.username} was kicked from {values['place']}."


def lift(who: UserRef, found: Any, values: Values) -> str:
    """End one sanction before its time."""
    lifted = services.sanction_lift(user=who, sanction_id=values["sanction"])
    return f"The {lifted['kind']} of {lifted['username']} is lifted."


def _clear_profile(who: UserRef, user: User, values: Values) -> str:
    services.profile_clear(user=who, username=user.username, parts=values["parts"], reason=values["reason"])
    names = dict(SHOWN_PARTS)
    return f"Taken from {user.username}: {', '.join(names[part].lower() for part in values['parts'])}."


def _log_out(who: UserRef, user: User, values: Values) -> str:
    services.log_out_everywhere(user=who, username=user.username)
    return f"{user.username} is logged out everywhere."


def _purge(who: UserRef, user: User, values: Values) -> str:
    done = services.messages_purge(
        user=who,
        username=user.username,
        hours=values["hours"],
        channel=values["place"] or None,
        reason=values["reason"],
    )
    more = f" The other {done['left']} follow by themselves." if done["left"] else ""
    return f"Messages of {user.username} deleted: {done['deleted']}.{more}"


def _ask_for_good(user: User, values: Values) -> str | None:
    return None if values["duration"] else f"Ban {user.username} {_where(values)} for good?"


def _ask_purge(user: User, values: Values) -> str:
    return (
        f"Delete everything that {user.username} wrote {_where(values)} in the last {values['hours']} hours? "
        "The texts do not come back."
    )


admin.site.unregister(User)


@admin.register(User)
class PeopleAdmin(WorkplaceAdmin, UserAdmin):
    """Accounts, and what moderators do with their people. The permissions are UserAdmin's."""

    change_form_template = "admin/chat/user.html"
    sortable_by = ("username",)
    object_actions = (
        ObjectAction("ban", _restrict(SanctionKind.BAN, "banned"), RestrictForm, question=_ask_for_good),
        ObjectAction("mute", _restrict(SanctionKind.MUTE, "muted"), RestrictForm),
        ObjectAction("kick", _kick, KickForm),
        ObjectAction("lift", lift, LiftForm),
        ObjectAction("log_out", _log_out),
        ObjectAction("clear_profile", _clear_profile, ProfileForm),
        ObjectAction("purge", _purge, PurgeForm, question=_ask_purge),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return UserAdmin.has_add_permission(self, request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return UserAdmin.has_change_permission(self, request, obj)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        user = kwargs.get("obj")
        if user is not None:
            context |= self._workplace(request, user)
        return super().render_change_form(request, context, *args, **kwargs)

    def _workplace(self, request: HttpRequest, user: User) -> dict[str, Any]:
        page = user_page(user, with_direct=sees_direct(request))
        belongs = {each.channel.key for each in page.memberships}
        here = Channel.objects.filter(key__in=[key for key in live.channels_of(user.pk) if key not in belongs])
        visiting = list(here.exclude(kind__in=DIRECT_KINDS)[:SHOWN_MEMBERS])
        return {
            "page": page,
            "avatar": avatar_url(user.avatar),
            "shown_parts": [each for each in SHOWN_PARTS if getattr(user, each[0])],
            "sessions": live.sessions_of(user.pk),
            "visiting": visiting,
            "places": [*(each.channel for each in page.memberships), *visiting],
            "here": set(live.channels_of(user.pk)),
            "restrictions": (("ban", "Ban"), ("mute", "Mute")),
            "durations": DURATIONS,
            "now": datetime.now(UTC),
            "hours": HOURS,
            "can": self.can(request),
        }

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        changed = RIGHTS & set(form.changed_data)
        if change and changed:
            self._note(request, obj, {name: _shown(form.cleaned_data[name]) for name in sorted(changed)})

    def _note(self, request: HttpRequest, user: User, details: dict[str, Any]) -> None:
        services.audit_add(acting(request), AuditAction.ACCOUNT_RIGHTS, user_ref(user), details=details)

    @admin.action(description="Log out everywhere", permissions=["moderate"])
    def log_out(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        who = acting(request)
        self.do_each(
            request,
            queryset,
            lambda user: services.log_out_everywhere(user=who, username=user.username),
            "Accounts logged out",
        )

    @admin.action(description="Switch off (every session ends)", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        def off(user: User) -> None:
            accounts.user_disable(user)
            self._note(request, user, {"is_active": False})

        self.do_each(request, queryset.exclude(pk=cast(User, request.user).pk), off, "Accounts switched off")

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        def on(user: User) -> None:
            accounts.user_enable(user)
            self._note(request, user, {"is_active": True})

        self.do_each(request, queryset, on, "Accounts switched on")


def _shown(value: Any) -> Any:
    """A form's value as the audit log keeps it."""
    return sorted(map(str, value)) if isinstance(value, QuerySet) else value
