"""Commands find the one running server without being told its port; a dead one is not found."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from reaktor.config.environment import config_from
from reaktor.config.model import SERVER_FILE, Config
from reaktor.process.live_servers import live_servers


def serve(config: Config, port: int, pid: int) -> None:
    directory = config.run_dirs / str(port)
    directory.mkdir(parents=True)
    (directory / SERVER_FILE).write_text(json.dumps({"pid": pid, "port": port, "bus": f"unix:///{port}"}))


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_the_server_on_another_port_is_found(tmp_path: Path) -> None:
    """Somebody starts `PORT=8001 make run`, opens a second terminal, and clusterctl says that nothing runs."""
    config = Config(tmp_path)
    serve(config, 8001, os.getpid())
    (found,) = live_servers(config)
    assert (found.port, found.run_dir, found.said["bus"]) == (8001, config.run_dirs / "8001", "unix:///8001")


def test_all_that_live_are_found_and_none_that_was_killed(tmp_path: Path) -> None:
    config = Config(tmp_path)
    serve(config, 9000, os.getpid())
    serve(config, 8000, os.getpid())
    serve(config, 8500, dead_pid())
    (config.run_dirs / "8600").mkdir()
    (config.run_dirs / "8600" / SERVER_FILE).write_text("half a fi")
    assert [server.port for server in live_servers(config)] == [8000, 9000]


@pytest.mark.parametrize(("port", "found"), [(8000, [8000]), (8001, [])])
def test_a_port_that_is_given_is_the_only_one_looked_at(tmp_path: Path, port: int, found: list[int]) -> None:
    config = Config(tmp_path)
    serve(config, 8000, os.getpid())
    given = replace(config, cluster=replace(config.cluster, port=port, is_port_given=True))
    assert [server.port for server in live_servers(given)] == found


@pytest.mark.parametrize(("variables", "is_given"), [({}, False), ({"PORT": " "}, False), ({"PORT": "8000"}, True)])
def test_it_is_known_whether_somebody_named_a_port(variables: dict[str, str], is_given: bool) -> None:
    assert config_from(variables).cluster.is_port_given is is_given
