"""/api/v1 sanctions, reports, purge and audit: what moderators do, and what everybody may know of it."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from chat import selectors, services
from chat.domain import rules
from chat.transports.rest import moderation_shapes as shapes
from chat.transports.rest.views import ChatView
from reaktor.errors import NotFoundError
from reaktor.web.api import answers


class SanctionsView(ChatView):
    @extend_schema(
        operation_id="sanctions_list",
        parameters=[shapes.SanctionQuery],
        responses=answers({200: shapes.SanctionListShape}, 403),
        tags=["moderation"],
    )
    def get(self, request: Request) -> Response:
        """Newest first: one's own, those of the channels one moderates, all of them for staff."""
        wanted = self.validated(shapes.SanctionQuery, request.query_params.dict())
        only_in_force = wanted.pop("in_force", None) is not None
        found, following = selectors.sanctions_list(user=self.me(request), **wanted, only_in_force=only_in_force)
        return Response({"results": found, "next": following})

    @extend_schema(
        operation_id="sanctions_create",
        request=shapes.SanctionInput,
        responses=answers({201: shapes.SanctionShape}, 403, 404),
        tags=["moderation"],
    )
    def post(self, request: Request) -> Response:
        """Kick, mute or ban somebody of a lower rank, in a channel or everywhere. Holds at once."""
        wanted = self.validated(shapes.SanctionInput, request.data)
        return Response(services.sanction_issue(user=self.me(request), **wanted), status=201)


class SanctionView(ChatView):
    @extend_schema(
        operation_id="sanctions_lift", responses=answers({200: shapes.SanctionShape}, 403, 404), tags=["moderation"]
    )
    def delete(self, request: Request, sanction_id: str) -> Response:
        """End it before its time. Repeating it changes nothing."""
        return Response(services.sanction_lift(user=self.me(request), sanction_id=row_id(sanction_id)))


class ReportsView(ChatView):
    @extend_schema(
        operation_id="reports_list",
        parameters=[shapes.ReportQuery],
        responses=answers({200: shapes.ReportListShape}, 403),
        tags=["moderation"],
    )
    def get(self, request: Request) -> Response:
        """The open reports of the channels that one moderates, newest first."""
        wanted = self.validated(shapes.ReportQuery, request.query_params.dict())
        only_open = wanted.pop("all", None) is None
        found, following = selectors.reports_list(user=self.me(request), **wanted, only_open=only_open)
        return Response({"results": found, "next": following})


class ReportResolveView(ChatView):
    @extend_schema(
        operation_id="reports_resolve",
        request=shapes.ResolveInput,
        responses=answers({200: shapes.ReportShape}, 403, 404, 409),
        tags=["moderation"],
    )
    def post(self, request: Request, report_id: str) -> Response:
        """Decide a report: dismiss it, delete the message, or sanction its author as well."""
        wanted = self.validated(shapes.ResolveInput, request.data)
        return Response(services.report_resolve(user=self.me(request), report_id=row_id(report_id), **wanted))


class MessageReportsView(ChatView):
    @extend_schema(
        operation_id="reports_create",
        request=shapes.ReportInput,
        responses=answers({201: shapes.ReportShape}, 403, 404, 409),
        tags=["moderation"],
    )
    def post(self, request: Request, key: str, message_id: str) -> Response:
        """Have somebody else's message looked at. The same again is the report from then."""
        wanted = self.validated(shapes.ReportInput, request.data)
        me = self.me(request)
        self.app().limits.check_change(me.id)
        report = services.report_create(
            user=me, key=rules.parse_channel_key(key), message_id=message_id, reason=wanted["reason"]
        )
        return Response(report, status=201)


class PurgeView(ChatView):
    @extend_schema(
        operation_id="messages_purge",
        request=shapes.PurgeInput,
        responses=answers({200: shapes.PurgeShape}, 403, 404),
        tags=["moderation"],
    )
    def post(self, request: Request) -> Response:
        """Delete what somebody wrote in the last hours, in a channel or everywhere."""
        wanted = self.validated(shapes.PurgeInput, request.data)
        return Response({"deleted": services.messages_purge(user=self.me(request), **wanted)})


class AuditView(ChatView):
    @extend_schema(
        operation_id="audit_list",
        parameters=[shapes.AuditQuery],
        responses=answers({200: shapes.AuditListShape}, 403),
        tags=["moderation"],
    )
    def get(self, request: Request) -> Response:
        """What was done in the channels that one moderates, newest first; everywhere for staff."""
        wanted = self.validated(shapes.AuditQuery, request.query_params.dict())
        found, following = selectors.audit_list(user=self.me(request), **wanted)
        return Response({"results": found, "next": following})


def row_id(text: str) -> int:
    """The id in a path. One that cannot be leads nowhere: NotFoundError."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise NotFoundError
    return int(text)
