"""/api/v1 sanctions, reports, purge and audit: what moderators do, and what everybody may know of it."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from chat import selectors, services
from chat.domain import rules
from chat.domain.moderation import AuditData, PurgeData, ReportData, SanctionData
from chat.transports.rest import moderation_shapes as shapes
from chat.transports.rest.views import ChatView
from reaktor.errors import NotFoundError
from reaktor.limits.rates import Limit
from reaktor.shapes import ListData
from reaktor.web.api import READS, answers, operation


class SanctionsView(ChatView):
    @operation(
        READS,
        operation_id="sanctions_list",
        query=shapes.SanctionQuery,
        responses=answers({200: ListData[SanctionData]}, 403),
        tags=["moderation"],
    )
    def get(self, request: Request) -> Response:
        """Newest first: one's own, those of the channels one moderates, all of them for staff."""
        only_in_force = self.wanted.pop("in_force", None) is not None
        found, following = selectors.sanctions_list(user=self.me(request), **self.wanted, only_in_force=only_in_force)
        return Response({"results": found, "next": following})

    @operation(
        Limit.MODERATION,
        operation_id="sanctions_create",
        body=shapes.SanctionInput,
        responses=answers({201: SanctionData}, 403, 404),
        tags=["moderation"],
    )
    def post(self, request: Request) -> Response:
        """Kick, mute or ban somebody of a lower rank, in a channel or everywhere. Holds at once."""
        return Response(services.sanction_issue(user=self.me(request), **self.wanted), status=201)


class SanctionView(ChatView):
    @operation(
        Limit.MODERATION,
        operation_id="sanctions_lift",
        responses=answers({200: SanctionData}, 403, 404),
        tags=["moderation"],
    )
    def delete(self, request: Request, sanction_id: str) -> Response:
        """End it before its time. Repeating it changes nothing."""
        return Response(services.sanction_lift(user=self.me(request), sanction_id=row_id(sanction_id)))


class ReportsView(ChatView):
    @operation(
        READS,
        operation_id="reports_list",
        query=shapes.ReportQuery,
        responses=answers({200: ListData[ReportData]}, 403),
        tags=["moderation"],
    )
    def get(self, request: Request) -> Response:
        """The open reports of the channels that one moderates, newest first."""
        only_open = self.wanted.pop("all", None) is None
        found, following = selectors.reports_list(user=self.me(request), **self.wanted, only_open=only_open)
        return Response({"results": found, "next": following})


class ReportResolveView(ChatView):
    @operation(
        Limit.MODERATION,
        operation_id="reports_resolve",
        body=shapes.ResolveInput,
        responses=answers({200: ReportData}, 403, 404, 409),
        tags=["moderation"],
    )
    def post(self, request: Request, report_id: str) -> Response:
        """Decide a report: dismiss it, delete the message, or sanction its author as well."""
        return Response(services.report_resolve(user=self.me(request), report_id=row_id(report_id), **self.wanted))


class MessageReportsView(ChatView):
    @operation(
        Limit.CHANGES,
        operation_id="reports_create",
        body=shapes.ReportInput,
        responses=answers({201: ReportData}, 403, 404, 409),
        tags=["moderation"],
    )
    def post(self, request: Request, key: str, message_id: str) -> Response:
        """Have somebody else's message looked at. The same again is the report from then."""
        me = self.me(request)
        report = services.report_create(
            user=me, key=rules.parse_channel_key(key), message_id=message_id, reason=self.wanted["reason"]
        )
        return Response(report, status=201)


class PurgeView(ChatView):
    @operation(
        Limit.BULK_DELETE,
        operation_id="messages_purge",
        body=shapes.PurgeInput,
        responses=answers({200: PurgeData, 202: PurgeData}, 403, 404),
        tags=["moderation"],
    )
    def post(self, request: Request) -> Response:
        """Delete what somebody wrote in the last hours, in a channel or everywhere. 202: the rest follows by itself."""
        done = services.messages_purge(user=self.me(request), **self.wanted)
        return Response(done, status=202 if done["left"] else 200)


class AuditView(ChatView):
    @operation(
        READS,
        operation_id="audit_list",
        query=shapes.AuditQuery,
        responses=answers({200: ListData[AuditData]}, 403),
        tags=["moderation"],
    )
    def get(self, request: Request) -> Response:
        """What was done in the channels that one moderates, newest first; everywhere for staff."""
        found, following = selectors.audit_list(user=self.me(request), **self.wanted)
        return Response({"results": found, "next": following})


def row_id(text: str) -> int:
    """The id in a path. One that cannot be leads nowhere: NotFoundError."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise NotFoundError
    return int(text)
