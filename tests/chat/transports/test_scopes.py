"""A token that is good for reading alone: every operation of every transport either reads, or refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.urls import get_resolver
from django.utils import timezone

from accounts import bots
from accounts.models import User
from chat.live.operations import OPERATIONS, READING
from reaktor.web.api import Operation
from tests.chat.transports.test_allowances import filled, methods_of
from tests.support.rest import Rest, error_code, logged_in, register

pytestmark = pytest.mark.django_db
NO_TOKEN = {
    "/api/v1/accounts", "/api/v1/tokens", "/api/v1/tokens/refresh", "/api/v1/tokens/revoke", "/api/v1/email/confirm",
    "/api/v1/password/reset", "/api/v1/password/reset/confirm",
}  # fmt: skip
EITHER_WAY = {"/channels/nothing/join"}
"""What reads where there is a channel, and makes one where there is none."""


def asked() -> Iterator[tuple[str, str, Operation]]:
    """(path, method, operation) of every method of every view that wants a token."""
    for route, name, method in methods_of(get_resolver().url_patterns):
        path = filled(route)
        if path not in NO_TOKEN | EITHER_WAY and not path.startswith(("/auth/", "/hooks/", "/api/v1/hooks/")):
            yield path, name.upper(), method.operation


@pytest.fixture
def owner() -> User:
    return register("ada", created_at=timezone.now() - timedelta(days=30))


@pytest.fixture
def reader(owner: User) -> Rest:
    return Rest(bots.bot_create(owner=owner, username="reader", scopes=["read"])["token"])


def test_over_rest_it_reads_and_is_refused_whatever_else_it_asks(owner: User, reader: Rest) -> None:
    wrong, refused = [], 0
    for path, method, operation in asked():
        answer = reader.send(method, path, {})
        is_refused = answer.status_code == 403 and b"may only read" in answer.content
        refused += is_refused
        if is_refused == (method == "GET" or operation.is_reading):
            wrong.append((method, path, answer.status_code, answer.content[:80]))
    assert wrong == []
    assert refused > 30


def test_a_token_that_may_write_is_refused_nothing_for_it(owner: User) -> None:
    writer = Rest(bots.bot_create(owner=owner, username="writer")["token"])
    status, made = writer.post("/api/v1/channels", {"name": "Tea"})
    assert status == 201
    assert writer.post(f"/api/v1/channels/{made['key']}/messages", {"text": "hi", "nonce": "1"})[0] == 201
    assert writer.patch("/api/v1/me", {"username": "writer2"})[0] == 200


def test_the_seed_contract_s_join_reads_but_makes_no_channel(owner: User, reader: Rest) -> None:
    assert reader.post("/channels/general/join", {})[0] == 200
    status, body = reader.post("/channels/brandnew/join", {})
    assert (status, body["code"]) == (403, "forbidden")
    assert logged_in(owner).post("/channels/brandnew/join", {})[0] == 200


def test_what_a_live_session_may_read_is_named_and_there() -> None:
    assert set(OPERATIONS) > READING
    assert not {"message.send", "message.edit", "reaction.add", "channel.follow", "typing", "read", "report"} & READING


def test_the_refusal_has_the_code_that_every_client_knows(reader: Rest) -> None:
    status, body = reader.post("/api/v1/channels/general/messages", {"text": "hi", "nonce": "1"})
    assert (status, error_code(body)) == (403, "forbidden")
