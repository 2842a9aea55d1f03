"""Fixtures of the account tests."""

from typing import Any

import pytest

from reaktor.process import announce
from tests.support.rest import _fresh_limits  # noqa: F401


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """What was announced on the bus, where no node runs to carry it."""
    heard: list[tuple[str, str, Any]] = []
    monkeypatch.setattr(announce, "say", lambda group, kind, body: heard.append((group, kind, body)))
    return heard
