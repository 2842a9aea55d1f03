"""What clusterctl says, and which server it asks when it is told none."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from chat.management.commands import clusterctl
from reaktor.cluster.rundir import RunDir
from reaktor.config.model import Config
from tests.reaktor.process.test_live_servers import serve


class Asked:
    """Stands for the supervisors: notes what each was asked, and answers."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, run_dir: RunDir, request: dict[str, Any], timeout_s: float) -> dict[str, Any]:
        self.calls.append((run_dir.path.name, request))
        return self.answer


@pytest.fixture
def config(tmp_path: Path, settings: Any) -> Config:
    settings.REAKTOR = Config(tmp_path)
    return Config(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], *words: str) -> tuple[Asked, str]:
    asked, said = Asked(answer), StringIO()
    monkeypatch.setattr(clusterctl, "ask", asked)
    call_command("clusterctl", *words, stdout=said)
    return asked, said.getvalue()


def test_the_one_that_runs_is_asked_whatever_its_port(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without PORT the command looked at port 8000 alone, and said that no server runs."""
    serve(config, 8123, os.getpid())
    asked, _ = run(monkeypatch, {"workers": 2}, "scale", "2")
    assert asked.calls == [("8123", {"do": "scale", "count": 2})]


def test_of_several_one_has_to_be_named(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(config, 8000, os.getpid())
    serve(config, 8001, os.getpid())
    with pytest.raises(CommandError, match=r"on the ports 8000, 8001\. Say which: --port 8000\.") as error:
        run(monkeypatch, {}, "scale", "2")
    assert error.value.returncode == 2
    asked, _ = run(monkeypatch, {"workers": 2}, "scale", "2", "--port", "8001")
    assert asked.calls == [("8001", {"do": "scale", "count": 2})]


@pytest.mark.parametrize("word", ["restart", "drain"])
def test_a_restart_of_one_worker_is_called_so(config: Config, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """`drain` sounded as if the worker stayed away; the old word still works, and old supervisors know it alone."""
    asked, said = run(monkeypatch, {"reloaded": [2]}, word, "2")
    assert asked.calls == [("8000", {"do": "drain", "slot": 2})]
    assert said == "Replaced 1 worker: slot 2.\n"


@pytest.mark.parametrize(
    ("words", "answer", "said"),
    [
        (("scale", "1"), {"workers": 1}, "1 worker serves.\n"),
        (("scale", "3"), {"workers": 3}, "3 workers serve.\n"),
        (("reload",), {"reloaded": [1, 2]}, "Replaced 2 workers: slots 1, 2.\n"),
    ],
)
def test_one_is_counted_in_the_singular(
    config: Config, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], answer: dict[str, Any], said: str
) -> None:
    """`clusterctl scale 1` said "1 workers serve."."""
    assert run(monkeypatch, answer, *words)[1] == said
