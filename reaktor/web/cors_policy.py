"""Which pages of other origins may read which answers: a policy for each part of the server, and its headers.

Authentication is by bearer token and never by cookie, so no policy needs credentials but Socket.IO's: clients of 1.x
and 2.x send them whether asked or not, and `*` is useless to them. Read by the middleware, and by whoever answers
before the application does. Pure. Source: Fetch standard, "CORS protocol".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reaktor.config.model import Config
from reaktor.hosts import ANY, is_allowed_origin

METHODS = "GET,HEAD,PUT,PATCH,POST,DELETE"
EXPOSED = "Retry-After"
MAX_AGE_S = 600
SEED_PATHS = ("/auth", "/channels")
"""The replaced server's: its clients may live on any page."""
API_PATHS = ("/api/v1",)
SOCKETIO_PATHS = ("/socket.io",)


def is_under(path: str, prefixes: Iterable[str]) -> bool:
    """Whether a path is one of these, or below it; large letters too, so that a mistyped one gets the same errors."""
    small = path.lower()
    return any(small == prefix or small.startswith(f"{prefix}/") for prefix in prefixes)


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """`paths` and what is below them may be called from `origins`; `*` means any."""

    paths: tuple[str, ...]
    origins: tuple[str, ...]
    with_credentials: bool = False

    def headers(self, origin: str) -> dict[str, str]:
        """What an answer must say so that a page of that origin ("": none given) may read it."""
        if ANY in self.origins and not (self.with_credentials and origin):
            return {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": EXPOSED}
        if not origin or not is_allowed_origin(origin, self.origins):
            return {}
        found = {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}
        return {**found, "Access-Control-Allow-Credentials": "true"} if self.with_credentials else found

    @property
    def varies(self) -> bool:
        """Whether the headers differ from origin to origin."""
        return self.with_credentials or ANY not in self.origins

    def preflight_headers(self, origin: str, wanted_headers: str) -> dict[str, str]:
        """The same for a preflight: any method the server knows, and the headers that were asked for."""
        headers = self.headers(origin)
        if headers:
            headers["Access-Control-Allow-Methods"] = METHODS
            headers["Access-Control-Max-Age"] = str(MAX_AGE_S)
            if wanted_headers:
                headers["Access-Control-Allow-Headers"] = wanted_headers
        return headers


def rest_policies(config: Config) -> tuple[CorsPolicy, ...]:
    """Of what Django answers."""
    return CorsPolicy(SEED_PATHS, (ANY,)), CorsPolicy(API_PATHS, config.web.origins)


def all_policies(config: Config) -> tuple[CorsPolicy, ...]:
    socketio = CorsPolicy(SOCKETIO_PATHS, config.engineio.allowed_origins, with_credentials=True)
    return *rest_policies(config), socketio


def policy_for(path: str, policies: Iterable[CorsPolicy]) -> CorsPolicy | None:
    return next((policy for policy in policies if is_under(path, policy.paths)), None)
