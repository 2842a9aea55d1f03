"""The live cluster page: of one process from its own runtime, of a worker from its supervisor; for moderators."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.test import Client

from chat.domain.ids import WorkerId
from reaktor.cluster.rundir import RunDir
from tests.support.rest import live

pytestmark = pytest.mark.django_db
FIGURES = "/admin/cluster/status.json"
HOSTS = [
    {"number": 1, "name": "a", "life": 2, "version": "1.0", "is_alive": True, "is_own": True, "decides": True},
]
SAID = {
    "sessions": 3, "epoch": 5, "revision": 40, "in_step": True, "messages_in": 7, "messages_out": 21,
    "digest": "secret",
}  # fmt: skip
AUTHORITY = {"phase": "serving", "epoch": 5, "revision": 41, "sessions": 3, "users": 2, "replicas": {}, "digest": "d"}
OF_SUPERVISOR = {
    "state": "serving",
    "workers": [
        {"slot": 1, "incarnation": 2, "pid": 99, "state": "ready", "age_s": 5.0, "sessions": 3, "revision_lag": 1,
         "rss_bytes": 1_000, "digest": "d", "runtime": SAID},
    ],
    "authority": AUTHORITY,
    "connections": {"held": 0},
    "slots_given_up": {"2": "died too often"},
}  # fmt: skip


class FakeAuthority:
    def status(self) -> dict[str, Any]:
        return AUTHORITY


@contextmanager
def supervisor(run_dir: RunDir, answer: dict[str, Any]) -> Iterator[None]:
    """Answers one request on the control socket."""
    run_dir.control_socket.parent.mkdir(parents=True, exist_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(run_dir.control_socket))
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection, connection.makefile("rwb") as stream:
                assert json.loads(stream.readline()) == {"v": 1, "do": "status"}
                stream.write(json.dumps(answer).encode() + b"\n")
                stream.flush()

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join(10)


@pytest.fixture
def run_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """As if this process were a worker of the cluster there."""

    class Config:
        run_dir = tmp_path / "run"

    monkeypatch.setattr(apps.get_app_config("chat"), "is_worker", True)
    monkeypatch.setattr(apps.get_app_config("chat"), "config", Config)
    return RunDir(Config.run_dir)


def test_one_process_tells_of_itself(mia: Client) -> None:
    with live() as runtime:
        runtime.status = lambda: SAID  # type: ignore[attr-defined]
        runtime.worker = WorkerId(1, 1, 0, 1)  # type: ignore[attr-defined]
        runtime.authority = FakeAuthority()  # type: ignore[attr-defined]
        runtime.is_draining = False  # type: ignore[attr-defined]
        runtime.hosts = lambda: HOSTS  # type: ignore[attr-defined]
        answer = mia.get(FIGURES)
    body = answer.json()
    worker = body["workers"][0]
    assert "no-store" in answer["Cache-Control"]
    assert body["state"] == "serving"
    assert body["hosts"] == HOSTS
    assert (worker["slot"], worker["incarnation"], worker["revision_lag"], worker["sessions"]) == (0, 1, 1, 3)
    assert (worker["messages_in"], worker["messages_out"]) == (7, 21)
    assert worker["rss_bytes"] > 10**6
    assert "digest" not in body["authority"]
    # What an operator runs out of was nowhere.
    assert body["storage"]["database_bytes"] > 10**5
    assert 0 < body["storage"]["disk_free_bytes"] < body["storage"]["disk_bytes"]


def test_a_process_in_which_nothing_runs_yet_says_so(mia: Client) -> None:
    body = mia.get(FIGURES).json()
    assert (body["state"], body["workers"]) == ("starting", [])


def test_a_worker_asks_its_supervisor(mia: Client, run_dir: RunDir) -> None:
    with supervisor(run_dir, {"ok": True, "result": OF_SUPERVISOR}):
        body = mia.get(FIGURES).json()
    assert body["workers"][0]["pid"] == 99
    assert body["authority"]["epoch"] == 5
    assert body["given_up"] == {"2": "died too often"}


def test_a_supervisor_that_is_away_or_refuses_is_a_sentence(mia: Client, run_dir: RunDir) -> None:
    answer = mia.get(FIGURES)
    assert answer.status_code == 503
    assert "No live server" in answer.json()["error"]
    with supervisor(run_dir, {"ok": False, "error": "Not today."}):
        assert mia.get(FIGURES).json() == {"error": "Not today."}


def test_the_page_brings_nothing_inline(mia: Client) -> None:
    answer = mia.get("/admin/cluster/")
    text = answer.content.decode()
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "<style" not in text
    assert " style=" not in text
    assert all("src=" in tag.split(">")[0] for tag in text.split("<script")[1:])
