"""`manage.py runserver` as every Django developer expects it: it restarts when a file changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support.native import NativeClient
from tests.support.ports import wait_for
from tests.support.server import LiveServer

SETTINGS = "from reaktor.settings.local import *\n"


@pytest.fixture
def reloading(prepared_server: LiveServer, tmp_path: Path) -> Iterator[LiveServer]:
    """`runserver` with a settings file of its own, `settings_of_a_developer.py` beside its data."""
    (tmp_path / "settings_of_a_developer.py").write_text(SETTINGS)
    server = prepared_server.copy(
        tmp_path / "data",
        command=[sys.executable, "manage.py", "runserver", "127.0.0.1:{port}"],
        PYTHONPATH=str(tmp_path),
        DJANGO_SETTINGS_MODULE="settings_of_a_developer",
    )
    server.start()
    yield server
    assert server.process is not None
    for child in psutil.Process(server.process.pid).children(recursive=True):
        child.terminate()
    server.stop()


async def test_a_changed_file_restarts_it_and_people_come_back(reloading: LiveServer, tmp_path: Path) -> None:
    assert reloading.process is not None
    supervisor = psutil.Process(reloading.process.pid)
    (before,) = supervisor.children()
    ada = await NativeClient.connect(reloading.url, reloading.account()[1])
    wait_for(lambda: is_another_process_there(supervisor, before, tmp_path), 20, "another process")
    await ada.closed()
    wait_for(lambda: is_ready(reloading), 20, "readiness")
    async with await NativeClient.connect(reloading.url, reloading.account()[1]) as bob:
        await bob.join("general")
    assert "Traceback" not in reloading.log()


def is_another_process_there(supervisor: psutil.Process, before: psutil.Process, directory: Path) -> bool:
    """Save the file once more, since it is watched only from some moment after the start on; then look."""
    path = directory / "settings_of_a_developer.py"
    later = path.stat().st_mtime + 1
    os.utime(path, (later, later))
    return any(child.pid != before.pid for child in supervisor.children())


def is_ready(server: LiveServer) -> bool:
    try:
        return httpx.get(f"{server.url}/readyz", timeout=2).status_code == 200
    except httpx.TransportError:
        return False
