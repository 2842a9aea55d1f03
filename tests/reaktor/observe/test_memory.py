"""A process's memory, with /proc and without."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reaktor.observe import memory

NOBODY = 2**22 + 1
"""More than any process id can be."""


@pytest.fixture
def no_proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and the BSDs."""
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")


def test_ps_tells_what_proc_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = memory.rss_bytes(os.getpid())
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    there = memory.rss_bytes(os.getpid())
    assert here is not None
    assert there is not None
    assert abs(here - there) < here / 10


def test_who_is_gone_has_no_memory() -> None:
    assert memory.rss_bytes(None) is None
    assert memory.rss_bytes(NOBODY) is None


@pytest.mark.usefixtures("no_proc")
def test_who_is_gone_has_no_memory_by_ps_either() -> None:
    assert memory.rss_bytes(NOBODY) is None


@pytest.mark.usefixtures("no_proc")
def test_without_proc_and_ps_it_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert memory.rss_bytes(os.getpid()) is None
