"""/api/v1/server: whose server this is, for who has no account yet; and its logo."""

from __future__ import annotations

import re

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api import OpenView
from accounts.avatars import HEADERS
from chat.selectors.server_page import ServerData, logo_picture
from chat.transports.views import ChatSide
from reaktor.sandbox.pictures import CONTENT_TYPE
from reaktor.web.api import READS, answers, operation

_DIGEST = re.compile(r"[0-9a-f]{64}")


class ServerView(OpenView):
    @operation(READS, operation_id="server_get", responses=answers({200: ServerData}), tags=["server"])
    def get(self, request: Request) -> Response:
        """Whose server this is: its name, logo, welcome and rules, and how one gets an account. Needs no token."""
        return Response(ChatSide.app().server_page.current())


@require_safe
def logo(request: HttpRequest, digest: str) -> HttpResponse:
    """GET /logo/<hash>.webp"""
    found = logo_picture(digest) if _DIGEST.fullmatch(digest) else None
    if found is None:
        raise Http404
    return HttpResponse(found, content_type=CONTENT_TYPE, headers=HEADERS)
