"""Sessions whose revocation nobody heard: refused while they begin, ended a moment later by the comparison."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from accounts.authentication import Claims, TokenKind, user_for_claims
from accounts.models import EndedLogin, User
from chat.delivery.hub import Hub
from chat.domain.ids import UserRef
from chat.domain.sessions import Credentials
from chat.live import revalidation
from chat.live.revalidation import Revalidation
from chat.live.runtime import Runtime
from chat.live.standings import FRESH_S
from chat.membership.protocol import Command, Outcome
from reaktor.config.model import Config, Delivery
from reaktor.config.model import Database as DatabaseConfig
from reaktor.db.database import Database
from reaktor.errors import CloseCode, NotAuthenticatedError, UnavailableError
from reaktor.process.orders import BLOCKS_CHANGED, END_LOGIN, END_SESSIONS, ORDERS_GROUP
from tests.support.databases import user_ref
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.faulty_layer import FaultyLayer
from tests.support.runtime import running_runtime
from tests.support.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]


class Session(FakeSession):
    """A session of a stored user."""

    def __init__(self, user: UserRef, login: uuid.UUID | None = None, name: str | None = None) -> None:
        super().__init__(name or user.username, FakeFormat(), user=user.id)
        self.user = user
        self.credentials = Credentials(1, str(login or uuid.uuid4()))


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    """One that compares all the time."""
    config = replace(Config(tmp_path), delivery=Delivery(sessions_interval_s=0.02))
    async with running_runtime(config, FaultyLayer(1)) as made:
        yield made


def changed(user: UserRef, **fields: Any) -> None:
    """As a service stores it, but nothing is said on the bus."""
    User.objects.filter(pk=user.id).update(**fields)


async def test_a_token_that_ends_while_its_session_begins_opens_nothing(runtime: Runtime) -> None:
    ann = await runtime.database.read(user_ref, "ann")
    session = Session(ann)
    claims = Claims(ann.id, "ann", 1, 2**31, TokenKind.ACCESS, uuid.UUID(session.credentials.login))
    was_found = []

    def verify() -> User:
        was_found.append(runtime.hub.get(session.info.session_id) is session)
        changed(ann, token_version=2)
        return user_for_claims(claims)

    with pytest.raises(NotAuthenticatedError):
        await runtime.connect(session, verify)
    assert was_found == [True]
    assert len(runtime.hub) == 0
    await until(lambda: not runtime.sessions_of(ann.id))


async def test_rights_that_change_while_a_session_begins_make_it_come_back(runtime: Runtime) -> None:
    ann = await runtime.database.read(user_ref, "ann")
    session = Session(replace(ann, is_staff=True))
    with pytest.raises(UnavailableError):
        await runtime.connect(session, lambda: User.objects.get(pk=ann.id))
    assert len(runtime.hub) == 0


async def test_a_user_who_was_found_a_moment_ago_is_not_asked_about_again(runtime: Runtime) -> None:
    """Each connect asked the store twice, with a thread's turn for each."""
    ann = await runtime.database.read(user_ref, "ann")
    session, asked = Session(ann), []
    await runtime.connect(session, lambda: asked.append(1), runtime.standings.look(time.monotonic()))
    assert (asked, runtime.hub.get(session.info.session_id)) == ([], session)


@pytest.mark.parametrize("kind", [END_SESSIONS, END_LOGIN, BLOCKS_CHANGED])
async def test_what_is_said_after_the_look_makes_it_ask_again(runtime: Runtime, kind: str) -> None:
    """It is said before the session is found by it."""
    ann = await runtime.database.read(user_ref, "ann")
    session = Session(ann)
    claims = Claims(ann.id, "ann", 1, 2**31, TokenKind.ACCESS, uuid.UUID(session.credentials.login))
    look = runtime.standings.look(time.monotonic())
    await runtime.database.read(user_for_claims, claims)
    await runtime.database.write(changed, ann, token_version=2)
    body = {"user_id": ann.id, "code": int(CloseCode.LOGGED_OUT), "login": session.credentials.login, "reason": ""}
    await runtime.bus.broadcast(ORDERS_GROUP, kind, body)
    await until(lambda: runtime.standings.version > look.version)
    with pytest.raises(NotAuthenticatedError):
        await runtime.connect(session, lambda: user_for_claims(claims), look)
    assert len(runtime.hub) == 0


async def test_a_look_of_long_ago_is_not_enough(runtime: Runtime) -> None:
    ann = await runtime.database.read(user_ref, "ann")
    session = Session(replace(ann, is_staff=True))
    look = runtime.standings.look(time.monotonic() - FRESH_S)
    with pytest.raises(UnavailableError):
        await runtime.connect(session, lambda: User.objects.get(pk=ann.id), look)


async def test_a_session_that_was_closed_while_it_began_does_not_begin(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await runtime.database.read(user_ref, "ann")
    session = Session(ann)
    submit = runtime.feeder.submit

    async def meanwhile(command: Command) -> Outcome:
        outcome = await submit(command)
        session.is_open = False
        return outcome

    monkeypatch.setattr(runtime.feeder, "submit", meanwhile)
    look = runtime.standings.look(time.monotonic())
    with pytest.raises(UnavailableError):
        await runtime.connect(session, lambda: User.objects.get(pk=ann.id), look)
    assert len(runtime.hub) == 0


async def test_a_live_session_ends_though_nobody_heard_of_its_end(runtime: Runtime) -> None:
    ann = await runtime.database.read(user_ref, "ann")
    session = Session(ann)
    await runtime.connect(session, lambda: User.objects.get(pk=ann.id))
    await runtime.database.write(changed, ann, token_version=2)
    await until(lambda: session.closed)
    assert session.closed[0].code is CloseCode.LOGGED_OUT


@pytest.fixture
def database() -> Iterator[Database]:
    made = Database(DatabaseConfig())
    yield made
    made.close()


async def compared(database: Database, hub: Hub, last: FakeSession) -> None:
    """Until everybody up to this one, who has to go, was compared."""
    task = asyncio.create_task(Revalidation(database, hub, 0.01).run())
    try:
        await until(lambda: last.closed)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_each_ends_with_the_code_that_it_would_have_been_told(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(revalidation, "TOGETHER", 3)
    hub = Hub(unsent_bytes=1_000, on_dirty=lambda: None)
    elsewhere = uuid.uuid4()

    def story() -> list[tuple[Session, CloseCode | None]]:
        names = ["ann", "off", "banned", "pardoned", "older", "revoked", "promoted", "renamed", "gone", "deleted"]
        users = {name: user_ref(name) for name in names}
        now = datetime.now(UTC)
        changed(users["off"], is_active=False)
        changed(users["banned"], banned_until=now + timedelta(days=1), ban_reason="spam", token_version=2)
        changed(users["pardoned"], banned_until=now - timedelta(days=1))
        changed(users["revoked"], token_version=2)
        changed(users["promoted"], is_staff=True)
        changed(users["renamed"], username="other")
        changed(users["deleted"], is_active=False, deleted_at=now)
        User.objects.filter(pk=users["gone"].id).delete()
        EndedLogin.objects.create(pk=elsewhere, user_id=users["older"].id, expires_at=now)
        codes = {
            "off": CloseCode.BANNED,
            "banned": CloseCode.BANNED,
            "older": CloseCode.LOGGED_OUT,
            "revoked": CloseCode.LOGGED_OUT,
            "promoted": CloseCode.RESYNC_NEEDED,
            "renamed": CloseCode.RESYNC_NEEDED,
            "gone": CloseCode.LOGGED_OUT,
            "deleted": CloseCode.LOGGED_OUT,
        }
        made = [(Session(users[name], elsewhere if name == "older" else None), codes.get(name)) for name in names]
        return [*made[:5], (Session(users["older"], name="older, another log-in"), None), *made[5:]]

    told = await database.read(story)
    for session, _ in told:
        hub.attach(session)
    await compared(database, hub, told[-1][0])
    found = {session.info.session_id: [each.code for each in session.closed] for session, _ in told}
    assert found == {session.info.session_id: [code] if code else [] for session, code in told}
    assert "spam" in told[2][0].closed[0].text
    assert "outlived" in caplog.text
    assert "spam" not in caplog.text, "what a moderator wrote is for the one whom it is about"


async def test_a_newer_token_counts_and_a_failure_is_survived(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub(unsent_bytes=1_000, on_dirty=lambda: None)
    ann, bob = await database.read(user_ref, "ann"), await database.read(user_ref, "bob")
    session, other = Session(ann), Session(bob)
    for each in (session, other):
        hub.attach(each)
        await database.write(changed, each.user, token_version=2)
    reads = 0
    real = revalidation.accounts_by_id

    def meanwhile(user_ids: Any) -> dict[str, User]:
        nonlocal reads
        reads += 1
        if reads == 1:
            raise RuntimeError("something unforeseen")
        session.credentials = Credentials(2, session.credentials.login)
        return real(user_ids)

    monkeypatch.setattr(revalidation, "accounts_by_id", meanwhile)
    await compared(database, hub, other)
    assert (reads, session.closed) == (2, [])


async def test_a_database_that_is_away_ends_no_session_and_is_no_failure(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hub = Hub(unsent_bytes=1_000, on_dirty=lambda: None)
    session = Session(await database.read(user_ref, "ann"))
    hub.attach(session)
    await database.write(changed, session.user, token_version=2)
    away = [OperationalError("away"), OperationalError("still away")]
    real = revalidation.accounts_by_id

    def find(user_ids: Any) -> dict[str, User]:
        if away:
            raise away.pop()
        return real(user_ids)

    monkeypatch.setattr(revalidation, "accounts_by_id", find)
    await compared(database, hub, session)
    assert away == []
    assert "were not compared" not in caplog.text
