"""The words of the web client: all of them stand in the catalogues, and each language has all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reaktor.errors import CloseCode, ErrorCode
from reaktor.why import Why
from tests.support.node_packages import install_packages
from tests.support.words import CATALOGUES, CLIENT, Message, catalogue, forms, messages_of, names_in, run_node

HERE = Path(__file__).parent
LANGUAGES = sorted(path.stem for path in CATALOGUES.glob("*.js") if path.stem != "languages")
FIRST = ""
"""The part of the words that the first page says."""
NO_PAGE = {"client", "words"}
"""Folders whose modules show nothing by themselves."""

Reading = dict[str, Any]


def read(folder: Path, names: list[str]) -> dict[str, Reading]:
    install_packages(HERE)
    found: dict[str, Reading] = run_node(str(HERE / "reading.mjs"), str(folder), *names)
    return found


@pytest.fixture(scope="module")
def modules() -> dict[str, Reading]:
    """What reading.mjs found, by the name of the module."""
    names = (str(path.relative_to(CLIENT)) for path in sorted(CLIENT.rglob("*.js")))
    return read(CLIENT, [name for name in names if name.split("/")[0] not in NO_PAGE])


# -- Where words stand ---------------------------------------------------------------------------------------------


def test_no_words_for_people_stand_outside_the_catalogues(modules: dict[str, Reading]) -> None:
    assert {name: found["shown"] for name, found in modules.items() if found["shown"]} == {}


PLANTED = """
import { h, setText } from "./dom.js";
const LATE = "It is too late.";
export function draw(node, list, isNew) {
  setText(node, isNew ? "new" : `${list.length} left`);
  node.title = "close";
  node.setAttribute("aria-label", "menu");
  node.append(h("p", { class: "big note", placeholder: "name" }, LATE, isNew && "fresh"));
  window.confirm("Sure");
  if (node.className === "Old one") throw new TypeError("no style is ever set");
  return [node.querySelector("p > .note"), node.dataset.state === "Open", "POST", "me/push"];
}
"""


def test_words_that_are_planted_are_found_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "planted.js").write_text(PLANTED)
    found = [each["text"] for each in read(tmp_path, ["planted.js"])["planted.js"]["shown"]]
    assert sorted(found) == sorted(["It is too late.", "new", "{} left", "close", "menu", "name", "fresh", "Sure"])


# -- What modules say ----------------------------------------------------------------------------------------------


def test_modules_say_which_words_they_want_where_they_want_them(modules: dict[str, Reading]) -> None:
    """So that these tests can tell; and not before the words are loaded."""
    assert {name: found["unreadable"] for name, found in modules.items() if found["unreadable"]} == {}
    assert {name: found["early"] for name, found in modules.items() if found["early"]} == {}


def said(modules: dict[str, Reading]) -> list[tuple[str, str, list[str] | None]]:
    """Module, key, names of the parameters (None: not known)."""
    return [
        (name, key, use["params"]) for name, found in modules.items() for use in found["says"] for key in use["keys"]
    ]


def test_every_key_that_is_said_is_there_and_every_key_is_said(modules: dict[str, Reading]) -> None:
    # words.js says one by itself: for what went wrong before its words were there.
    there = set(messages_of(catalogue("en")[0])) - {"failed"}
    wanted = {key for _, key, _ in said(modules)}
    beginnings = tuple(key.removesuffix("*") for key in wanted if key.endswith("*"))
    exact = {key for key in wanted if not key.endswith("*")}
    assert exact - there == set()
    assert {key for key in there - exact if not key.startswith(beginnings)} == set()
    assert {begin for begin in beginnings if not any(key.startswith(begin) for key in there)} == set()


def test_what_is_said_is_given_the_names_that_it_has(modules: dict[str, Reading]) -> None:
    messages = messages_of(catalogue("en")[0])
    problems = []
    for module, key, params in said(modules):
        if params is None or key not in messages:
            continue
        counted = set() if isinstance(messages[key], str) else {"count"}
        if set(params) != names_in(messages[key]) | counted:
            problems.append(f"{module}: {key} has {names_in(messages[key]) | counted}, and is given {set(params)}")
    assert problems == []


def test_words_are_loaded_with_the_modules_that_say_them(modules: dict[str, Reading]) -> None:
    """withWords("panels", import("./x.js")): whatever way leads to x, and to what it imports, brings its part along."""
    everything = {*catalogue("en")[0]}
    has = dict.fromkeys(modules, everything) | {"main.js": {FIRST, *modules["main.js"]["loads"]}}
    while True:
        before = dict(has)
        for name, found in modules.items():
            for each in found["imports"]:
                if each["name"] in modules:
                    more = {each["part"]} if each["isLater"] else set()
                    has[each["name"]] = has[each["name"]] & (before[name] | more)
        if has == before:
            break
    parts = {(name, key.partition(".")[0] if "." in key else FIRST) for name, key, _ in said(modules)}
    assert {(name, part) for name, part in parts if part not in has[name]} == set()


# -- What the server refuses ---------------------------------------------------------------------------------------


def refusals(beginning: str) -> dict[str, Message]:
    """The messages for what went wrong whose keys begin so, by the rest of the key."""
    messages = messages_of(catalogue("en")[0])
    return {key.removeprefix(beginning): each for key, each in messages.items() if key.startswith(beginning)}


def test_every_code_and_every_why_of_the_server_has_a_sentence() -> None:
    """A German reader was told in English what was wrong with the name that they had chosen."""
    of_the_client = {"offline", "timeout", "disconnected"}
    # What a program does wrong, and not its reader.
    of_programs = {ErrorCode.UNKNOWN_OPERATION.value}
    assert refusals("errors.code_").keys() == {code.value for code in ErrorCode} - of_programs | of_the_client
    assert refusals("errors.why_").keys() == {why.value for why in Why}


def test_every_closing_after_which_nobody_comes_back_by_themselves_has_a_sentence() -> None:
    of_programs = {CloseCode.NO_HELLO, CloseCode.PROTOCOL_ERROR}
    wanted = {str(code.value) for code in CloseCode if not code.may_come_back and code not in of_programs}
    assert refusals("errors.closed_").keys() == wanted


def test_what_a_refusal_says_is_what_explain_js_gives_it() -> None:
    names = {name for message in refusals("errors.why_").values() for name in names_in(message)}
    assert names == {"count", "size", "names"}


def test_the_protocol_names_every_why() -> None:
    page = (HERE.parents[2] / "docs" / "protocol.md").read_text()
    table = page.split("| about | `why` |", 1)[1].split("\n\n", 1)[0]
    assert set(re.findall(r"`(\w+)`", table)) - {"limit", "names"} == {why.value for why in Why}


# -- The languages -------------------------------------------------------------------------------------------------


def test_the_languages_that_are_offered_are_those_that_have_a_catalogue() -> None:
    offered = re.findall(r"import\(\"\./(\w+)\.js\"\)", (CATALOGUES / "languages.js").read_text())
    assert sorted(offered) == LANGUAGES


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_key_begins_with_the_part_that_it_stands_in(language: str) -> None:
    for part, messages in catalogue(language)[0].items():
        assert {key for key in messages if (key.partition(".")[0] if "." in key else FIRST) != part} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_with_the_same_names(language: str) -> None:
    english, _ = catalogue("en")
    parts, _ = catalogue(language)
    assert {part: sorted(messages) for part, messages in parts.items()} == {
        part: sorted(messages) for part, messages in english.items()
    }
    wanted = {key: names_in(message) for key, message in messages_of(english).items()}
    found = {key: names_in(message) for key, message in messages_of(parts).items()}
    assert {key: names for key, names in found.items() if names != wanted[key]} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_counted_has_every_form_of_the_language(language: str) -> None:
    parts, plurals = catalogue(language)
    counted = {key: set(message) for key, message in messages_of(parts).items() if not isinstance(message, str)}
    assert {key: found for key, found in counted.items() if found != plurals} == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_is_empty_or_has_blanks_at_its_ends(language: str) -> None:
    # What is put into another one begins with the blank that stands before it there.
    inside = {"errors.until", "errors.for_good"}
    messages = messages_of(catalogue(language)[0])
    assert {key for key, message in messages.items() if any(not form.strip() for form in forms(message))} == set()
    blanks = {key for key, message in messages.items() if any(form != form.strip() for form in forms(message))}
    assert blanks == inside
