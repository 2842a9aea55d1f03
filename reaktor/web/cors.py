"""CORS in Django: preflights are answered, and every answer says who may read it, errors included.

The policies (reaktor.web.cors_policy) come from settings.CORS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from reaktor.web.cors_policy import CorsPolicy, policy_for


class CorsMiddleware:
    """Answers preflights and adds the headers to every answer of those paths, errors included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.policies: Sequence[CorsPolicy] = settings.CORS

    def __call__(self, request: HttpRequest) -> HttpResponse:
        policy = policy_for(request.path, self.policies)
        if policy is None:
            return self.get_response(request)
        origin = request.headers.get("Origin", "")
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            response = HttpResponse(status=204)
            wanted = request.headers.get("Access-Control-Request-Headers", "")
            headers = policy.preflight_headers(origin, wanted)
            patch_vary_headers(response, ["Access-Control-Request-Headers"])
        else:
            response = self.get_response(request)
            headers = policy.headers(origin)
        for name, value in headers.items():
            response[name] = value
        if policy.varies:
            patch_vary_headers(response, ["Origin"])
        return response
