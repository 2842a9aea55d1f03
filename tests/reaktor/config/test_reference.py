"""The documents are what the code says."""

from __future__ import annotations

from pathlib import Path

from chat.management.commands.settings_reference import COMPOSE
from reaktor.config.environment import variables
from reaktor.config.reference import env_file, page

ROOT = Path(__file__).resolve().parents[3]


def test_the_documents_are_what_the_code_says() -> None:
    assert (ROOT / "docs/settings.md").read_text() == page(variables()), "run manage.py settings_reference"
    assert (ROOT / "docker/chat.env").read_text() == env_file(variables(), COMPOSE), "run it with --env"
