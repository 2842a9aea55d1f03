"""Response headers that keep the pages safe: nothing is loaded from, or framed by, another origin."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from reaktor.web.edge import CONTENT_SECURITY_POLICY


class ContentSecurityPolicyMiddleware:
    """Adds Content-Security-Policy to every answer that does not bring its own."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        return response
