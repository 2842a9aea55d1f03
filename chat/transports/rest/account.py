"""/api/v1/me: one's own live sessions, wherever they are, and everything that is stored about oneself."""

from __future__ import annotations

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Annotated, TypedDict, cast

from rest_framework.request import Request
from rest_framework.response import Response

from accounts import services as accounts
from accounts.authentication import Claims
from accounts.models import User
from chat.domain.ids import SessionId
from chat.domain.sessions import Status, Transport
from chat.membership.roster import SessionEntry
from chat.selectors.export import Export, export_page
from chat.transports.rest import shapes
from chat.transports.rest.views import ChatView
from reaktor.errors import NotFoundError, UnavailableError
from reaktor.limits.rates import Limit
from reaktor.shapes import ListData, Time
from reaktor.times import timestamp
from reaktor.web.api import READS, answers, operation

END_TIMEOUT_S = 10.0


class SessionData(TypedDict):
    """A live session of one's own. The id names it here and opens nothing."""

    id: str
    transport: Annotated[str, Transport]
    address: Annotated[str, "From where, as the server sees it."]
    since: Time
    status: Annotated[str, Status]
    is_current: Annotated[bool, "It came with the log-in that asks."]


class ExportData(Export):
    """What is stored about an account. All but `account`, `sessions` and `messages` is on the first page alone."""

    sessions: list[SessionData]


def public_id(session_id: SessionId) -> str:
    """What a session is called here. Its own id stays secret: a Socket.IO client takes its session up again by it."""
    return hashlib.blake2b(session_id.encode(), digest_size=12).hexdigest()


def session_data(entry: SessionEntry, login: uuid.UUID) -> SessionData:
    info = entry.info
    return {
        "id": public_id(info.session_id),
        "transport": info.transport.value,
        "address": info.address,
        "since": timestamp(datetime.fromtimestamp(info.since, UTC)),
        "status": entry.status.value,
        "is_current": info.login == str(login),
    }


class SessionsView(ChatView):
    @operation(READS, operation_id="me_sessions", responses=answers({200: ListData[SessionData]}, 403), tags=["me"])
    def get(self, request: Request) -> Response:
        """One's live sessions on all workers, oldest first. `is_current`: of the log-in that asks."""
        live = self.live()
        login = cast(Claims, request.auth).login
        found = live.sessions_of(self.me(request).id) if live is not None else []
        return Response({"results": [session_data(entry, login) for entry in found], "next": None})


class SessionView(ChatView):
    @operation(Limit.CHANGES, operation_id="me_sessions_end", responses=answers({204: None}, 403, 404), tags=["me"])
    def delete(self, request: Request, session_id: str) -> Response:
        """Log out there: every token and every live session of the log-in that this session came with ends.

        The other log-ins of the account stay as they are.
        """
        live = self.live()
        if live is None:
            raise UnavailableError
        mine = live.sessions_of(self.me(request).id)
        login = next((entry.info.login for entry in mine if public_id(entry.info.session_id) == session_id), None)
        if login is None:
            raise NotFoundError("There is no such session.")
        accounts.login_end(cast(User, request.user), login=uuid.UUID(login))
        ended = [entry.info.session_id for entry in mine if entry.info.login == login]
        live.end_sessions(self.me(request).id, ended, END_TIMEOUT_S)
        return Response(status=204)


class ExportView(ChatView):
    @operation(
        Limit.OPERATIONS,
        operation_id="me_export",
        query=shapes.ExportQuery,
        responses=answers({200: ExportData}, 403),
        tags=["me"],
    )
    def get(self, request: Request) -> Response:
        """Everything that is stored about oneself; messages, oldest first, in pages of 1,000."""
        user = cast(User, request.user)
        page = export_page(user=user, cursor=self.wanted.get("cursor"))
        live, login = self.live(), cast(Claims, request.auth).login
        found = live.sessions_of(self.me(request).id) if live is not None else []
        return Response({**page, "sessions": [session_data(entry, login) for entry in found]})
