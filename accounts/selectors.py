"""Reads: accounts as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, TypedDict

from django.utils import timezone

from accounts import names
from accounts.models import DirectFrom, EmailAddress, FormerName, User
from reaktor.shapes import Keyword, Time, Uuid
from reaktor.times import timestamp


class UserData(TypedDict):
    """An account."""

    id: Uuid
    username: Annotated[str, Keyword("minLength", 2), Keyword("maxLength", 32)]
    is_staff: bool
    is_bot: Annotated[bool, "A program speaks with it, not a person."]
    created_at: Time
    display_name: Annotated[str, "Empty: the user name is all there is."]
    avatar_url: Annotated[str | None, "A path on this server."]
    status_text: str


class AddressData(TypedDict):
    """The e-mail address of an account, for its owner alone."""

    email: Annotated[str | None, "The confirmed one."]
    email_confirmed: bool
    email_pending: Annotated[str | None, "One that counts once it is confirmed."]


class MeData(UserData, AddressData):
    """One's own account."""

    direct_from: Annotated[str, Keyword("enum", DirectFrom.values), "From whom one takes a first direct message."]


def user_data(user: User) -> UserData:
    return {
        "id": str(user.pk),
        "username": user.username,
        "is_staff": user.is_staff,
        "is_bot": user.is_bot,
        "created_at": timestamp(user.created_at),
        "display_name": user.display_name,
        "avatar_url": avatar_url(user.avatar),
        "status_text": user.status_text,
    }


def avatar_url(digest: str) -> str | None:
    """Where the picture with this hash is, in 96 pixels; None: there is none."""
    return f"/avatars/{digest}/96.webp" if digest else None


def me_data(user: User) -> MeData:
    return {**user_data(user), **address_data(user), "direct_from": user.direct_from}


def address_data(user: User) -> AddressData:
    """The address that counts, and one that waits to be confirmed. One query."""
    found = {row.confirmed_at is not None: row.address for row in EmailAddress.objects.filter(user=user)}
    return {"email": found.get(True), "email_confirmed": True in found, "email_pending": found.get(False)}


def user_named(username: str) -> User | None:
    """The account with this name, in any spelling of it. One query on indexes; none for what is no possible name."""
    if not names.could_be(username):
        return None
    try:
        return User.objects.get_by_natural_key(username)
    except User.DoesNotExist:
        return None


def user_called(username: str) -> User | None:
    """The account with this name, else the one that had it until lately: for who acts on a name that they still see."""
    found = user_named(username)
    if found is None:
        former = formerly_named([username]).get(names.folded(username))
        found = former if former is not None and former.deleted_at is None else None
    return found


def formerly_named(wanted: Iterable[str]) -> dict[str, User]:
    """Whom these names are reserved for, deleted accounts among them, by folded name. One query."""
    folded = [names.folded(name) for name in wanted if names.could_be(name)]
    rows = FormerName.objects.filter(folded__in=folded, until__gt=timezone.now()).select_related("user")
    return {row.folded: row.user for row in rows}


def names_changed(since: datetime) -> list[tuple[str, str]]:
    """(the old name, the name now) of the accounts that were renamed since then."""
    rows = FormerName.objects.filter(since__gte=since).order_by("since")
    return [(name or own, now) for name, own, now in rows.values_list("name", "folded", "user__username")]
