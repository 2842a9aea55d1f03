"""Who may start what: a process that finds itself without a runtime, and the one authority of a server."""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from chat.membership.authority import Authority
from chat.models import ClusterIdentity
from reaktor import asgi
from reaktor.cluster import authority_lock
from reaktor.cluster.contract import Place
from reaktor.web.edge import SAFETY
from tests.support.asgi import HttpCall

ROOT = Path(__file__).resolve().parents[2]
HTTP_PATHS = ("/", "/healthz", "/readyz", "/metrics", "/api/v1/me", "/channels", "/socket.io/?EIO=4&transport=polling")
WEBSOCKET_PATHS = ("/ws/v1", "/socket.io/", "/elsewhere")


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Authority]:
    """Every authority that is made meanwhile."""
    found: list[Authority] = []
    make = Authority.__init__

    def noted(self: Authority, *arguments: Any, **options: Any) -> None:
        found.append(self)
        make(self, *arguments, **options)

    monkeypatch.setattr(Authority, "__init__", noted)
    return found


async def say(application: Callable[..., Any], path: str, extensions: dict[str, Any] | None = None) -> list[Any]:
    """What the application says to a WebSocket."""
    said: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    async with asyncio.timeout(5):
        await application({"type": "websocket", "path": path, "extensions": extensions or {}}, receive, send)
    return said


async def test_a_worker_without_its_runtime_refuses_whatever_it_is_asked(made: list[Authority]) -> None:
    """A worker's runtime had ended, and its server still took requests: the next one made a second authority."""
    application = asgi.Application(starts_runtime=False)
    for path in HTTP_PATHS:
        answer = await HttpCall(application, "GET", path).done()
        assert (answer.status, answer.headers["connection"]) == (503, "close"), path
        assert '"unavailable"' in answer.text
        assert {name.decode(): value.decode() for name, value in SAFETY}.items() <= answer.headers.items(), path
    answer = await HttpCall(application, "GET", "/channels", headers={"Origin": "https://app.example"}).done()
    assert answer.headers["access-control-allow-origin"] == "*", "a page may read why"
    assert answer.text.startswith('{"error": "The server is restarting."'), "as the seed contract has it"
    for path in WEBSOCKET_PATHS:
        assert [message["type"] for message in await say(application, path)] == ["websocket.close"]
        start, _ = await say(application, path, {"websocket.http.response": {}})
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 503)
    assert made == []


@pytest.mark.django_db
def test_no_entry_of_a_worker_makes_an_authority(
    made: list[Authority], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own door makes a runtime without one; the doors of a whole server are closed to it."""
    settings.IS_WORKER = True
    monkeypatch.setattr(asgi._served, "starts_runtime", False)
    assert asgi.create_runtime(Place(1, 1, 1, 1)).authority is None
    with pytest.raises(RuntimeError, match="A worker can't be the whole server"):
        asgi.create_lone_runtime()
    with pytest.raises(CommandError, match="A worker can't start a server"):
        call_command("runcluster", skip_checks=True)
    assert made == []


def test_there_are_two_entries_to_an_authority_and_a_worker_has_neither() -> None:
    """Whoever adds a third one has to see here that no worker comes through it."""
    callers = {
        str(path.relative_to(ROOT))
        for package in ("accounts", "chat", "reaktor")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Authority"
    }
    assert callers == {"chat/live/runtime.py", "chat/management/cluster_authority.py"}


@pytest.mark.django_db(transaction=True)
async def test_a_process_whose_runtime_somebody_else_runs_never_starts_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One process was the whole server, and its runtime had ended: a request of that moment started a second one."""
    monkeypatch.setattr(asgi._served, "starts_runtime", True)
    authority_lock.hold(settings.REAKTOR.data_dir, 8000)
    await asyncio.to_thread(ClusterIdentity.objects.get_or_create, pk=1)
    await asyncio.to_thread(asgi.create_lone_runtime)
    answer = await HttpCall(asgi.application, "GET", "/").done()
    assert answer.status == 503
