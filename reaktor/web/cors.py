"""Which other origins may call which paths, and the answer to a browser that asks first.

Pages elsewhere authenticate by a token in a header, never by a cookie, so no answer allows credentials.
Source: Fetch standard, "CORS protocol"; the seed contract, "REST" (any origin), for the paths that settings name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from reaktor.hosts import is_allowed_origin

METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"
EXPOSED = "Retry-After"
MAX_AGE_S = 600


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Paths that begin with one of `paths` may be called from `origins`; `*` means any."""

    paths: tuple[str, ...]
    origins: tuple[str, ...]

    def headers(self, origin: str) -> dict[str, str]:
        """What an answer must say so that a page of that origin ("": none given) may read it."""
        if "*" in self.origins:
            return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED}
        if origin and is_allowed_origin(origin, self.origins):
            return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
        return {}

    def preflight_headers(self, origin: str, wanted_headers: str) -> dict[str, str]:
        """The same for a preflight: any method the server knows, and the headers that were asked for."""
        headers = self.headers(origin)
        if headers:
            headers["Access-Control-Allow-Methods"] = METHODS
            headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
            if wanted_headers:
                headers["Access-Control-Allow-Headers"] = wanted_headers
        return headers


def policies_from(entries: Iterable[Mapping[str, tuple[str, ...]]]) -> list[CorsPolicy]:
    """settings.CORS as policies; the first whose paths fit decides."""
    return [CorsPolicy(tuple(entry["paths"]), tuple(entry["origins"])) for entry in entries]


class CorsMiddleware:
    """Answers preflights and adds the headers to every answer of those paths, errors included."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.policies = policies_from(settings.CORS)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        policy = next((each for each in self.policies if request.path.startswith(each.paths)), None)
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
        if "*" not in policy.origins:
            patch_vary_headers(response, ["Origin"])
        return response
