"""One real server process (our Daphne with the small application) for the tests of this folder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.ports import free_port, is_listening, wait_for

ORIGINS = {"PUBLIC_URL": "https://chat.example", "ALLOWED_ORIGINS": "https://app.example"}


@dataclass(frozen=True)
class Served:
    """Where the server is."""

    port: int
    unix: Path
    pid: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"ws://127.0.0.1:{self.port}"


@contextmanager
def served(directory: Path, **environment: str) -> Iterator[Served]:
    port, unix, log = free_port(), directory / "server.sock", directory / "log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.serve", str(port), str(unix)],
            env={**os.environ, "DATA_DIR": str(directory), **environment},
            stderr=stderr,
        )
    try:
        wait_for(lambda: is_listening(port), what="the server's port")
        yield Served(port, unix, process.pid, log)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory) -> Iterator[Served]:
    """No bound on connections; header and body timeouts short enough to be waited for."""
    directory = tmp_path_factory.mktemp("server")
    with served(directory, LIMITS="off", HEADER_TIMEOUT="1.5s", BODY_TIMEOUT="1.5s", **ORIGINS) as found:
        yield found


@pytest.fixture(scope="session")
def narrow(tmp_path_factory) -> Iterator[Served]:
    """Five connections an address; 127.0.0.9 is a trusted proxy."""
    with served(tmp_path_factory.mktemp("narrow"), LIMIT_CONNECTIONS="5", TRUSTED_PROXIES="127.0.0.9") as found:
        yield found


@pytest.fixture(scope="session")
def paced(tmp_path_factory) -> Iterator[Served]:
    """Each WebSocket may send ten frames and 100 kB a second, and twice as much at once."""
    pace = {"LIMIT_FRAMES": "20/2s", "LIMIT_INCOMING_BYTES": "200000/2s"}
    with served(tmp_path_factory.mktemp("paced"), **pace) as found:
        yield found
