"""What every REST path shares: JSON whatever happens, one mapping of errors, strict bodies, CORS."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404
from rest_framework import exceptions

from accounts import services
from chat import selectors
from reaktor.errors import HTTP_STATUS, ReaktorError, UnavailableError
from reaktor.web import rest
from reaktor.web.cors_policy import CorsPolicy
from reaktor.web.edge import SAFETY
from tests.support.rest import Rest, _fresh_limits, logged_in, register  # noqa: F401

JSON = "application/json"


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (UnavailableError(), 503, "unavailable"),
        (Http404(), 404, "not_found"),
        (PermissionDenied(), 403, "forbidden"),
        (SuspiciousOperation(), 400, "invalid"),
        (OperationalError("secret host"), 503, "unavailable"),
        (exceptions.ParseError(), 400, "invalid"),
        (exceptions.NotAuthenticated(), 401, "not_authenticated"),
        (exceptions.AuthenticationFailed(), 401, "not_authenticated"),
        (exceptions.PermissionDenied(), 403, "forbidden"),
        (exceptions.NotFound(), 404, "not_found"),
        (exceptions.MethodNotAllowed("PUT"), 405, "unknown_operation"),
        (exceptions.NotAcceptable(), 406, "invalid"),
        (exceptions.UnsupportedMediaType("text/csv"), 415, "invalid"),
        (exceptions.Throttled(3), 429, "rate_limited"),
        (exceptions.APIException("inside"), 500, "internal"),
        (exceptions.ValidationError({"a": ["no", {"b": "never"}]}), 400, "invalid"),
        (ZeroDivisionError("secret"), 500, "internal"),
    ],
)
def test_every_error_has_a_status_and_a_code_and_tells_no_secret(raised: Exception, status: int, code: str) -> None:
    response = rest.exception_handler(raised, {})
    assert response.status_code == status
    assert response.data["error"]["code"] == code
    assert "secret" not in str(response.data)
    assert "inside" not in str(response.data)


@pytest.mark.parametrize("kind", ReaktorError.__subclasses__())
def test_every_error_of_ours_keeps_its_code_in_both_shapes(kind: type[ReaktorError]) -> None:
    response = rest.error_response(kind(), rest.flat)
    assert response.status_code == HTTP_STATUS[kind.code]
    assert response.data == {"error": kind.default_message, "code": kind.code}


@pytest.mark.django_db
def test_what_nobody_foresaw_is_logged_and_answered_without_a_word_of_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    client = logged_in(register("ada"))
    monkeypatch.setattr(selectors, "channel_list", lambda **_: {}["secret"])
    with caplog.at_level(logging.ERROR, "reaktor.web.rest"):
        status, body = client.get("/api/v1/channels")
    assert (status, body["error"]["code"]) == (500, "internal")
    assert "secret" not in str(body)
    assert "KeyError" in caplog.text


@pytest.mark.django_db
def test_a_database_that_is_away_is_unavailable_and_says_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(**_: Any) -> None:
        raise OperationalError("connection refused")

    client = logged_in(register("ada"))
    monkeypatch.setattr(selectors, "channel_list", away)
    response = client.send("GET", "/api/v1/channels")
    assert (response.status_code, response["Retry-After"]) == (503, "1")


BODIES = {
    "not JSON": b"{",
    "nothing but blanks": b"  ",
    "two values": b"{} {}",
    "a list": b"[]",
    "a text": b'"x"',
    "null": b"null",
    "NaN": b'{"username": NaN}',
    "not UTF-8": b'{"username": "\xff"}',
    "UTF-16": '{"username": "ada"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"username": "ada"}',
    "half a character": b'{"username": "\\ud800", "password": "x"}',
    "nesting without end": b'{"username": ' + b"[" * 100_000,
    "deep nesting": b'{"username": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
    "a number of 100,000 digits": b'{"username": ' + b"9" * 100_000 + b"}",
}


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/tokens", "/auth/login"])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_bad_body_is_a_bad_request(path: str, body: bytes) -> None:
    status, answer = Rest().post(path, body)
    assert status in ({400, 401} if path == "/auth/login" else {400})
    assert answer["error"]


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/api/v1/tokens", "/auth/login"])
def test_an_oversize_body_is_too_large(path: str, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    status, answer = Rest().post(path, {"username": "a" * 1000, "password": "x"})
    assert status == 413
    assert "too_large" in str(answer)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", f"{JSON}; charset=utf-16", ""]
)
def test_only_json_in_utf8_is_taken(kind: str) -> None:
    status, answer = Rest().post("/api/v1/tokens", b'{"username": "a", "password": "b"}', content_type=kind)
    assert (status, answer["error"]["code"]) == (415, "invalid")


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [JSON, f"{JSON};charset=utf-8", f'{JSON}; charset="UTF-8"', "Application/JSON"])
def test_json_may_say_its_charset(kind: str) -> None:
    assert Rest().post("/api/v1/tokens", {"username": "ada", "password": "x"}, content_type=kind)[0] == 401


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "text/html;q=0.9, junk"])
def test_the_answer_is_json_whatever_was_asked_for(accept: str) -> None:
    assert Rest().get("/api/v1/me", Accept=accept)[0] == 401


@pytest.mark.django_db
def test_a_wrong_method_is_told_which_are_right() -> None:
    response = Rest().send("DELETE", "/api/v1/tokens", {})
    assert (response.status_code, response["Allow"]) == (405, "POST")
    assert response.json()["error"]["code"] == "unknown_operation"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/api",
        "/api/v1/nope",
        "/api/v1/me/",
        "/channels//join",
        "/auth/nope",
        "/Auth/nope",
        "/.env",
        "/api/v2/me",
    ],
)
def test_an_unknown_path_is_a_json_404(path: str) -> None:
    status, answer = Rest().get(path)
    assert status == 404
    flat = path.lower().startswith(("/auth/", "/channels"))
    assert answer == ({"error": "There is nothing here.", "code": "not_found"} if flat else answer)
    assert answer.get("code", "") == "not_found" if flat else answer["error"]["code"] == "not_found"


@pytest.mark.django_db
def test_the_admin_keeps_its_pages_for_people() -> None:
    response = Rest().send("GET", "/admin/nope")
    assert response["Content-Type"].startswith("text/html")


# -- CORS ---------------------------------------------------------------------------------------------------------

PREFLIGHT = {
    "Origin": "http://client.test",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type",
}


@pytest.mark.parametrize("path", ["/auth/login", "/channels", "/channels/general/join", "/channels/x/messages"])
def test_any_page_may_ask_for_the_seed_paths_and_authorization_is_among_the_headers(path: str) -> None:
    response = Rest().send("OPTIONS", path, **PREFLIGHT)
    assert (response.status_code, response.content) == (204, b"")
    assert response["Access-Control-Allow-Origin"] == "*"
    assert response["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "POST" in response["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.django_db
def test_errors_of_the_seed_paths_can_be_read_by_any_page() -> None:
    for method, path in (("GET", "/channels"), ("POST", "/auth/login"), ("GET", "/auth/nope")):
        assert Rest().send(method, path)["Access-Control-Allow-Origin"] == "*"


def test_the_rest_interface_is_for_its_own_origin_unless_configured() -> None:
    response = Rest().send("OPTIONS", "/api/v1/me", **PREFLIGHT)
    assert "Access-Control-Allow-Origin" not in response
    assert "Origin" in response["Vary"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "null", "https://good.example.evil.example", "https://good.example:81",
        "http://good.example", "",
    ],
)  # fmt: skip
def test_an_origin_is_allowed_only_when_it_is_named(origin: str) -> None:
    policy = CorsPolicy(("/api/v1/",), ("https://good.example",))
    assert policy.headers(origin) == {}
    assert policy.preflight_headers(origin, "authorization") == {}
    assert policy.headers("https://good.example")["Access-Control-Allow-Origin"] == "https://good.example"


@pytest.mark.django_db
def test_no_answer_says_what_serves_it_and_all_carry_the_headers_that_keep_pages_safe() -> None:
    response = Rest(services.tokens_issue(register("ada"))["access"]).send("GET", "/api/v1/me")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in response["Content-Security-Policy"]
    for name, value in SAFETY:
        assert response[name.decode()] == value.decode(), "what is refused before Django says the same"
    assert "Server" not in response
