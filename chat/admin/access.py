"""Who may do what in the admin, and what its pages have in common.

Being staff opens the door; what is behind it takes permissions. `chat.moderate` (the group "Moderators" has it) opens
every button that moderates, Django's view_… the lists, Django's change_channel what owners of a channel do. Whom one
may act on is still the services' to say: staff on members, superusers on staff.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import User
from chat.admin.lists import BoundedList, CappedPaginator
from chat.domain.ids import UserRef
from chat.domain.policies import DIRECT_KINDS
from chat.selectors import user_ref
from reaktor.errors import ReaktorError

MODERATE = "chat.moderate"
MANAGE_CHANNELS = "chat.change_channel"
AT_ONCE = 1_000
"""So many rows one action acts on: each is a transaction, and all of them are in memory."""


def acting(request: HttpRequest) -> UserRef:
    """Who pressed the button."""
    return user_ref(cast(User, request.user))


def shown_time(at: datetime | None, never: str = "") -> str:
    """A time as lists show it: short, and the same everywhere. UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if at is not None else never


def sees_direct(request: HttpRequest) -> bool:
    """What two people say to each other alone is nobody's business; who has the database can read it anyway."""
    return request.user.is_active and request.user.is_superuser


def without_direct(request: HttpRequest, found: QuerySet[Any], kind: str) -> QuerySet[Any]:
    """The rows that this user may see; `kind` is the way to the channel's kind."""
    return found if sees_direct(request) else found.exclude(**{f"{kind}__in": DIRECT_KINDS})


class ModerationAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic only in its stubs
    """Seen with the view permission, changed by buttons alone, never deleted."""

    paginator = CappedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    sortable_by: ClassVar[list[str] | tuple[str, ...] | None] = ()
    list_per_page = 50

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BoundedList

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        """What the list's own filters ask for. Django takes any column of the table, which no index may serve."""
        allowed: set[str | None] = set()
        for each in self.list_filter:
            if isinstance(each, type) and issubclass(each, admin.SimpleListFilter):
                allowed.add(each.parameter_name)
            else:
                field = each[0] if isinstance(each, tuple) else each
                allowed |= {f"{field}__exact", f"{field}__isempty"}
        return lookup in allowed

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        """For actions that name it."""
        return request.user.has_perm(MODERATE)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """The same."""
        return request.user.has_perm(MANAGE_CHANNELS)

    def do_each(self, request: HttpRequest, chosen: QuerySet[Any], do: Callable[[Any], object], what: str) -> None:
        """Do it to each of the first AT_ONCE; tell how many were done, and each reason why one was not."""
        done, refused = 0, set()
        for each in chosen[:AT_ONCE]:
            try:
                do(each)
                done += 1
            except ReaktorError as error:
                refused.add(f"{each}: {error.message}")
        if done:
            self.message_user(request, f"{what}: {done}.", messages.SUCCESS)
        for reason in sorted(refused):
            self.message_user(request, reason, messages.ERROR)
