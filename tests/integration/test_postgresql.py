"""On PostgreSQL, where there is one: the database tests once more, and a live server whose database goes away."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.databases import database_closed, own_database, postgresql_url
from tests.support.native import NativeClient, Refused
from tests.support.server import LiveServer

ROOT = Path(__file__).resolve().parents[2]
URL = postgresql_url()
WHERE = ["tests/chat", "tests/reaktor/db"]
# What takes long because there is much of it, and says nothing about the database.
ONCE = ["--deselect", "tests/chat/moving/test_import_many.py"]

# A run that has TEST_DATABASE_URL is on PostgreSQL as a whole; where there is none, the header of the run says so.
if URL is not None and "TEST_DATABASE_URL" not in os.environ:

    def test_what_holds_on_sqlite_holds_on_postgresql() -> None:
        assert URL is not None
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "database", *WHERE, *ONCE],
            cwd=ROOT,
            env={**os.environ, "TEST_DATABASE_URL": f"{URL}_{os.getpid()}"},
            capture_output=True,
            text=True,
            timeout=420,
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


async def posted_at_last(client: NativeClient, channel: str, text: str, nonce: str) -> dict[str, object]:
    """Repeat it with its nonce until the server can take it."""
    async with asyncio.timeout(10):
        while True:
            try:
                return await client.post(channel, text, nonce=nonce)
            except Refused as refused:
                if refused.code != "unavailable":
                    raise
                await asyncio.sleep(0.05)
