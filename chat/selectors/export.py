"""Reads: everything that is stored about one account, as plain values in pages, for its owner.

Called by REST (one page an answer) and by `manage.py export_user` (all pages). What others wrote is not in it, but for
what was done to this account: sanctions, with their reasons.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypedDict

from django.db.models import F, Q

from accounts.models import AppPassword, Bot, Picture, User
from accounts.selectors import me_data
from chat.models import (
    ChannelMembership,
    EarlierText,
    File,
    Hook,
    Message,
    NoticePreferences,
    Pin,
    PushSubscription,
    Reaction,
    Report,
    Sanction,
    ServerInvite,
    ThreadFollow,
    UserBlock,
)
from reaktor.errors import InvalidError
from reaktor.times import timestamp

PAGE_MESSAGES = 1_000
PAGE_OTHERS = 10_000
"""Of memberships, reactions and the rest; nobody by hand comes near it, and an answer has to end somewhere."""
TOGETHER = 900
"""Ids in one statement: SQLite takes 999 parameters in its smallest builds."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Row = dict[str, Any]


class Export(TypedDict):
    """One page of what is stored. All but `account` and `messages` is on the first page alone."""

    account: Row
    memberships: list[Row]
    reactions: list[Row]
    blocks: list[Row]
    sanctions: Annotated[list[Row], "On this account."]
    reports: Annotated[list[Row], "By this account."]
    app_passwords: Annotated[list[Row], "What they are called, and when they were used; not what they are."]
    bots: Annotated[list[Row], "Of this account."]
    hooks: Annotated[list[Row], "Made by this account."]
    server_invites: Annotated[list[Row], "By this account."]
    notifications: Annotated[list[Row], "What one chose of how one is told; none: nothing."]
    subscriptions: Annotated[list[Row], "Browsers that are told, without their addresses."]
    files: Annotated[list[Row], "One's own; the bytes of each are at /api/v1/files/{id}/{name}."]
    threads: Annotated[list[Row], "Those that one follows, or followed, by their roots, and how far one has read them."]
    pins: Annotated[list[Row], "Messages that this account pinned."]
    messages: Annotated[list[Row], "One's own, oldest first; `edits`: what each said before."]
    next: Annotated[str | None, "The cursor of the next page."]


def export_page(*, user: User, cursor: str | None = None, limit: int = PAGE_MESSAGES) -> Export:
    """A page of the user's data; `cursor` None: the first. Raises InvalidError for a cursor that is none."""
    messages = Message.objects.filter(author_id=user.pk, deleted_at=None)
    if cursor:
        # Along the index of author and time; no OFFSET, and no sorting of a million rows for each page.
        at, pk = _parse_cursor(cursor)
        messages = messages.filter(created_at__gte=at).filter(Q(created_at__gt=at) | Q(pk__gt=pk))
    fields = ("id", "number", "text", "created_at", "edited_at", "reply_to_id", "thread_id")
    found = messages.order_by("created_at", "id").values(*fields, key=F("channel__key"))
    page = list(found[: limit + 1])
    others = _others(user) if not cursor else _NOTHING
    return Export(
        account={**me_data(user), "avatar": None if cursor else _picture(user), "last_login": _json(user.last_login)},
        memberships=others["memberships"],
        reactions=others["reactions"],
        blocks=others["blocks"],
        sanctions=others["sanctions"],
        reports=others["reports"],
        app_passwords=others["app_passwords"],
        bots=others["bots"],
        hooks=others["hooks"],
        server_invites=others["server_invites"],
        notifications=others["notifications"],
        subscriptions=others["subscriptions"],
        files=others["files"],
        threads=others["threads"],
        pins=others["pins"],
        messages=_with_edits(page[:limit]),
        next=_cursor(page[limit - 1]) if len(page) > limit else None,
    )


def _picture(user: User) -> str | None:
    """One's own picture in its largest size, as WebP in base64."""
    found = Picture.objects.filter(hash=user.avatar).values_list("large", flat=True).first() if user.avatar else None
    return None if found is None else base64.b64encode(found).decode()


_NOTHING: dict[str, list[Row]] = {
    "memberships": [],
    "reactions": [],
    "blocks": [],
    "sanctions": [],
    "reports": [],
    "app_passwords": [],
    "bots": [],
    "hooks": [],
    "server_invites": [],
    "notifications": [],
    "subscriptions": [],
    "files": [],
    "threads": [],
    "pins": [],
}


def _others(user: User) -> dict[str, list[Row]]:
    key = F("channel__key")
    mine: dict[str, Any] = {
        "memberships": ChannelMembership.objects.filter(user=user).values(
            "role", "level", "read_number", "hidden_number", "created_at", key=key, name=F("channel__name")
        ),
        "reactions": Reaction.objects.filter(user=user).values("emoji", "message_id", key=F("message__channel__key")),
        "blocks": UserBlock.objects.filter(user=user).values("created_at", username=F("blocked__username")),
        "sanctions": Sanction.objects.filter(user=user).values(
            "kind", "reason", "created_at", "until", "lifted_at", key=key
        ),
        "reports": Report.objects.filter(reporter=user).values("message_id", "reason", "created_at", "resolved_at"),
        "app_passwords": AppPassword.objects.filter(user=user).values("name", "created_at", "last_used_at"),
        "bots": Bot.objects.filter(owner=user, kind=Bot.Kind.BOT, user__deleted_at=None).values(
            "scopes",
            "token_since",
            username=F("user__username"),
            display_name=F("user__display_name"),
            created_at=F("user__created_at"),
        ),
        "hooks": Hook.objects.filter(created_by=user).values("name", "created_at", key=key),
        "server_invites": ServerInvite.objects.filter(created_by=user).values(
            "code", "created_at", "expires_at", "uses_left", "used", "channels", "revoked_at"
        ),
        "notifications": NoticePreferences.objects.filter(user=user).values(
            "push", "email", "preview", "quiet_from", "quiet_to", "quiet_days", "time_zone", "mailed_at"
        ),
        "subscriptions": PushSubscription.objects.filter(user=user).values("login", "created_at", "renewed_at"),
        "files": File.objects.filter(owner=user, deleted_at=None)
        .exclude(stored_at=None)
        .values("id", "name", "type", "size", "created_at", "message_id"),
        "threads": ThreadFollow.objects.filter(user=user).values("thread_id", "is_on", "read_number", "replies"),
        "pins": Pin.objects.filter(pinned_by=user).values("message_id", "created_at", key=key),
    }
    return {name: _rows(rows.order_by("pk")[:PAGE_OTHERS]) for name, rows in mine.items()}


def _with_edits(page: Sequence[Any]) -> list[Row]:
    edited = [row["id"] for row in page if row["edited_at"] is not None]
    edits: dict[uuid.UUID, list[Row]] = {}
    for start in range(0, len(edited), TOGETHER):
        texts = EarlierText.objects.filter(message_id__in=edited[start : start + TOGETHER]).order_by("pk")
        for message_id, text, at in texts.values_list("message_id", "text", "written_at"):
            edits.setdefault(message_id, []).append({"text": text, "written_at": timestamp(at)})
    return [{**shown, "edits": edits.get(row["id"], [])} for row, shown in zip(page, _rows(page), strict=True)]


def _rows(rows: Iterable[Any]) -> list[Row]:
    return [{name.removesuffix("_id"): _json(value) for name, value in row.items()} for row in rows]


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return timestamp(value)
    return str(value) if isinstance(value, uuid.UUID) else value


def _cursor(row: Any) -> str:
    return f"{(row['created_at'] - _EPOCH) // _MICROSECOND}_{row['id']}"


def _parse_cursor(cursor: str) -> tuple[datetime, uuid.UUID]:
    micros, _, pk = cursor.partition("_")
    try:
        return _EPOCH + int(micros) * _MICROSECOND, uuid.UUID(pk)
    except (ValueError, OverflowError):
        raise InvalidError("That is no cursor.", fields={"cursor": "as `next` gave it"}) from None
