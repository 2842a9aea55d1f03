"""The pages say nothing that is not there: links, anchors, paths, make targets, commands and modules they name."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from django.core.management import get_commands

from tests.support.markdown import Page

ROOT = Path(__file__).resolve().parents[2]
TOP = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PRESENT = [*TOP, *sorted((ROOT / "docs").glob("*.md"))]
"""Pages about how things are now. The others (decisions, changes) may name what was there once."""
ALL = [
    *PRESENT,
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs/adr").glob("*.md")),
    *sorted(ROOT.glob(".github/**/*.md")),
]
MADE_WHILE_RUNNING = {"var", "staticfiles", "node_modules"}
PACKAGES = ("accounts", "chat", "reaktor")


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def top_names() -> set[str]:
    return {path.name for path in ROOT.iterdir()} - MADE_WHILE_RUNNING - {".venv", ".git"}


@pytest.mark.parametrize("path", ALL, ids=named)
def test_every_link_leads_somewhere(path: Path) -> None:
    page = Page(path)
    broken = []
    for link in page.links():
        target, _, anchor = link.partition("#")
        found = (path.parent / target).resolve() if target else path
        if not found.exists() or (anchor and anchor not in Page(found).anchors):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("path", PRESENT, ids=named)
def test_every_path_in_the_text_exists(path: Path) -> None:
    places = (ROOT, path.parent)
    missing = [each for each in Page(path).paths(top_names()) if not any((place / each).exists() for place in places)]
    assert sorted(missing) == []


@pytest.mark.parametrize("path", PRESENT, ids=named)
def test_every_name_behind_a_file_is_in_that_file(path: Path) -> None:
    missing = [
        (file, name)
        for file, name in Page(path).names()
        if not (ROOT / file).exists() or not re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8"))
    ]
    assert sorted(missing) == []


@pytest.mark.parametrize("path", PRESENT, ids=named)
def test_every_command_in_the_text_exists(path: Path) -> None:
    code = Page(path).code
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    makes = set(re.findall(r"\bmake ([a-z-]+)", code))
    commands = set(re.findall(r"manage\.py ([a-z_]+)", code))
    modules = set(re.findall(r"python3? -m ([\w.]+)", code))
    assert makes - targets == set()
    assert commands - set(get_commands()) == set()
    assert {module for module in modules if find_spec(module) is None} == set()


def test_architecture_names_every_package() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    packages = {
        named(init.parent)
        for package in PACKAGES
        for init in (ROOT / package).rglob("__init__.py")
        if not {"migrations", "management"} & set(init.parts)
    }
    assert {package for package in packages if f"{package}/" not in text} == set()


def test_the_index_names_every_page() -> None:
    index = ROOT / "docs/README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in Page(index).links()}
    assert {path for path in PRESENT if path not in linked and path not in (index, ROOT / "README.md")} == set()
