"""On PostgreSQL, where there is one: the database tests once more, and a live server whose database goes away."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from psycopg import sql

from reaktor.db.patience import ROLE_LIMITS
from tests.support.databases import database_closed, own_database, postgresql_url
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer
from tests.support.silent_proxy import silent_proxy

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
URL = postgresql_url()
WHERE = ["tests/accounts", "tests/chat", "tests/reaktor/db"]
SILENT_S = 14.0
AWAY_S = 60.0
BACK_S = 25.0
MISSING = "from reaktor.db.patience import missing_limits; print(missing_limits())"
"""Five seconds are promised."""

# A run that has TEST_DATABASE_URL is on PostgreSQL as a whole; where there is none, the header of the run says so.
if URL is not None and "TEST_DATABASE_URL" not in os.environ:

    @pytest.mark.xdist_group("postgresql")
    def test_what_holds_on_sqlite_holds_on_postgresql() -> None:
        assert URL is not None
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "database and not long", *WHERE],
            cwd=ROOT,
            env={**os.environ, "TEST_DATABASE_URL": f"{URL}_{os.getpid()}"},
            capture_output=True,
            text=True,
            timeout=1200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert " passed" in done.stdout

    @pytest.fixture(scope="module")
    def postgresql_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
        """A worker, whose REST requests share a pool of connections, on a database of its own."""
        name = f"reaktor_live_{os.getpid()}"
        with own_database(str(URL), name) as url:
            command = [sys.executable, "manage.py", "runcluster"]
            data_dir = tmp_path_factory.mktemp("postgresql") / "data"
            server = LiveServer(data_dir, command=command, DATABASE_URL=url, WORKERS="1")
            server.data_dir.mkdir()
            server.prepare(accounts=4)
            server.start()
            yield server
            server.stop()

    async def test_while_the_database_is_away_sends_are_refused_sockets_stay_and_all_recovers_alone(
        postgresql_server: LiveServer,
    ) -> None:
        server = postgresql_server
        _, token = server.account()
        history = httpx.Request(
            "GET", f"{server.url}/api/v1/channels/general/messages", headers={"Authorization": f"Bearer {token}"}
        )
        ann = await NativeClient.connect(server.url, token)
        bob = await NativeClient.connect(server.url, server.account()[1])
        await ann.join("general")
        await bob.join("general")
        await ann.post("general", "before")
        with database_closed(str(URL), f"reaktor_live_{os.getpid()}"):
            for _ in range(3):
                with pytest.raises(Refused) as caught:
                    await ann.post("general", "during", nonce="n")
                assert (caught.value.code, caught.value.error["retry_after"]) == ("unavailable", 1.0)
            with pytest.raises(Refused):
                await ann.request("channel.list")
            await ann.request("typing", "general")
            await bob.event("typing", "general")
            async with httpx.AsyncClient() as http:
                assert (await http.send(history)).status_code == 503
                answer = await http.get(f"{server.url}/readyz")
                assert (answer.status_code, answer.json()["database"]) == (503, False)
                assert (await http.get(f"{server.url}/healthz")).status_code == 200
        async with httpx.AsyncClient() as http:
            assert (await http.send(history)).status_code == 200
        sent = await posted_at_last(ann, "general", "after", nonce="n")
        assert (await bob.message("after"))["number"] == sent["number"] == 2
        assert [frame["data"]["text"] for frame in bob.all_events if frame["event"] == "message.new"] == [
            "before",
            "after",
        ]
        assert f"session={ann.greeting['session'][:8]}" in server.log(), "a database thread says for whom it failed"
        await ann.close()
        await bob.close()
        assert "Traceback" not in server.log()

    @pytest.mark.long
    async def test_a_route_that_dies_without_a_word_stops_posts_and_reading_for_seconds(
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        """A dead route to PostgreSQL stopped the posts of a worker for up to a quarter of an hour."""
        name = f"reaktor_silent_{os.getpid()}"
        place = urlsplit(str(URL))
        host, port = str(place.hostname), place.port or 5432
        with own_database(str(URL), name) as url:
            async with silent_proxy(lambda: asyncio.open_connection(host, port)) as proxy:
                data_dir = tmp_path_factory.mktemp("silent") / "data"
                by_proxy = url.replace(f"{host}:{port}", f"127.0.0.1:{proxy.port}")
                command = [sys.executable, "manage.py", "runcluster"]
                server = LiveServer(data_dir, command=command, DATABASE_URL=by_proxy, WORKERS="1")
                server.data_dir.mkdir()
                await asyncio.to_thread(server.prepare, accounts=2)
                await asyncio.to_thread(server.start)
                try:
                    _, token = server.account()
                    ann = await NativeClient.connect(server.url, token)
                    await ann.join("general")
                    await ann.post("general", "before", nonce="0")
                    proxy.silence()
                    silent_at = time.monotonic()
                    with pytest.raises(Refused):
                        await ann.request("message.send", "general", text="during", nonce="1")
                    await posted_at_last(ann, "general", "after", nonce="2")
                    assert time.monotonic() - silent_at < SILENT_S
                    history = f"{server.url}/api/v1/channels/general/messages"
                    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=15) as http:
                        async with asyncio.timeout(SILENT_S):
                            while (answer := await http.get(history)).status_code == 503:  # noqa: ASYNC110
                                await asyncio.sleep(0.1)
                    texts = [message["text"] for message in answer.json()["messages"]]
                    assert sorted(texts) == ["after", "before"]
                    assert time.monotonic() - silent_at < 2 * SILENT_S
                    await ann.close()
                finally:
                    await asyncio.to_thread(server.stop)

    @pytest.mark.long
    async def test_a_database_that_is_away_for_a_minute_ends_no_session_and_shows_nobody_leaving(
        postgresql_server: LiveServer,
    ) -> None:
        """The authority can't renew its lease meanwhile: it waits, and goes on where it was."""
        server = postgresql_server
        ann = await NativeClient.connect(server.url, server.account()[1])
        bob = await NativeClient.connect(server.url, server.account()[1])
        await ann.join("random")
        await bob.join("random")
        seen = len(bob.all_events)
        with database_closed(str(URL), f"reaktor_live_{os.getpid()}"):
            await asyncio.sleep(AWAY_S)
            with pytest.raises(Refused) as caught:
                await ann.request("channel.join", "programming")
            assert caught.value.code == "unavailable"
            await ann.request("typing", "random")
            await bob.event("typing", "random")
        back = time.monotonic()
        await posted_at_last(ann, "random", "after", nonce="away")
        await bob.message("after")
        await at_last(lambda: ann.join("programming"))
        assert time.monotonic() - back < BACK_S
        assert {frame["event"] for frame in bob.all_events[seen:]} <= {"typing", "message.new", "ping"}

    @pytest.mark.long
    def test_prepare_gives_its_role_limits_in_this_database_and_leaves_what_an_operator_set(tmp_path: Path) -> None:
        """A statement that waited for a lock was carried out after everybody had been told that it was refused."""
        with own_database(str(URL), f"reaktor_limits_{os.getpid()}") as url:
            server = LiveServer(tmp_path, DATABASE_URL=url)
            with psycopg.connect(url.replace("postgres://", "postgresql://", 1), autocommit=True) as other:
                database = sql.Identifier(f"reaktor_limits_{os.getpid()}")
                other.execute(
                    sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET lock_timeout = '3s'").format(database)
                )
            server.migrate()
            assert "Run manage.py prepare" in server.manage("shell", "-v", "0", "-c", MISSING)
            for _ in range(2):
                server.manage("prepare")
            assert server.manage("shell", "-v", "0", "-c", MISSING).split() == ["None"]
            with psycopg.connect(url.replace("postgres://", "postgresql://", 1)) as fresh:
                shown = {name: fresh.execute(f"SHOW {name}").fetchone()[0] for name in ROLE_LIMITS}
            assert shown == ROLE_LIMITS | {"lock_timeout": "3s"}
            asked = "from django.db import connection as c; u = c.cursor(); u.execute('SHOW statement_timeout'); "
            asked += "print(u.fetchone()[0])"
            assert server.manage("shell", "-v", "0", "-c", asked).split() == ["0"], "commands take their time"


async def posted_at_last(client: NativeClient, channel: str, text: str, nonce: str) -> dict[str, object]:
    """Repeat it with its nonce until the server can take it."""
    return await at_last(lambda: client.post(channel, text, nonce=nonce))


async def at_last(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again until the server is there to answer."""
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                return await ask()
            except Refused as refused:
                if refused.code != "unavailable":
                    raise
                await asyncio.sleep(0.05)
