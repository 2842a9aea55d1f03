"""Reads: people as others see them, and the directory, in which they are found by the beginning of a name.

A page is two ranges of an index, one by user name and one by display name, put together in the order of what was found;
its cursor is the last of them. Deleted accounts and those that are switched off are nobody.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, NamedTuple, TypedDict

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts import names
from accounts.models import User
from accounts.searching import behind, search_key
from accounts.selectors import avatar_url
from reaktor.errors import InvalidError, NotFoundError
from reaktor.shapes import ListData, Time, Uuid
from reaktor.times import timestamp
from reaktor.why import Why

LEAST_CHARS = 2
PAGE = 50
LOOKED_AT = 2_000
"""As many one page looks at, where not everybody that is found is shown."""
FILLED_AT_ONCE = 1_000

Shown = Callable[[Collection[uuid.UUID]], set[uuid.UUID]]
"""Of these accounts, those that whoever asks may be shown."""


class PersonData(TypedDict):
    """Somebody, as everybody sees them."""

    id: Uuid
    username: str
    display_name: Annotated[str, "Empty: the user name is all there is."]
    avatar_url: Annotated[str | None, "A path on this server, in 96 pixels; `/48.webp` and `/256.webp` are there, too."]
    status_text: str
    created_at: Time
    is_bot: bool


def person_data(user: User) -> PersonData:
    return {
        "id": str(user.pk),
        "username": user.username,
        "display_name": user.display_name,
        "avatar_url": avatar_url(user.avatar),
        "status_text": user.status_text,
        "created_at": timestamp(user.created_at),
        "is_bot": user.is_bot,
    }


def _people(users: QuerySet[User] | None = None) -> QuerySet[User]:
    columns = ("username", "display_name", "avatar", "status_text", "created_at", "is_bot")
    return (User.objects.all() if users is None else users).filter(is_active=True).only(*columns)


def person_named(username: str) -> PersonData:
    """The person with this user name, whatever its case. Raises NotFoundError."""
    found = people_named([username])
    if not found:
        raise NotFoundError("There is no such user.", why=Why.NO_SUCH_USER)
    return found[0]


def people_named(usernames: Iterable[str]) -> list[PersonData]:
    """Those of these who exist. One query."""
    wanted = {names.folded(name) for name in usernames if names.could_be(name)}
    return [person_data(user) for user in _people(User.objects.named(wanted))] if wanted else []


def people_by_id(user_ids: Collection[str]) -> dict[str, PersonData]:
    """The same by id. One query."""
    return {str(user.pk): person_data(user) for user in _people().filter(pk__in=set(user_ids))}


# -- The directory ------------------------------------------------------------------------------------------------


class Place(NamedTuple):
    """Where somebody stands in the directory: by what they were found, and their id."""

    key: bytes
    id: uuid.UUID

    def as_cursor(self) -> str:
        return f"{base64.urlsafe_b64encode(self.key).decode().rstrip('=')}.{self.id.hex}"

    @classmethod
    def from_cursor(cls, cursor: str) -> Place:
        """Raises InvalidError."""
        key, _, pk = cursor.partition(".")
        try:
            return cls(base64.b64decode(key + "=" * (-len(key) % 4), b"-_", validate=True), uuid.UUID(hex=pk))
        except (ValueError, binascii.Error):
            raise InvalidError("That is not a cursor of this list.", fields={"cursor": "unknown"}) from None


def directory_page(
    search: str, *, cursor: str | None = None, limit: int = PAGE, shown: Shown | None = None
) -> ListData[PersonData]:
    """People whose user name or display name begins so, whatever its case and accents; by what was found.

    `shown` None: everybody. Else a page looks at LOOKED_AT people at most, and may be short or empty while `next` leads
    on. Raises InvalidError.
    """
    prefix = search_key(search)
    if prefix is None or len(prefix.decode("utf-8", "ignore")) < LEAST_CHARS:
        wrong = f"at least {LEAST_CHARS} characters"
        raise InvalidError(f"A search has {wrong}.", fields={"search": wrong})
    after = Place.from_cursor(cursor) if cursor else None
    most = limit if shown is None else LOOKED_AT
    found = _places(prefix, after, most + 1)
    looked_at, is_more = found[:most], len(found) > most
    if shown is not None:
        visible = shown([place.id for place in looked_at]) if looked_at else set()
        seen = [place for place in looked_at if place.id in visible]
        is_more = is_more or len(seen) > limit
        last = seen[limit - 1] if len(seen) > limit else looked_at[-1] if looked_at else None
        page = seen[:limit]
    else:
        page, last = looked_at, looked_at[-1] if looked_at else None
    people = people_by_id([str(place.id) for place in page])
    return {
        "results": [people[str(place.id)] for place in page if str(place.id) in people],
        "next": last.as_cursor() if is_more and last is not None else None,
    }


def _places(prefix: bytes, after: Place | None, count: int) -> list[Place]:
    """The first `count` behind that place. Two queries; who is found by both names stands under the user name."""
    by_name = Q(search_name__gte=prefix, search_name__lt=behind(prefix))
    by_display = Q(search_display__gte=prefix, search_display__lt=behind(prefix))
    by_names = _range(User.objects.filter(by_name), "search_name", after, count)
    displays = _range(User.objects.filter(by_display, ~by_name), "search_display", after, count)
    return sorted([*by_names, *displays])[:count]


def _range(users: QuerySet[User], column: str, after: Place | None, count: int) -> list[Place]:
    if after is not None:
        further = Q(**{f"{column}__gt": after.key}) | Q(**{column: after.key, "id__gt": after.id})
        users = users.filter(further, **{f"{column}__gte": after.key})
    rows = users.filter(is_active=True).order_by(column, "id").values_list(column, "id")[:count]
    return [Place(bytes(key), pk) for key, pk in rows]


def directory_fill() -> int:
    """Rows that a version before stored, which did not know the columns, are found from now on; says how many.

    May be repeated, and interrupted.
    """
    filled = 0
    while True:
        with transaction.atomic():
            found = list(User.objects.filter(search_name=None).order_by("id")[:FILLED_AT_ONCE])
            for user in found:
                user.save(update_fields=["search_name", "search_display"])
        filled += len(found)
        if len(found) < FILLED_AT_ONCE:
            return filled
