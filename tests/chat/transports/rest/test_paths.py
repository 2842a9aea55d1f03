"""Whatever stands in the path where a name, a key or an id belongs: an answer, never an error of ours.

On PostgreSQL, too, which refuses a NUL that SQLite takes.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.urls.resolvers import URLPattern

from chat.transports.rest.urls import urlpatterns
from tests.support.rest import Rest, error_code, logged_in, register

pytestmark = [pytest.mark.django_db, pytest.mark.database]
BODIES: dict[str, Any] = {
    "name": "x", "text": "x", "nonce": "n", "emoji": "x", "role": "member", "reason": "x", "number": 1,
    "resolution": "dismissed",
}  # fmt: skip
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def paths() -> list[str]:
    """Every path of chat that has something in it to be named."""
    routes = [str(each.pattern) for each in urlpatterns if isinstance(each, URLPattern)]
    return [route for route in routes if "<" in route]


@pytest.mark.parametrize("odd", ["%00", "a%00b", "%ED%A0%80", "%FF", "%F0%9F%98%80", "x" * 500])
def test_no_odd_name_in_a_path_is_more_than_not_found(odd: str) -> None:
    rest = logged_in(register("ada", is_staff=True))
    named = {"<str:key>": "general", "<str:username>": "ada"}
    for route in paths():
        parts = route.split("/")
        for place in [at for at, part in enumerate(parts) if part.startswith("<")]:
            filled = [odd if at == place else named.get(part, part) for at, part in enumerate(parts)]
            filled = ["x" if part.startswith("<") else part for part in filled]
            for method in METHODS:
                check(rest, method, f"/api/v1/{'/'.join(filled)}")


def check(rest: Rest, method: str, path: str) -> None:
    status, body = rest(method, path, BODIES)
    live_side_only = path.startswith("/api/v1/me/sessions/") and status == 503
    assert status in {200, 204, 400, 403, 404, 405, 409} or live_side_only, (method, path, status, body)
    assert status < 300 or error_code(body) != "internal"


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "COUNT", "INITIAL", "HTTP_METHOD_NOT_ALLOWED"])
def test_what_is_no_method_of_a_path_is_refused(method: str) -> None:
    """Names that the views have for other things were called, and failed."""
    rest = logged_in(register("ada"))
    for path in ("me", "channels", "accounts", "search"):
        status, body = rest(method, f"/api/v1/{path}", {})
        assert (status, error_code(body)) == (405, "unknown_operation"), path


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("PATCH", "me/notifications", "preview"),
        ("POST", "channels/general/messages", "confirm"),
        ("PATCH", "channels/general", "is_frozen"),
        ("PUT", "channels/general/read", "back"),
    ],
)
@pytest.mark.parametrize("value", [0, 1, "true", "yes", None, []])
def test_in_a_body_true_is_true_alone(method: str, path: str, name: str, value: Any) -> None:
    status, body = logged_in(register("ada"))(method, f"/api/v1/{path}", {**BODIES, name: value})
    assert (status, list(body["error"]["fields"])) == (400, [name])
