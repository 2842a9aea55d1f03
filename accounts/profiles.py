"""Writes: what people show of themselves beside their name: a display name, a status, a picture. Called in threads.

After the commit every process hears of it (PROFILE_CHANGED); chat tells those who share a channel. A picture is one row
for all who have it: it is locked while somebody takes or leaves it, so that nobody's picture goes by mistake.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import IO

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts import names
from accounts.claims import neighbours
from accounts.models import Picture, User
from accounts.profile_rules import check_display_name, check_status
from accounts.searching import search_key
from accounts.signals import profile_changing
from reaktor.errors import InvalidError
from reaktor.process.announce import announce
from reaktor.process.orders import ORDERS_GROUP, PROFILE_CHANGED
from reaktor.sandbox.pictures import Pictures
from reaktor.why import Why

SIDES = {"small": 48, "medium": 96, "large": 256}
"""The sizes of a picture, in pixels."""
KEPT = timedelta(days=1)
"""So long a picture that its owner replaced stays: pages that are open show its address for a while."""
CLEARED_AT_ONCE = 1_000
PARTS = frozenset({"display_name", "status_text", "avatar"})
"""What a moderator may take away."""


def profile_update(user: User, *, display_name: str | None = None, status_text: str | None = None) -> User:
    """Another display name, another status (None: as it is; "": none). Raises InvalidError, ForbiddenError (words)."""
    changes: dict[str, object] = {}
    if display_name is not None:
        shown = check_display_name(display_name)
        _check_is_nobody_else(shown, user)
        changes |= {"display_name": shown, "search_display": search_key(shown)}
    if status_text is not None:
        changes["status_text"] = check_status(status_text)
    if changes:
        texts = [str(changes[name]) for name in ("display_name", "status_text") if name in changes]
        profile_changing.send(User, user=user, texts=texts)
        _store(user, **changes)
    return user


def _check_is_nobody_else(shown: str, user: User) -> None:
    """Whoever is shown under the user name of another, or what looks like it, would be taken for them."""
    is_another = User.objects.exclude(pk=user.pk).filter(search_name=search_key(shown), is_active=True).exists
    if shown and (is_another() or any(names.are_confusable(shown, other) for other in neighbours([shown], user.pk))):
        raise InvalidError(
            "That is somebody's user name.", fields={"display_name": "somebody's user name"}, why=Why.DISPLAY_NAME_TAKEN
        )


def avatar_set(user: User, source: IO[bytes], pictures: Pictures) -> User:
    """The picture in `source`, a real file, is theirs from now on. Raises InvalidError, TooLargeError,
    UnavailableError.
    """
    small, medium, large = pictures.squares(source, list(SIDES.values()))
    digest = hashlib.sha256(small + medium + large).hexdigest()
    rows = {"small": small, "medium": medium, "large": large, "stored_at": timezone.now()}
    with transaction.atomic():
        Picture.objects.update_or_create(hash=digest, defaults=rows)
        _store(user, avatar=digest)
    return user


def avatar_remove(user: User) -> User:
    """No picture any more. Repeating it changes nothing."""
    if user.avatar:
        _store(user, avatar="")
    return user


def profile_clear(user: User, parts: Collection[str] = PARTS) -> None:
    """Take these parts away, by a moderator or with the account. The picture is gone at once, unless others have it."""
    nothing = {"display_name": {"display_name": "", "search_display": None}}
    with transaction.atomic():
        before = User.objects.select_for_update().values_list("avatar", flat=True).get(pk=user.pk)
        changes = {name: value for part in parts for name, value in nothing.get(part, {part: ""}).items()}
        _store(user, **changes)
        if "avatar" in parts and before:
            _drop_unused(before)


def _store(user: User, **changes: object) -> None:
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(**changes)
        for name, value in changes.items():
            setattr(user, name, value)
        announce(ORDERS_GROUP, PROFILE_CHANGED, {"user_id": str(user.pk)})


def pictures_clear(now: datetime) -> int:
    """Delete the pictures that nobody has any more; says how many. May be repeated, and interrupted."""
    cleared, last = 0, ""
    while True:
        old = Picture.objects.filter(stored_at__lt=now - KEPT, hash__gt=last)
        found = list(old.order_by("hash").values_list("hash", flat=True)[:CLEARED_AT_ONCE])
        if not found:
            return cleared
        used = set(_holders().filter(avatar__in=found).values_list("avatar", flat=True))
        for each in found:
            if each not in used:
                with transaction.atomic():
                    cleared += _drop_unused(each)
        last = found[-1]


def _drop_unused(digest: str) -> int:
    """Inside a transaction. Whoever takes the same picture now waits for the row, or we for them."""
    row = Picture.objects.select_for_update().filter(hash=digest)
    if not row.values_list("hash", flat=True).first() or _holders().filter(avatar=digest).exists():
        return 0
    return row.delete()[0]


def _holders() -> QuerySet[User]:
    """The accounts with a picture, as the index has them."""
    return User.objects.exclude(avatar="")
