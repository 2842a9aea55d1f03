"""Reads for the pages that moderators work on: one user, one channel, a page of reports; newest first, bounded.

Each answers with a fixed number of queries. `with_direct`: also what was said between two people alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Value, When

from accounts.models import User, WaitingAccount
from chat.domain.policies import DIRECT_KINDS, Resolution, Role
from chat.models import AuditEntry, Channel, ChannelMembership, Invite, Message, Report, Sanction

SHOWN = 25
SHOWN_MEMBERS = 200
COUNTED_REPORTS = 1_000
"""Every admin page says how many are open, and nobody needs a larger number."""
CONTEXT = 3
"""Messages before and after a reported one."""
_RANKED = Case(
    When(role=Role.OWNER.value, then=Value(0)),
    When(role=Role.MODERATOR.value, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)


@dataclass(frozen=True, slots=True)
class UserPage:
    """What is stored about one user. Of memberships, all but those of direct channels."""

    memberships: list[ChannelMembership]
    sanctions: list[Sanction]
    reports: list[Report]
    messages: list[Message]
    audit: list[AuditEntry]


@dataclass(frozen=True, slots=True)
class ChannelPage:
    """What is stored about one channel. `member_count`: of all durable members, shown or not."""

    memberships: list[ChannelMembership]
    member_count: int
    messages: list[Message]
    sanctions: list[Sanction]
    invites: list[Invite]
    audit: list[AuditEntry]


@dataclass(frozen=True, slots=True)
class ReportCard:
    """A report with what one decides it by: the talk around it, and what is known of its author."""

    report: Report
    context: list[Message]
    others: list[Report] = field(default_factory=list)
    """Further reports of the same message that are decided with this one, or were."""
    record: dict[str, int] = field(default_factory=dict)
    """Of the author: sanctions ever, reports that were found right."""


def sanctions_in_force(now: datetime) -> Q:
    """Neither lifted nor over."""
    return Q(lifted_at=None) & (Q(until=None) | Q(until__gt=now))


def messages_shown(*, with_direct: bool) -> QuerySet[Message]:
    found = Message.objects.select_related("channel", "author")
    return found if with_direct else found.exclude(channel__kind__in=DIRECT_KINDS)


def user_page(user: User, *, with_direct: bool) -> UserPage:
    """Six queries."""
    memberships = list(
        ChannelMembership.objects.filter(user=user)
        .exclude(channel__kind__in=DIRECT_KINDS)
        .select_related("channel")
        .order_by(_RANKED, "channel__name")[:SHOWN_MEMBERS]
    )
    reports = Report.objects.filter(author=user).select_related("channel", "reporter", "resolved_by", "message")
    sanctions = Sanction.objects.filter(user=user).select_related("channel", "issued_by", "lifted_by", "user")
    messages = messages_shown(with_direct=with_direct).filter(author=user)
    return UserPage(
        memberships=memberships,
        sanctions=list(sanctions.order_by("-id")[:SHOWN]),
        reports=list(reports.order_by("-id")[:SHOWN]),
        messages=list(messages.order_by("-created_at")[:SHOWN]),
        audit=_newest_of(AuditEntry.objects.filter(target_id=user.pk), AuditEntry.objects.filter(actor_id=user.pk)),
    )


def channel_page(channel: Channel, *, with_direct: bool) -> ChannelPage:
    """Eight queries."""
    memberships = ChannelMembership.objects.filter(channel=channel)
    messages = messages_shown(with_direct=with_direct).filter(channel=channel)
    sanctions = Sanction.objects.filter(sanctions_in_force(datetime.now(UTC)), channel=channel)
    invites = Invite.objects.filter(channel=channel, revoked_at=None).exclude(uses_left=0)
    return ChannelPage(
        memberships=_highest(memberships.select_related("user")),
        member_count=memberships.count(),
        messages=list(messages.order_by("-number")[:SHOWN]),
        sanctions=list(sanctions.select_related("user", "issued_by", "channel").order_by("-id")[:SHOWN]),
        invites=list(
            invites.exclude(expires_at__lte=datetime.now(UTC)).select_related("created_by").order_by("-id")[:SHOWN]
        ),
        audit=list(AuditEntry.objects.filter(channel=channel.key).order_by("-id")[:SHOWN]),
    )


def _highest(memberships: QuerySet[ChannelMembership]) -> list[ChannelMembership]:
    """Owners, moderators, then members, each by name; of more than are shown, those that came first.

    Role by role along an index: ranked and sorted by the database, 100,000 members took half a second.
    """
    shown: list[ChannelMembership] = []
    for role in (Role.OWNER, Role.MODERATOR, Role.MEMBER):
        first = memberships.filter(role=role.value).order_by("id")[: SHOWN_MEMBERS - len(shown)]
        shown += sorted(first, key=lambda each: each.user.username)
    return shown


def report_cards(reports: Sequence[Report], *, with_direct: bool) -> list[ReportCard]:
    """Three or four queries for a page of reports, each with its message and channel selected."""
    if not reports:
        return []
    around = Q()
    for report in reports:
        number = report.message.number
        around |= Q(channel_id=report.channel_id, number__range=(number - CONTEXT, number + CONTEXT))
    nearby = sorted(messages_shown(with_direct=with_direct).filter(around), key=lambda each: each.number)
    authors = {report.author_id for report in reports}
    sanctions = _counted(Sanction.objects.filter(user_id__in=authors), "user_id")
    upheld = Report.objects.filter(author_id__in=authors).exclude(resolution__in=("", Resolution.DISMISSED.value))
    found_right = _counted(upheld, "author_id")
    same = Report.objects.filter(message_id__in={report.message_id for report in reports}).select_related("reporter")
    together = sorted(same, key=lambda each: each.pk)
    return [
        ReportCard(
            report=report,
            context=[message for message in nearby if _is_near(message, report)],
            others=[other for other in together if other.pk != report.pk and _is_decided_with(other, report)],
            record={"sanctions": sanctions.get(report.author_id, 0), "upheld": found_right.get(report.author_id, 0)},
        )
        for report in reports
    ]


def open_messages_count() -> int:
    """How many messages wait for a decision, however many reported each; of the first COUNTED_REPORTS."""
    waiting = Report.objects.filter(resolved_at=None).order_by("id")[:COUNTED_REPORTS]
    return waiting.aggregate(count=Count("message_id", distinct=True))["count"] or 0


def waiting_accounts_count() -> int:
    """How many accounts wait for approval; of the first COUNTED_REPORTS."""
    waiting = WaitingAccount.objects.order_by("since")[:COUNTED_REPORTS]
    return waiting.aggregate(count=Count("pk"))["count"] or 0


def first_of_each_message(found: QuerySet[Report], among: QuerySet[Report]) -> QuerySet[Report]:
    """Of the reports of `among` that are decided together only the first."""
    earlier = among.filter(message_id=OuterRef("message_id"), id__lt=OuterRef("id"))
    still_open = Q(resolved_at=None) & Exists(earlier.filter(resolved_at=None))
    decided = Exists(earlier.filter(resolved_at=OuterRef("resolved_at")))
    return found.exclude(still_open).exclude(decided)


def _newest_of(*found: QuerySet[AuditEntry]) -> list[AuditEntry]:
    """The newest of all: each along its own index, where one condition for both would sort what it finds."""
    newest = {entry.pk: entry for each in found for entry in each.order_by("-id")[:SHOWN]}
    return [newest[pk] for pk in sorted(newest, reverse=True)[:SHOWN]]


def _is_decided_with(other: Report, report: Report) -> bool:
    return (other.message_id, other.resolved_at) == (report.message_id, report.resolved_at)


def _is_near(message: Message, report: Report) -> bool:
    return message.channel_id == report.channel_id and abs(message.number - report.message.number) <= CONTEXT


def _counted(found: QuerySet[Sanction] | QuerySet[Report], by: str) -> dict[object, int]:
    rows: Iterable[tuple[object, int]] = found.order_by().values_list(by).annotate(count=Count("pk"))
    return dict(rows)
