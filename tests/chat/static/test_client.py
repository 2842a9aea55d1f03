"""The web client's files: their unit tests run in Node, no text becomes HTML, and hashed names work."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import FileSystemStorage

from accounts.selectors import UserData
from chat.domain.events import ChannelData, JoinData, MessageData
from reaktor.web.staticfiles import ModuleManifestStorage

HERE = Path(__file__).parent
STATIC = HERE.parents[2] / "chat" / "static"
MODULES = sorted((STATIC / "chat").rglob("*.js"))
CLIENT = STATIC / "chat" / "client"
ENTRIES = ("chat/main.js", "chat/client/example.js")
PAGE = STATIC.parent / "templates" / "chat" / "index.html"
IMPORTED = re.compile(r"^(?:import|export) .*?from \"(.*?)\";", re.M | re.S)
LOADED = re.compile(r"\bimport\(\"(.*?)\"\)(?!\.[A-Z])")
"""What is imported when it is wanted."""
AS_CODE = re.compile(
    r"\.(inner|outer)HTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment"
    r"|setHTML|\beval\b|new Function|setTimeout\(\s*[\"'`]|srcdoc"
)


def test_the_parts_that_know_no_page_pass_their_tests_in_node() -> None:
    node = shutil.which("node")
    assert node is not None, "Node is needed: see scripts/test-requirements"
    tests = [str(path) for path in sorted(HERE.glob("*.test.mjs"))]
    # Newer ones have a navigator, whose language is the system's.
    system = {**os.environ, "LC_ALL": "en_US.UTF-8"}
    command = [node, "--test", *tests]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=system)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


@pytest.mark.parametrize(
    ("name", "shape"),
    [("User", UserData), ("ChannelInfo", ChannelData), ("Message", MessageData), ("JoinReply", JoinData)],
)
def test_the_shapes_that_the_client_names_have_the_fields_that_the_server_sends(name: str, shape: Any) -> None:
    """Two fields of a channel had been added, and the client's readers were never told."""
    text = (CLIENT / "types.js").read_text()
    comment = text.split(f"@typedef {{object}} {name}\n", 1)[1].split("*/", 1)[0]
    assert re.findall(r"@property \{.+?\} \[?(\w+)", comment) == list(shape.__annotations__)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_turns_text_into_html_or_code(path: Path) -> None:
    assert AS_CODE.findall(path.read_text()) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_import_by_relative_paths_that_exist(path: Path) -> None:
    for url in IMPORTED.findall(path.read_text()):
        assert url.startswith(("./", "../"))
        assert (path.parent / url).is_file()


@pytest.mark.parametrize("path", sorted(set(CLIENT.glob("*.js")) - {CLIENT / "example.js"}), ids=lambda path: path.name)
def test_the_protocol_client_needs_nothing_but_itself_and_knows_no_page(path: Path) -> None:
    text = path.read_text()
    assert all(url.startswith("./") for url in IMPORTED.findall(text))
    assert re.search(r"\b(document|window|location|navigator|history)\.[a-z]", text) is None


@pytest.mark.parametrize("path", sorted({*MODULES} - {*CLIENT.glob("*.js")}), ids=lambda path: path.name)
def test_the_pages_use_the_protocol_client_and_nothing_below_it(path: Path) -> None:
    below = [url for url in IMPORTED.findall(path.read_text()) if "client/" in url]
    assert all(url.endswith("client/index.js") for url in below)


def test_the_page_holds_no_script_and_no_style_of_its_own() -> None:
    text = PAGE.read_text()
    assert re.search(r"<style|style=|\son\w+=", text) is None
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


@pytest.mark.parametrize("path", sorted(STATIC.glob("chat/css/*.css")), ids=lambda path: path.name)
def test_style_sheets_know_start_and_end_and_no_left_and_right(path: Path) -> None:
    """So that they fit languages that are written from right to left."""
    text = path.read_text()
    assert re.findall(r"[\w-]*\b(?:left|right)\b[\w-]*\s*[:;].*", text) == []
    # Of four values the second is the right one, the fourth the left one.
    sides = re.findall(r"\b(?:margin|padding|inset): (\S+) (\S+) (\S+) ([^\s;]+);", text)
    assert [each for each in sides if each[1] != each[3]] == []


def test_the_page_loads_little_before_it_shows_something_and_little_in_all() -> None:
    """What is opened seldom is loaded when it is opened. Of the languages, the one that says most is counted."""
    styles = list((STATIC / "chat/css").glob("*.css"))
    first: set[Path] = set(styles)
    waiting = [STATIC / "chat/main.js"]
    while waiting:
        module = waiting.pop()
        if module not in first:
            first.add(module)
            waiting += [(module.parent / url).resolve() for url in IMPORTED.findall(module.read_text())]
    words = max(compressed(path) for path in (STATIC / "chat/words").glob("*.js") if path not in first)
    assert sum(map(compressed, first)) + words <= 70 * 1024
    assert sum(path.stat().st_size for path in [*MODULES, *styles]) <= 450 * 1024


def compressed(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))


def test_every_import_follows_when_the_files_are_served_under_hashed_names(tmp_path: Path) -> None:
    shutil.copytree(STATIC, tmp_path, dirs_exist_ok=True)
    storage = ModuleManifestStorage(location=str(tmp_path), base_url="/static/")
    source = FileSystemStorage(location=str(STATIC))
    paths = {str(path.relative_to(STATIC)): (source, str(path.relative_to(STATIC))) for path in MODULES}
    problems = [result for _, _, result in storage.post_process(paths) if isinstance(result, Exception)]
    assert problems == []
    # From the pages' scripts, every module is reached under the name that carries its content.
    reached = {tmp_path / storage.stored_name(name) for name in ENTRIES}
    waiting = list(reached)
    while waiting:
        module = waiting.pop()
        text = module.read_text()
        for url in IMPORTED.findall(text) + LOADED.findall(text):
            assert re.search(r"\.[0-9a-f]{12}\.js$", url), f"{module.name} imports {url}"
            found = (module.parent / url).resolve()
            if found not in reached:
                reached.add(found)
                waiting.append(found)
    # All but types.js, which holds only words for editors, and sw.js, which is served at the top.
    assert len(reached) == len(MODULES) - 2
