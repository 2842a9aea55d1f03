"""Reads of moderation: sanctions, reports, invites and the audit log as plain values, newest first; and the blocks.

Pages go by the id of the last row (`cursor`), along the primary key.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.db.models import Count, Max, Q, QuerySet, Sum

from accounts.selectors import user_named
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.moderation import AuditData, BlockedData, InviteData, ReportData, SanctionData
from chat.domain.policies import Role, SanctionKind
from chat.membership.protocol import Block
from chat.models import AuditEntry, ChannelMembership, Invite, Removal, Report, Sanction, UserBlock
from reaktor.errors import ErrorCode, InvalidError
from reaktor.times import timestamp

PAGE = 50
MODERATING = (Role.OWNER.value, Role.MODERATOR.value)
BLOCKING = (SanctionKind.BAN.value, SanctionKind.KICK.value)
T = TypeVar("T")


def _time(value: datetime | None) -> str | None:
    return timestamp(value) if value is not None else None


def sanction_data(sanction: Sanction) -> SanctionData:
    return {
        "id": sanction.pk,
        "kind": sanction.kind,
        "username": sanction.user.username,
        "channel": sanction.channel.key if sanction.channel else None,
        "reason": sanction.reason,
        "issued_by": sanction.issued_by.username if sanction.issued_by else None,
        "created_at": timestamp(sanction.created_at),
        "until": _time(sanction.until),
        "lifted_at": _time(sanction.lifted_at),
    }


def report_data(report: Report) -> ReportData:
    return {
        "id": report.pk,
        "channel": report.channel.key,
        "message": str(report.message_id),
        "author": report.author.username,
        "text": report.text,
        "reporter": report.reporter.username if report.reporter else None,
        "reason": report.reason,
        "created_at": timestamp(report.created_at),
        "resolved_at": _time(report.resolved_at),
        "resolved_by": report.resolved_by.username if report.resolved_by else None,
        "resolution": report.resolution,
    }


def invite_data(invite: Invite) -> InviteData:
    return {
        "code": invite.code,
        "channel": invite.channel.key,
        "created_by": invite.created_by.username if invite.created_by else None,
        "created_at": timestamp(invite.created_at),
        "expires_at": _time(invite.expires_at),
        "uses_left": invite.uses_left,
    }


def audit_data(entry: AuditEntry) -> AuditData:
    return {
        "id": entry.pk,
        "at": timestamp(entry.at),
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target,
        "channel": entry.channel,
        "reason": entry.reason,
        "details": entry.details,
    }


def moderated_channels(user: UserRef) -> dict[int, str]:
    """id → key of the channels in which this user moderates; while banned from one, they do not."""
    mine = ChannelMembership.objects.filter(user_id=user.id, role__in=MODERATING)
    bans = Sanction.objects.filter(user_id=user.id, kind=SanctionKind.BAN.value, lifted_at=None)
    banned = bans.exclude(until__lte=datetime.now(UTC)).exclude(channel=None).values("channel_id")
    return dict(mine.exclude(channel_id__in=banned).values_list("channel_id", "channel__key"))


def sanctions_list(
    *,
    user: UserRef,
    username: str | None = None,
    channel: str | None = None,
    only_in_force: bool = False,
    cursor: str | None = None,
) -> tuple[list[SanctionData], str | None]:
    """What this user may know: their own, those of the channels they moderate; everything for staff."""
    found = Sanction.objects.select_related("user", "channel", "issued_by")
    if not user.is_staff:
        mine = list(moderated_channels(user))
        found = found.filter(Q(user_id=user.id) | Q(channel_id__in=mine)) if mine else found.filter(user_id=user.id)
    if username is not None:
        found = found.filter(user=user_named(username))
    if channel is not None:
        found = found.filter(channel__key=channel)
    if only_in_force:
        found = found.filter(lifted_at=None).exclude(until__lte=datetime.now(UTC))
    return _page(found, cursor, sanction_data)


def reports_list(
    *, user: UserRef, only_open: bool = True, channel: str | None = None, cursor: str | None = None
) -> tuple[list[ReportData], str | None]:
    """The reports of the channels that this user moderates, but those about themselves; all of them for staff."""
    found = Report.objects.select_related("channel", "author", "reporter", "resolved_by")
    if not user.is_staff:
        found = found.filter(channel_id__in=list(moderated_channels(user))).exclude(author_id=uuid.UUID(user.id))
    if channel is not None:
        found = found.filter(channel__key=channel)
    if only_open:
        found = found.filter(resolved_at=None)
    return _page(found, cursor, report_data)


def audit_list(
    *, user: UserRef, username: str | None = None, channel: str | None = None, cursor: str | None = None
) -> tuple[list[AuditData], str | None]:
    """What was done: in the channels that this user moderates; everything for staff."""
    found = AuditEntry.objects.all()
    if not user.is_staff:
        found = found.filter(channel__in=list(moderated_channels(user).values()))
    if username is not None:
        target = user_named(username)
        found = found.filter(target_id=target.pk) if target is not None else found.none()
    if channel is not None:
        found = found.filter(channel=channel)
    return _page(found, cursor, audit_data)


def invites_list(channel_id: int) -> list[InviteData]:
    """The invites of a channel that still let somebody in, newest first."""
    found = Invite.objects.filter(channel_id=channel_id, revoked_at=None).exclude(uses_left=0)
    found = found.exclude(expires_at__lte=datetime.now(UTC)).select_related("channel", "created_by")
    return [invite_data(invite) for invite in found.order_by("-id")[:PAGE]]


def blocked_users(user_id: UserId) -> list[BlockedData]:
    """Whom the user does not want to hear, by name."""
    mine = UserBlock.objects.filter(user_id=user_id).order_by("blocked__username")
    return [{"username": username} for username in mine.values_list("blocked__username", flat=True)]


def _page(found: QuerySet[Any], cursor: str | None, shape: Callable[[Any], T]) -> tuple[list[T], str | None]:
    if cursor is not None:
        if not (cursor.isascii() and cursor.isdigit()) or len(cursor) > 18:
            raise InvalidError("That is not a cursor of this list.", fields={"cursor": "unknown"})
        found = found.filter(pk__lt=int(cursor))
    rows: Sequence[Any] = list(found.order_by("-pk")[: PAGE + 1])
    shown = [shape(row) for row in rows[:PAGE]]
    return shown, str(rows[PAGE - 1].pk) if len(rows) > PAGE else None


# -- Blocks -------------------------------------------------------------------------------------------------------


class BlockReader:
    """The blocks in force, as the authority wants them, read each second: everything only when something changed.

    A block's end needs no reading: the authority keeps its time.
    """

    def __init__(self) -> None:
        self._seen: object = None
        self._blocks: list[Block] = []

    def __call__(self) -> list[Block]:
        """The same list again when nothing was issued, lifted or deleted since. Two small queries."""
        # Nothing of a row changes but its lifting, which takes it out of these; the sum tells one from its successor.
        over = datetime.now(UTC) - timedelta(minutes=1)
        blocking = Sanction.objects.filter(lifted_at=None, kind__in=BLOCKING).exclude(until__lt=over)
        seen = (
            blocking.aggregate(count=Count("pk"), newest=Max("pk"), sum=Sum("pk")),
            Removal.objects.aggregate(count=Count("pk"), newest=Max("until")),
        )
        if seen != self._seen:
            self._blocks = blocks_in_force()
            self._seen = seen
        return self._blocks


def blocks_in_force() -> list[Block]:
    """Bans and kicks that hold now, and removals: who may not be where, until when (Unix seconds)."""
    now = datetime.now(UTC)
    sanctions = Sanction.objects.filter(lifted_at=None, kind__in=BLOCKING)
    found = [
        Block(
            UserId(str(user_id)),
            ChannelKey(key) if key is not None else None,
            until.timestamp() if until is not None else None,
            ErrorCode.BANNED.value if kind == SanctionKind.BAN else ErrorCode.FORBIDDEN.value,
            reason,
        )
        for user_id, key, kind, until, reason in sanctions.exclude(until__lte=now).values_list(
            "user_id", "channel__key", "kind", "until", "reason"
        )
    ]
    removed = Removal.objects.filter(until__gt=now).values_list("user_id", "channel__key", "until")
    found += [
        Block(UserId(str(user_id)), ChannelKey(key), until.timestamp(), ErrorCode.NOT_FOUND.value)
        for user_id, key, until in removed
    ]
    # A ban outlives a kick or a removal of the same user and place: the authority keeps one block for each.
    return sorted(found, key=lambda block: block.until if block.until is not None else float("inf"))
