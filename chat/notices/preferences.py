"""How a person wants to be told: read and changed by themselves alone. Who has chosen nothing has the defaults."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypedDict

from django.db import transaction

from chat.domain.notices import DAYS, Quiet, quiet_of, time_text
from chat.models import NoticePreferences

QuietData = TypedDict("QuietData", {"from": str, "to": str, "days": list[str], "time_zone": str})
"""`from` is a word of Python, so this one can't be a class."""


class PreferencesData(TypedDict):
    """How one is told of what happens while one is not here."""

    push: Annotated[bool, "To the browsers that have subscribed."]
    email: Annotated[bool, "Unread direct messages and mentions, to a confirmed address."]
    preview: Annotated[bool, "Whether a notice shows who wrote, and the beginning of the message."]
    quiet: Annotated[QuietData | None, "Hours in which nothing is sent; what is unread then is sent when they end."]


def preferences_of(user_id: uuid.UUID) -> PreferencesData:
    return _data(NoticePreferences.objects.filter(pk=user_id).first() or NoticePreferences(user_id=user_id))


def preferences_change(user_id: uuid.UUID, wanted: Mapping[str, Any]) -> PreferencesData:
    """Change what `wanted` names: push, email, preview, quiet (None: no quiet hours). Raises InvalidError."""
    fields = {name: wanted[name] for name in ("push", "email", "preview") if name in wanted}
    if "quiet" in wanted:
        fields |= _quiet_fields(wanted["quiet"])
    with transaction.atomic():
        found, _ = NoticePreferences.objects.select_for_update().get_or_create(pk=user_id)
        for name, value in fields.items():
            setattr(found, name, value)
        if fields:
            found.save(update_fields=list(fields))
    return _data(found)


def preferences_by_user(user_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, NoticePreferences]:
    """Of all of these. One query."""
    wanted = set(user_ids)
    found = {each.pk: each for each in NoticePreferences.objects.filter(pk__in=wanted)}
    return {user_id: found.get(user_id) or NoticePreferences(user_id=user_id) for user_id in wanted}


def quiet_hours(found: NoticePreferences) -> Quiet | None:
    if found.quiet_from is None or found.quiet_to is None:
        return None
    days = frozenset(day for day in range(len(DAYS)) if found.quiet_days >> day & 1)
    return Quiet(found.quiet_from, found.quiet_to, days, found.time_zone)


def _quiet_fields(wanted: Mapping[str, Any] | None) -> dict[str, Any]:
    if wanted is None:
        return {"quiet_from": None, "quiet_to": None}
    quiet = quiet_of(wanted["from"], wanted["to"], wanted.get("days"), wanted["time_zone"])
    return {
        "quiet_from": quiet.begins,
        "quiet_to": quiet.ends,
        "quiet_days": sum(1 << day for day in quiet.days),
        "time_zone": quiet.zone,
    }


def _data(found: NoticePreferences) -> PreferencesData:
    quiet = quiet_hours(found)
    shown: QuietData | None = None
    if quiet is not None:
        days = [DAYS[day] for day in sorted(quiet.days)]
        shown = {"from": time_text(quiet.begins), "to": time_text(quiet.ends), "days": days, "time_zone": quiet.zone}
    return {"push": found.push, "email": found.email, "preview": found.preview, "quiet": shown}
