"""What is refused before a thread works on it: as Django would have said it, and only when it is too much."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from django.conf import settings

from accounts import tokens
from accounts.models import User
from reaktor.config.model import Limits, Rate
from reaktor.limits.rates import Limit, Rates
from reaktor.limits.requests import RequestRates
from reaktor.web import gate
from reaktor.web.edge import edge_of
from reaktor.web.gate import Gate
from reaktor.web.reply import text_reply
from reaktor.web.scope import PEER, Receive, Send
from reaktor.web.staticfiles import file_paths
from reaktor.web.threads import ThreadedDjango
from tests.reaktor.web.test_threads import Asked, scope
from tests.support.databases import user_ref

NEW_TO_THE_GATE = {"allow", "vary"}
"""What Django's answers carry beside ours: of a view that the gate does not ask."""


class Behind:
    """An application that notes what gets through to it."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        await text_reply(200, "behind the gate").send(scope, send)


def token_of(name: str) -> str:
    return str(tokens.new(tokens.ACCESS, User.objects.get(pk=user_ref(name).id)))


def gate_before(application: Any, **limits: Rate) -> Gate:
    given = Limits(**limits)  # type: ignore[arg-type]  # rates alone
    return Gate(
        application,
        RequestRates(given, clock=lambda: 100.0),
        edge_of(settings.REAKTOR),
        operations=Rates(given),
        is_file=file_paths(),
        passed=("/admin",),
    )


@pytest.fixture
async def django() -> AsyncIterator[ThreadedDjango]:
    application = ThreadedDjango(threads=2, waiting=9, max_body_bytes=1000, edge=edge_of(settings.REAKTOR))
    yield application
    application.close()


@pytest.fixture
def no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "REST_S", 0.0)


IN_VAIN = [
    ("/api/v1/channels", {}),
    ("/api/v1/channels", {"Authorization": "Bearer nonsense"}),
    ("/api/v1/channels", {"Authorization": "nonsense"}),
    ("/api/v1/me", {"Origin": "https://app.example"}),
    ("/channels", {}),
    ("/channels", {"Authorization": "Bearer: nonsense", "Origin": "https://app.example"}),
    ("/channels/general/messages/", {"Authorization": "nonsense"}),
    ("/api/v1/nothing", {}),
    ("/nothing", {"Origin": "https://app.example"}),
    ("/auth/nothing", {}),
    ("/channels/general/nothing", {}),
    ("/static/nothing.js", {}),
    ("/static/", {"Origin": "https://app.example"}),
    ("/static/chat/../chat/main.js", {}),
]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "headers"), IN_VAIN)
async def test_a_401_or_404_takes_no_thread_and_is_what_django_says(
    django: ThreadedDjango, path: str, headers: dict[str, str]
) -> None:
    """80 connections that read 401s kept all threads busy, and others' posts took 91 to 198 ms."""
    behind = Behind()
    ours = await Asked().ask(gate_before(behind), scope(path, **headers))
    theirs = await Asked().ask(django, scope(path, **headers))
    assert behind.scopes == []
    assert ours.status == theirs.status
    assert ours.body == theirs.body
    for name in (set(ours.headers) | set(theirs.headers)) - NEW_TO_THE_GATE:
        assert ours.headers.get(name) == theirs.headers.get(name), name


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ("/", "GET"),
        ("/api/v1/schema", "GET"),
        ("/api/v1/tokens", "POST"),
        ("/auth/login", "POST"),
        ("/api/v1/channels", "OPTIONS"),
        ("/api/v1/channels", "TRACE"),
        ("/api/v1/server-invites/none", "GET"),
        ("/api/v1/server-invites/none", "HEAD"),
        ("/static/chat/main.js", "GET"),
        ("/admin/nothing/", "GET"),
    ],
)
async def test_what_needs_no_token_gets_through(path: str, method: str) -> None:
    behind = Behind()
    assert (await Asked().ask(gate_before(behind), scope(path, method))).status == 200
    assert behind.scopes[0][PEER] == "address 192.0.2.1"


@pytest.mark.django_db(transaction=True)
async def test_a_good_token_gets_through_and_tells_whose_work_it_is() -> None:
    behind = Behind()
    asked = scope("/api/v1/channels", Authorization=f"Bearer {await asyncio.to_thread(token_of, 'ann')}")
    assert (await Asked().ask(gate_before(behind), asked)).status == 200
    assert behind.scopes[0][PEER].startswith("user 0")


@pytest.mark.usefixtures("no_rest")
@pytest.mark.parametrize("path", ["/", "/api/v1/channels", "/api/v1/nothing", "/static/chat/main.js", "/channels"])
async def test_one_address_is_answered_so_often_whatever_it_asks_for(path: str) -> None:
    door = gate_before(Behind(), requests_per_address=Rate(3, 60))
    told = [(await Asked().ask(door, scope(path))).status for _ in range(3)]
    assert 429 not in told
    refused = await Asked().ask(door, scope(path))
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (429, "rate_limited", "20")
    assert "x-frame-options" in refused.headers
    assert (await Asked().ask(door, {**scope(path), "client": ("192.0.2.9", 5)})).status != 429
    assert (await Asked().ask(door, {**scope(path), "client": None})).status != 429, "a process of ours is refused"


@pytest.mark.usefixtures("no_rest")
@pytest.mark.django_db(transaction=True)
async def test_one_user_is_answered_so_often_from_wherever() -> None:
    door = gate_before(Behind(), requests_per_user=Rate(2, 60))
    statuses = []
    token = {name: await asyncio.to_thread(token_of, name) for name in ("ann", "bob")}
    for number, name in enumerate(["ann", "ann", "ann", "bob"]):
        asked = scope("/api/v1/channels", Authorization=f"Bearer {token[name]}")
        statuses.append((await Asked().ask(door, {**asked, "client": (f"192.0.2.{number}", 5)})).status)
    assert statuses == [200, 200, 429, 200]


LISTS = [("/api/v1/channels", "GET"), ("/api/v1/channels", "HEAD"), ("/channels/", "GET")]


@pytest.mark.usefixtures("no_rest")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("path", "method"), LISTS)
async def test_an_operation_that_a_rate_refuses_takes_no_thread(path: str, method: str) -> None:
    """A thread read the token, the user and the input of each request before it found that it was one too many."""
    behind, operations = Behind(), Rates(Limits(lists=Rate(1, 60)))
    edge = edge_of(settings.REAKTOR)
    door = Gate(behind, RequestRates(Limits()), edge, operations=operations, is_file=file_paths())
    token = await asyncio.to_thread(token_of, "ann")
    asked = scope(path, method, Authorization=f"Bearer {token}")
    assert [(await Asked().ask(door, asked)).status for _ in range(2)] == [200, 200], "the gate counts by itself"
    operations.check(Limit.LISTS, behind.scopes[0][PEER].removeprefix("user "))
    refused = await Asked().ask(door, asked)
    assert (refused.status, len(behind.scopes)) == (429, 2)
    other = scope("/api/v1/me", Authorization=f"Bearer {token}")
    assert (await Asked().ask(door, other)).status == 200


async def test_a_refusal_takes_its_time_so_that_asking_on_is_no_way_to_keep_us_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(gate.asyncio, "sleep", sleep)
    door = gate_before(Behind(), requests_per_address=Rate(1, 60))
    for _ in range(3):
        await Asked().ask(door, scope("/"))
    assert [gate.REST_S <= rest <= 2 * gate.REST_S for rest in rests] == [True] * 2


async def test_where_plain_http_is_sent_elsewhere_the_gate_says_nothing_of_its_own() -> None:
    behind = Behind()
    rates, edge = RequestRates(Limits()), edge_of(settings.REAKTOR)
    door = Gate(behind, rates, edge, operations=Rates(Limits()), is_file=file_paths(), https_only=True)
    assert (await Asked().ask(door, scope("/api/v1/channels"))).status == 200
    assert (await Asked().ask(door, {**scope("/api/v1/channels"), "scheme": "https"})).status == 401


@pytest.mark.usefixtures("no_rest")
async def test_a_websocket_that_is_one_too_many_is_denied() -> None:
    door = gate_before(Behind(), requests_per_address=Rate(1, 60))
    told: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        told.append(message)

    asked = {**scope("/ws/v1"), "type": "websocket", "extensions": {"websocket.http.response": {}}}
    assert await door.may_begin(asked, receive, send)
    assert not await door.may_begin(asked, receive, send)
    assert [(each["type"], each.get("status")) for each in told] == [
        ("websocket.http.response.start", 429),
        ("websocket.http.response.body", None),
    ]


async def test_what_is_asked_in_vain_of_another_application_is_counted_and_slowed_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rests: list[float] = []

    async def sleep(seconds: float) -> None:
        rests.append(seconds)

    async def send(message: dict[str, Any]) -> None:
        pass

    monkeypatch.setattr(gate.asyncio, "sleep", sleep)
    door = gate_before(Behind(), requests_per_address=Rate(2, 60))
    for status in (200, 400, 200, 400, 200, 400, 200):
        await text_reply(status, "").send(scope("/"), door.slow_failures(scope("/socket.io/"), send))
    assert [gate.REST_S <= rest <= 2 * gate.REST_S for rest in rests] == [True]
