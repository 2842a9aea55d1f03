"""Writes of reports: somebody points at a message, a moderator decides what follows."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import orjson
from django.db import transaction

from chat.domain.files import text_with_files
from chat.domain.ids import ChannelKey, UserId, UserRef
from chat.domain.moderation import ReportData
from chat.domain.policies import Resolution, SanctionKind, check_decide_report
from chat.domain.rules import check_reason
from chat.models import AuditAction, Message, Report
from chat.selectors import channel_access, parse_message_id, report_data
from chat.services.audit import audit_add
from chat.services.locking import channel_lock
from chat.services.messages import message_delete
from chat.services.sanctions import sanction_issue
from reaktor.errors import ConflictError, InvalidError, NotFoundError

RELATED = ("channel", "author", "reporter", "resolved_by")


def report_create(*, user: UserRef, key: str, message_id: str, reason: str) -> ReportData:
    """Have a message of somebody else looked at. While one's report is open the same again is that report; once it is
    decided, it is opened anew.

    Raises InvalidError (no reason, one's own message), NotFoundError, ConflictError (deleted).
    """
    why = check_reason(reason)
    if not why:
        raise InvalidError("Say what is wrong with it.", fields={"reason": "is missing"})
    wanted = parse_message_id(message_id)
    found = channel_access(user=user, key=ChannelKey(key))
    message = Message.objects.filter(channel_id=found.channel.id, pk=wanted).first()
    if message is None:
        raise NotFoundError("There is no such message in this channel.")
    if message.deleted_at is not None:
        raise ConflictError("That message is deleted.")
    if str(message.author_id) == user.id:
        raise InvalidError("That is your own message.")
    # Whoever decides may have to look at them.
    files = orjson.loads(message.files) if message.files is not None else []
    said = {"reason": why, "text": text_with_files(message.text, files, "")}
    with transaction.atomic():
        report, is_new = Report.objects.get_or_create(
            message=message,
            reporter_id=uuid.UUID(user.id),
            defaults={"channel_id": message.channel_id, "author_id": message.author_id, **said},
        )
        if not is_new and report.resolved_at is not None:
            again = {
                **said,
                "created_at": datetime.now(UTC),
                "resolved_at": None,
                "resolved_by": None,
                "resolution": "",
            }
            Report.objects.filter(pk=report.pk).update(**again)
            report.refresh_from_db()
    return report_data(report)


def report_resolve(
    *,
    user: UserRef,
    report_id: int,
    resolution: str,
    kind: str = SanctionKind.BAN.value,
    until: datetime | None = None,
    is_everywhere: bool = False,
    reason: str = "",
) -> ReportData:
    """Decide: dismissed; deleted (the message goes); sanctioned (its author is kicked, muted or banned as well).

    By a moderator of the channel, or staff. Other open reports of that message end with it. Raises NotFoundError,
    ForbiddenError, ConflictError (decided already), and whatever the sanction meets.
    """
    if resolution not in set(Resolution):
        words = ", ".join(Resolution)
        raise InvalidError(f"A resolution is one of {words}.", fields={"resolution": words})
    why = check_reason(reason)
    with transaction.atomic():
        report = Report.objects.select_for_update(of=("self",)).select_related(*RELATED).filter(pk=report_id).first()
        if report is None:
            raise NotFoundError("There is no such report.")
        key = ChannelKey(report.channel.key)
        channel_lock(key)
        channel_access(user=user, key=key, to_moderate=True).access.check_moderate()
        check_decide_report(is_own_message=str(report.author_id) == user.id)
        if report.resolved_at is not None:
            raise ConflictError("That report is decided already.")
        if resolution != Resolution.DISMISSED:
            message_delete(user=user, key=key, message_id=str(report.message_id), reason=why)
        if resolution == Resolution.SANCTIONED:
            sanction_issue(
                user=user,
                kind=kind,
                username=report.author.username,
                channel=None if is_everywhere else key,
                until=until,
                reason=why or report.reason,
            )
        open_ones = Report.objects.filter(message_id=report.message_id, resolved_at=None)
        open_ones.update(resolved_at=datetime.now(UTC), resolved_by_id=user.id, resolution=resolution)
        author = UserRef(UserId(str(report.author_id)), report.author.username)
        details = {"report": report.pk, "resolution": resolution, "message": str(report.message_id)}
        audit_add(user, AuditAction.REPORT_RESOLVE, author, key, why, details)
    return report_data(Report.objects.select_related(*RELATED).get(pk=report_id))
