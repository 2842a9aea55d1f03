"""Whatever a client may ask has a declared rate, or a reason why it has none; and what is declared holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, path
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from chat.live.operations import OPERATIONS
from chat.transports.native import handlers, moderation  # noqa: F401  they register themselves
from chat.transports.native.registry import AT_ONCE, HANDLERS
from chat.transports.socketio import events
from reaktor.config.model import Limits, Rate
from reaktor.limits.rates import Limit, Unmetered
from reaktor.web.api import ApiView, Operation, operation
from tests.support.rest import logged_in, register, set_limits

METHODS = ("get", "post", "put", "patch", "delete")
Method = tuple[str, str, Any]
"""(route, HTTP method, the view's function)."""


def methods_of(patterns: Any, prefix: str = "") -> Iterator[Method]:
    """Every method of every REST view below these URL patterns."""
    for each in patterns:
        route = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from methods_of(each.url_patterns, route)
        elif isinstance(each, URLPattern) and issubclass(view := getattr(each.callback, "view_class", object), APIView):
            yield from ((route, name, getattr(view, name)) for name in METHODS if hasattr(view, name))


def undeclared(allowances: dict[str, Any]) -> list[str]:
    """The names that have neither a Limit nor a reason."""
    return [
        name
        for name, allowance in allowances.items()
        if not (isinstance(allowance, Limit) or (isinstance(allowance, Unmetered) and len(allowance.because) > 10))
    ]


def rest_allowances(patterns: Any) -> dict[str, Any]:
    return {
        f"{name} {route}": method.operation.allowance if hasattr(method, "operation") else None
        for route, name, method in methods_of(patterns)
    }


def test_every_live_operation_has_a_rate_or_a_reason() -> None:
    assert undeclared(dict(OPERATIONS)) == []
    assert set(HANDLERS) | set(AT_ONCE) | set(events.OPERATIONS.values()) <= set(OPERATIONS)


def test_what_is_handled_at_once_has_no_rate_that_other_processes_are_asked_about() -> None:
    at_once = {*AT_ONCE, events.OPERATIONS[events.MESSAGE_POST]}
    assert {OPERATIONS[name] for name in at_once if not isinstance(OPERATIONS[name], Unmetered)} == {Limit.SEND}


def test_every_method_of_every_rest_view_has_a_rate_or_a_reason() -> None:
    found = rest_allowances(get_resolver().url_patterns)
    assert len(found) > 40
    assert undeclared(found) == []


def test_a_new_one_without_a_rate_is_found() -> None:
    class Forgotten(ApiView):
        @operation(Limit.CHANGES)
        def get(self, request: Request) -> Response:
            return Response()

        def post(self, request: Request) -> Response:
            return Response()

    assert undeclared(rest_allowances([path("forgotten", Forgotten.as_view())])) == ["post forgotten"]
    assert undeclared({"new.operation": None, "another": Unmetered("")}) == ["new.operation", "another"]


def filled(route: str) -> str:
    """A path for a route, with something in each place."""
    parts = "/" + route.replace("^", "").replace("/?\\Z", "").replace("(?P<key>[\\s\\S]+)", "<str:key>")
    return "/".join("nothing" if part.startswith("<") else part for part in parts.split("/"))


LIMITED = [
    pytest.param(filled(route), name.upper(), method.operation, id=f"{name} {route}")
    for route, name, method in methods_of(get_resolver().url_patterns)
    if isinstance(method.operation.allowance, Limit)
]
GOOD = {
    "name": "Tea", "text": "hi", "nonce": "1", "username": "nobody", "kind": "mute", "user": "nobody", "reason": "spam",
    "role": "member", "number": 1, "resolution": "dismissed", "hours": 1, "level": "all",
    "password": "wrong", "code": "123456",
    "ids": ["01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a71"],
    "scopes": ["read"], "endpoint": "https://push.example", "keys": {"p256dh": "x", "auth": "y"},
}  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize(("place", "method", "asked"), LIMITED)
def test_who_asks_too_often_over_rest_is_refused(place: str, method: str, asked: Operation) -> None:
    set_limits(replace(Limits(), **{limit.value: Rate(1, 60) for limit in Limit}))
    rest, other = logged_in(register("ada")), logged_in(register("ben"))
    fields = asked.body._declared_fields if asked.body else {}
    body = {name: GOOD[name] for name, field in fields.items() if field.required}
    first = rest.send(method, place, body)
    assert first.status_code not in {405, 429}, first.content
    refused = rest.send(method, place, body)
    assert refused.status_code == 429, refused.content
    assert 0 < int(refused["Retry-After"]) <= 60
    assert other.send(method, place, body).status_code != 429
