"""announce(): after the commit, through the node where there is one, else one PUBLISH that a real layer understands."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.db import transaction

from chat import selectors
from chat.models import ClusterIdentity
from reaktor.cluster.rundir import RunDir
from reaktor.config.model import Config
from reaktor.config.redis_at import RedisAt
from reaktor.process import announce, node
from reaktor.process.bus import Bus
from reaktor.process.layer import redis_layer
from reaktor.process.local_bus import MAX_LINE_BYTES, SCHEME, LocalBus
from tests.support.redis import running_redis
from tests.support.waiting import until


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis of our own on a Unix socket."""
    with running_redis() as server:
        yield server.url


@pytest.fixture(autouse=True)
def cluster_id(settings: Any) -> str:
    """What the database would say; these tests have none."""
    settings.REAKTOR = replace(settings.REAKTOR, cluster_id="0123456789abcdef")
    return "0123456789abcdef"


async def test_one_publish_is_heard_by_the_layer_that_the_settings_make(redis_url: str, settings: Any) -> None:
    layer = RedisPubSubChannelLayer(**redis_layer(RedisAt(redis_url))["CONFIG"])
    bus = Bus(layer, scope=settings.REAKTOR.scope)
    heard = bus.listen("box")
    first = asyncio.ensure_future(anext(heard))
    await asyncio.sleep(0)
    await until(lambda: f"{settings.REAKTOR.scope}box" in layer.channels)
    async with asyncio.timeout(10):
        await bus.subscribe("orders", "box")
        said = await asyncio.to_thread(announce.publish_once, RedisAt(redis_url), "orders", "kind", {"user_id": "1"})
        assert said
        assert await first == ("kind", {"user_id": "1"})
    await heard.aclose()
    await layer.flush()


@pytest.mark.django_db
def test_a_command_asks_the_database_whose_server_it_speaks_to(settings: Any) -> None:
    settings.REAKTOR = replace(settings.REAKTOR, cluster_id="")
    assert announce.live_scope() == f"reaktor:{selectors.cluster_id()}:"
    assert len(selectors.cluster_id()) == 16


@pytest.mark.django_db
def test_a_database_without_a_name_is_no_error(redis_url: str, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A command of this version on the tables of an older one: what it does is done, and told to nobody."""
    settings.REAKTOR = replace(settings.REAKTOR, cluster_id="")
    ClusterIdentity.objects.all().delete()
    assert announce.publish_once(RedisAt(redis_url), "orders", "kind", {}) is False
    assert "kind was not said" in caplog.text


def test_kept_lines_are_one_connection_whatever_is_said(redis_url: str) -> None:
    """A purge of a thousand messages was a thousand connections."""
    with redis.Redis.from_url(redis_url) as counting:

        def connections() -> int:
            return int(counting.info("stats")["total_connections_received"])

        before = connections()
        with announce.kept_lines():
            for _ in range(5):
                announce.publish_once(RedisAt(redis_url), "group", "kind", {})
        assert connections() == before + 1
        announce.publish_once(RedisAt(redis_url), "group", "kind", {})
        assert connections() == before + 2


def test_kept_lines_ask_a_redis_that_is_away_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with announce.kept_lines():
        for _ in range(3):
            assert announce.publish_once(RedisAt(f"unix://{tmp_path}/none.sock"), "group", "kind", {}) is False
    assert len([line for line in caplog.messages if "was not said" in line]) == 1


def test_a_redis_that_is_away_is_no_error(tmp_path: Path) -> None:
    assert announce.publish_once(RedisAt(f"unix://{tmp_path}/none.sock"), "group", "kind", {}) is False


def test_without_a_node_and_a_server_nothing_is_said() -> None:
    assert announce.say("group", "kind", {}) is False


@pytest.fixture
def run_dir(tmp_path: Path, settings: Any) -> Iterator[RunDir]:
    """Of a server that lives there, for commands with its configuration."""
    settings.REAKTOR = Config(tmp_path / "data")
    found = RunDir(settings.REAKTOR.run_dir)
    found.claim(8000)
    yield found
    found.release()


def test_a_server_is_found_where_it_wrote_that_it_hears(run_dir: RunDir, settings: Any) -> None:
    assert announce.live_buses() == []
    run_dir.tell(bus="unix:///elsewhere/redis.sock")
    assert announce.live_buses() == [RedisAt("unix:///elsewhere/redis.sock")]
    settings.REAKTOR = replace(settings.REAKTOR, redis=RedisAt("redis://named/0"))
    assert announce.live_buses() == [RedisAt("redis://named/0")]


def test_what_is_no_word_of_a_server_is_none(run_dir: RunDir) -> None:
    for junk in ("", "[]", "{", "{}"):
        run_dir.supervisor_file.write_text(junk)
        assert announce.live_buses() == []


async def test_a_server_that_is_one_process_hears_commands_too(run_dir: RunDir, recorder: Recorder) -> None:
    running = node.current()
    assert running is not None
    local = LocalBus(run_dir.bus_socket, running.bus)
    serving = asyncio.create_task(local.run())
    await until(run_dir.bus_socket.exists)
    run_dir.tell(bus=local.url)
    node.clear()  # the commands are other processes
    with announce.kept_lines():
        assert await asyncio.to_thread(announce.say, "group", "kind", {"user_id": "7"})
        assert not await asyncio.to_thread(announce.say, "broken", "kind", {})
    assert recorder.sent == [("group", "kind"), ("broken", "kind")]
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


async def test_who_speaks_nonsense_to_it_is_left(run_dir: RunDir, recorder: Recorder) -> None:
    running = node.current()
    assert running is not None
    serving = asyncio.create_task(LocalBus(run_dir.bus_socket, running.bus).run())
    await until(run_dir.bus_socket.exists)
    for junk in (b"junk\n", b"{}\n", b"x" * (MAX_LINE_BYTES + 1) + b"\n"):
        reader, writer = await asyncio.open_unix_connection(str(run_dir.bus_socket))
        writer.write(junk)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
    assert recorder.sent == []
    serving.cancel()
    with suppress(asyncio.CancelledError):
        await serving


def test_one_process_that_is_gone_is_no_error(run_dir: RunDir, caplog: pytest.LogCaptureFixture) -> None:
    run_dir.tell(bus=f"{SCHEME}{run_dir.bus_socket}")
    assert announce.say("group", "kind", {}) is False
    assert "announce: kind was not said" in caplog.text


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
