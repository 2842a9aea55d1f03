"""Talking REST to Django without a server: a client that speaks JSON, users with tokens, limits that start anew."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from django.apps import apps
from django.http import HttpResponse
from django.test import Client

from accounts import services
from accounts.limits import AccountLimits
from accounts.models import User
from chat.domain.events import MessageData
from chat.domain.ids import ChannelKey
from chat.domain.sessions import Status
from chat.membership.roster import SessionEntry
from chat.posting.batches import Post, Stored, store_batch
from chat.selectors import user_ref
from reaktor.config.model import Limits
from reaktor.limits.rates import Rates
from reaktor.process import node

PASSWORD = "correct horse 7"


@pytest.fixture(autouse=True)
def _fresh_limits() -> Iterator[None]:
    """Every test starts with nothing counted."""
    set_limits(Limits())
    yield
    set_limits(Limits())


def set_limits(limits: Limits) -> None:
    accounts = apps.get_app_config("accounts")
    accounts.rates = Rates(limits)
    accounts.limits = AccountLimits(limits.login, accounts.rates)


def register(username: str, **fields: Any) -> User:
    """A stored account with PASSWORD, made by the service."""
    user = services.user_register(username=username, password=PASSWORD, strict=False)
    for name, value in fields.items():
        setattr(user, name, value)
    if fields:
        user.save()
    return user


class Rest:
    """One client: `rest.get("/api/v1/me")` → (status, body), bodies from and to JSON."""

    def __init__(self, token: str | None = None, address: str = "192.0.2.1") -> None:
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.client = Client(raise_request_exception=False, REMOTE_ADDR=address)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        data = b"" if body is None else body if isinstance(body, bytes) else orjson.dumps(body)
        kind = headers.pop("content_type", "application/json")
        return self.client.generic(method, path, data, content_type=kind, headers={**self.headers, **headers})

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        response = self.send(method, path, body, **headers)
        if response.content:
            assert response["Content-Type"] == "application/json", response.content[:200]
        return response.status_code, orjson.loads(response.content) if response.content else None

    def get(self, path: str, **headers: str) -> tuple[int, Any]:
        return self("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        return self("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None) -> tuple[int, Any]:
        return self("PATCH", path, body)

    def put(self, path: str, body: Any = None) -> tuple[int, Any]:
        return self("PUT", path, body)

    def delete(self, path: str) -> tuple[int, Any]:
        return self("DELETE", path)


def logged_in(user: User) -> Rest:
    return Rest(services.tokens_issue(user)["access"])


def error_code(body: Any) -> str:
    return str(body["error"]["code"])


class FakeRuntime:
    """The live side as views see it: who is in which channel, and joins that are remembered."""

    def __init__(self, **members: list[tuple[str, str]]) -> None:
        self.by_channel = members
        self.joined: list[tuple[str, str]] = []
        self.sessions: list[SessionEntry] = []
        self.ended: list[tuple[str, list[str]]] = []

    def online_count(self, key: str) -> int:
        return len(self.by_channel.get(key, ()))

    def members_for_view(
        self, key: str, timeout_s: float, *, cursor: str | None = None, limit: int | None = None
    ) -> dict[str, Any]:
        found = [{"username": name, "status": status} for name, status in self.by_channel.get(key, ())]
        return {"results": found[:limit], "next": None}

    def status_of(self, user_id: str) -> Status | None:
        name = User.objects.get(pk=user_id).username
        return next((Status(status) for here in self.by_channel.values() for who, status in here if who == name), None)

    def sessions_of(self, user_id: str) -> list[SessionEntry]:
        return [entry for entry in self.sessions if entry.info.user_id == user_id]

    def end_sessions(self, user_id: str, session_ids: list[str], timeout_s: float) -> None:
        self.ended.append((user_id, session_ids))

    def join_user_for_view(
        self, user_id: str, key: str, head: int, timeout_s: float, *, limit: int
    ) -> list[dict[str, str]]:
        self.joined.append((user_id, key))
        shown: list[dict[str, str]] = self.members_for_view(key, timeout_s, limit=limit)["results"]
        return shown


class FakeNode:
    """A node without a loop: what it is to run in the loop is forgotten."""

    def __init__(self, runtime: FakeRuntime) -> None:
        self.runtime = runtime

    def call_soon(self, function: Any, *args: Any) -> None:
        """Nothing: no live session is there to be told."""


@contextmanager
def live(**members: list[tuple[str, str]]) -> Iterator[FakeRuntime]:
    """As if a runtime ran in this process, with these members: `live(general=[("ada", "online")])`."""
    runtime = FakeRuntime(**members)
    node.install(FakeNode(runtime))  # type: ignore[arg-type]  # the part that views use
    try:
        yield runtime
    finally:
        node.clear()


def post(author: User, text: str, key: str = "general", **fields: Any) -> MessageData:
    """A stored message."""
    stored = store_batch([Post(user_ref(author), ChannelKey(key), text, fields.pop("nonce", None), **fields)])[0]
    assert isinstance(stored, Stored), stored
    return stored.message
