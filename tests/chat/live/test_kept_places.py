"""What a process writes of its sessions' places, and a whole server that ends and starts again on the same database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from channels.layers import InMemoryChannelLayer

from accounts.models import User
from chat.domain.ids import ChannelKey, SessionId, UserRef
from chat.domain.sessions import Ending, Grace, Naming, Status, Transport
from chat.live import kept_places
from chat.live.kept_places import load_places
from chat.live.runtime import Runtime
from chat.membership.places import PlaceRow
from chat.models import KeptPlace
from chat.posting.batches import Post
from chat.services import places_store
from reaktor.config.model import Config
from reaktor.errors import UnavailableError
from tests.support.delivery import FakeFormat, FakeSession
from tests.support.runtime import running_runtime
from tests.support.waiting import until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database]

KEPT = Grace(quit_s=8.0, keep_s=60.0)


@asynccontextmanager
async def server(directory: Path) -> AsyncIterator[Runtime]:
    """A server of one process: the authority is in it. It ends in order with the block."""
    async with running_runtime(Config(directory), InMemoryChannelLayer()) as runtime:
        yield runtime


async def come(
    runtime: Runtime,
    user: UserRef,
    name: str,
    *,
    grace: Grace = KEPT,
    resume: str | None = None,
    naming: Naming = Naming.UNKNOWN,
) -> FakeSession:
    """A session of that user, greeted."""
    session = FakeSession(name, FakeFormat(), user=user.id)
    session.info = replace(
        session.info, grace=grace, transport=Transport.SOCKETIO, username=user.username, naming=naming
    )
    session.is_starting = True
    account = User(pk=user.id, username=user.username)
    session.user = user
    await runtime.connect(session, lambda: account, resume=None if resume is None else SessionId(resume))
    runtime.local_members.start(session)
    return session


async def enter(runtime: Runtime, session: FakeSession, key: ChannelKey) -> None:
    async with runtime.feeds.pinned(key):
        await runtime.join(session, key, lambda outcome: None)


def texts(session: FakeSession) -> list[str]:
    return [frame["data"]["text"] for frame in session.frames if frame["event"] == "message.new"]


def members(runtime: Runtime, key: ChannelKey) -> dict[str, str]:
    """Who is in the channel, and each one's status."""
    return {username: status.value for _, username, status in runtime.replica.members(key)}


async def test_after_a_restart_who_comes_back_is_where_it_was_and_is_sent_what_it_missed_once(
    tmp_path: Path, ann: UserRef, tea: ChannelKey
) -> None:
    """It was in no channel, and heard nothing of what it had missed."""
    async with server(tmp_path) as runtime:
        session = await come(runtime, ann, "pid.1")
        await enter(runtime, session, tea)
        await runtime.set_status(session, Status.AWAY)
        await runtime.writer.post(Post(ann, tea, "seen", None))
        await until(lambda: texts(session) == ["seen"])
        runtime.disconnect(session, Ending.LOST)
        await runtime.writer.post(Post(ann, tea, "missed", None))
    for number, resume in ((2, "pid"), (3, None)):
        async with server(tmp_path) as runtime:
            assert members(runtime, tea) == {"ann": "away"}
            back = await come(runtime, ann, f"pid.{number}", resume=resume)
            await until(lambda: back.channels == {tea})  # noqa: B023
            if number == 2:
                await until(lambda: texts(back))  # noqa: B023
            assert texts(back) == (["missed"] if number == 2 else [])
            assert members(runtime, tea) == {"ann": "away"}


async def test_who_said_goodbye_or_whose_place_was_taken_is_not_put_back(
    tmp_path: Path, ann: UserRef, tea: ChannelKey
) -> None:
    async with server(tmp_path) as runtime:
        for name in ("first", "second"):
            session = await come(runtime, ann, name)
            await enter(runtime, session, tea)
            runtime.disconnect(session, Ending.LOST)
        await until(lambda: runtime.replica.member_count(tea) == 1)
        session = await come(runtime, ann, "third")
        runtime.disconnect(session, Ending.GOODBYE)
    async with server(tmp_path) as runtime:
        assert (await come(runtime, ann, "fourth")).waiting == {}
        assert members(runtime, tea) == {}


async def test_a_place_that_was_given_away_by_a_guess_is_still_there_for_the_client_that_names_it(
    tmp_path: Path, ann: UserRef, tea: ChannelKey
) -> None:
    async with server(tmp_path) as runtime:
        session = await come(runtime, ann, "pid.1", naming=Naming.PERHAPS)
        await enter(runtime, session, tea)
        runtime.disconnect(session, Ending.LOST)
        await until(lambda: not runtime.replica.is_live(SessionId("pid.1")))
        guessed = await come(runtime, ann, "other.1", naming=Naming.PERHAPS)
        await until(lambda: guessed.channels == {tea})
    async with server(tmp_path) as runtime:
        # Nobody gets it by a guess a second time: the copy is what is left for those who name nothing.
        again = await come(runtime, ann, "third.1", naming=Naming.PERHAPS)
        entry = runtime.replica.session(again.info.session_id)
        assert entry is not None
        assert entry.took_over == "other.1"
        named = await come(runtime, ann, "pid.2", resume="pid", naming=Naming.ALWAYS)
        await until(lambda: named.channels == {tea})


async def test_of_a_session_that_is_being_caught_up_it_is_written_how_far_it_has_come(
    tmp_path: Path, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A crash in the middle of a long catch-up had it begin anew."""
    monkeypatch.setattr(kept_places, "WRITE_S", 0.05)
    async with server(tmp_path) as runtime:
        session = await come(runtime, ann, "kept")
        for after in (3, 5):
            session.waiting[tea] = after
            if after == 3:
                runtime.kept_places.moved(session)
            heads: dict[ChannelKey, int | None] = {}
            async with asyncio.timeout(10):
                while heads != {tea: after}:
                    heads = {
                        key: head for place in await load_places(runtime.database) for key, head in place.heads.items()
                    }


async def test_however_much_happens_it_is_one_statement_a_second_and_none_for_sessions_that_are_not_kept(
    tmp_path: Path, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_places, "WRITE_S", 0.3)
    statements: list[int] = []

    def counted(rows: Sequence[PlaceRow]) -> None:
        statements.append(len(rows))
        places_store(rows)

    monkeypatch.setattr(kept_places, "places_store", counted)
    async with server(tmp_path) as runtime:
        native = await come(runtime, ann, "native", grace=Grace())
        await enter(runtime, native, tea)
        runtime.disconnect(native, Ending.LOST)
        began = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > began + 1)
        assert not statements
        began = asyncio.get_running_loop().time()
        session = await come(runtime, ann, "kept")
        for _ in range(40):
            await enter(runtime, session, tea)
            await runtime.leave(session, tea)
            await runtime.writer.post(Post(ann, tea, "hi", None))
        await until(lambda: statements)
        passed_s = asyncio.get_running_loop().time() - began
        assert 1 <= len(statements) <= 1 + passed_s / 0.3


async def test_what_a_database_that_is_away_did_not_take_is_written_later(
    tmp_path: Path, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_places, "WRITE_S", 0.05)
    failures = [UnavailableError("away"), UnavailableError("away"), ZeroDivisionError()]

    def fails(rows: Sequence[PlaceRow]) -> None:
        if failures:
            raise failures.pop()
        places_store(rows)

    monkeypatch.setattr(kept_places, "places_store", fails)
    async with server(tmp_path) as runtime:
        session = await come(runtime, ann, "kept")
        await enter(runtime, session, tea)
        await until(lambda: not failures, 10.0)
    async with server(tmp_path) as runtime:
        assert members(runtime, tea) == {"ann": "online"}


async def test_rows_that_are_over_are_deleted_while_the_server_runs(
    tmp_path: Path, ann: UserRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_places, "WRITE_S", 0.05)
    monkeypatch.setattr(kept_places, "CLEAR_S", 0.1)
    await asyncio.to_thread(places_store, [PlaceRow("old", "w", ann.id, 1.0, "[]")])
    async with server(tmp_path) as runtime:
        left = 1
        async with asyncio.timeout(10):
            while left:
                left = await runtime.database.read(KeptPlace.objects.count)


async def test_a_statement_that_fails_is_made_again_and_what_is_over_is_deleted(
    tmp_path: Path, ann: UserRef, tea: ChannelKey, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kept_places, "WRITE_S", 0.05)
    monkeypatch.setattr(kept_places, "CLEAR_S", 0.2)
    failures: list[Exception] = [ZeroDivisionError(), UnavailableError()]
    store = kept_places.places_store

    def stubborn(rows: Sequence[PlaceRow]) -> None:
        if failures:
            raise failures.pop(0)
        store(rows)

    monkeypatch.setattr(kept_places, "places_store", stubborn)

    def keys() -> set[str]:
        return set(KeptPlace.objects.values_list("key", flat=True))

    async with server(tmp_path) as runtime:
        await runtime.database.write(store, [PlaceRow("old", "another", None, 1.0, "")])
        await enter(runtime, await come(runtime, ann, "pid.1"), tea)
        async with asyncio.timeout(10):
            while "pid.1" not in (found := await runtime.database.read(keys)) or "old" in found:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert failures == []
    assert caplog.text.count("kept places: not written; it will be tried again") == 1
