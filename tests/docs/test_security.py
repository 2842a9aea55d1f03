"""SECURITY.md: each promise names the tests that show it, and they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def promises() -> list[str]:
    """The points under "What is promised", each as one line."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    section = text.partition("\n## What is promised\n")[2].partition("\n## ")[0]
    found = re.findall(r"^- (.*?)(?=\n- |\n\n|\Z)", section, re.MULTILINE | re.DOTALL)
    return [" ".join(each.split()) for each in found]


def test_each_promise_names_its_tests_and_each_of_these_files_has_some() -> None:
    found = promises()
    assert len(found) > 20
    for promise in found:
        _, said, names = promise.rpartition("Tests: ")
        assert said, promise
        files = re.findall(r"`(tests/[\w/]+\.py)`", names)
        assert files, promise
        for file in files:
            assert re.search(r"^\s*(async )?def test_", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), file


def test_it_says_who_attacks_and_what_is_not_promised() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    for heading in ("Report a hole", "Who attacks", "What is not promised"):
        assert f"\n## {heading}\n" in text
