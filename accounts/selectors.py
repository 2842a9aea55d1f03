"""Reads: accounts as plain values."""

from __future__ import annotations

from typing import Annotated, TypedDict

from accounts.models import User
from reaktor.shapes import Keyword, Time, Uuid
from reaktor.times import timestamp


class UserData(TypedDict):
    """An account."""

    id: Uuid
    username: Annotated[str, Keyword("pattern", "^[A-Za-z0-9]{3,32}$")]
    is_staff: bool
    created_at: Time


def user_data(user: User) -> UserData:
    return {
        "id": str(user.pk),
        "username": user.username,
        "is_staff": user.is_staff,
        "created_at": timestamp(user.created_at),
    }


def user_named(username: str) -> User | None:
    """The account with this name, whatever its case. One indexed query, and none for what is no possible name."""
    if not (username.isascii() and username.isprintable()):
        return None
    try:
        return User.objects.get_by_natural_key(username)
    except User.DoesNotExist:
        return None
