"""`make hosts` as a person uses it: it says where the chat is, and when it ends nothing of it is left."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import httpx
import psutil
import pytest

from tests.faults import network
from tests.support.ports import free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0


def can_be_here() -> None:
    try:
        with network.network():
            pass
    except network.RefusedError as error:
        pytest.skip(str(error))


class MakeHosts:
    """The command, and what it says."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = folder / "said"
        given = {**os.environ, "PORT": str(self.port), "TMPDIR": str(folder), **environment}
        given.pop("DJANGO_SETTINGS_MODULE", None)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.hosts"],
                cwd=ROOT, env=given, stdin=subprocess.PIPE, stdout=log, stderr=log,
            )  # fmt: skip
        self.family: set[psutil.Process] = set()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_said(self, words: str, seconds: float = START_S) -> None:
        wait_for(lambda: words in self.said() or self.process.poll() is not None, seconds, words)
        assert words in self.said(), self.said()
        self.family |= set(psutil.Process(self.process.pid).children(recursive=True))

    def type(self, line: str) -> None:
        stdin: IO[bytes] | None = self.process.stdin
        assert stdin is not None
        stdin.write(f"{line}\n".encode())
        stdin.flush()

    def left(self) -> list[psutil.Process]:
        return [each for each in self.family if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that PostgreSQL's own user may enter, unlike pytest's."""
    with tempfile.TemporaryDirectory() as name:
        found = Path(name)
        found.chmod(0o755)
        yield found


@pytest.fixture
def make_hosts(folder: Path) -> Iterator[Callable[..., MakeHosts]]:
    can_be_here()
    made: list[MakeHosts] = []

    def make(**environment: str) -> MakeHosts:
        made.append(MakeHosts(folder, **environment))
        return made[-1]

    yield make
    for each in made:
        each.process.terminate()
        each.process.wait(60)


@pytest.mark.cluster
@pytest.mark.long
def test_three_hosts_can_be_looked_at_and_stopped_and_nothing_is_left(
    make_hosts: Callable[..., MakeHosts], folder: Path
) -> None:
    made = make_hosts()
    made.wait_said("Ctrl-C ends everything.")
    assert httpx.get(f"http://127.0.0.1:{made.port}/readyz", timeout=20).status_code == 200
    (deciding,) = [line.split()[1] for line in made.said().splitlines() if line.endswith("decides who is where")]
    made.type(f"kill {deciding}")
    made.wait_said(f"host {deciding} does not run", 30)
    assert made.said().rstrip().count("decides who is where") == 2
    made.process.terminate()
    assert made.process.wait(60) == 0, made.said()
    assert made.left() == []
    assert [each.name for each in folder.iterdir()] == ["said"]


@pytest.mark.cluster
def test_after_a_start_that_failed_nothing_is_left_either(make_hosts: Callable[..., MakeHosts], folder: Path) -> None:
    made = make_hosts(LOG_LEVEL="nonsense")
    assert made.process.wait(START_S) == 1
    assert "LOG_LEVEL" in made.said()
    assert [each.name for each in folder.iterdir()] == ["said"]


def test_whoever_is_not_root_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network.os, "geteuid", lambda: 1000)
    with pytest.raises(network.RefusedError, match="run it as root"), network.network():
        pass
