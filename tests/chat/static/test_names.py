"""The web client compares names as the server does: whom the server found, it marks."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import unicodedata
from collections import defaultdict
from pathlib import Path

from accounts import names
from reaktor.scripts import SPACELESS

MODULE = Path(__file__).parents[3] / "chat" / "static" / "chat" / "names.js"
SCRIPT = """
import { readFileSync } from "node:fs";
const { folded, isPossible } = await import(process.argv[1]);
const { chars, names } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify({ chars: chars.map(folded), names: names.map((name) => [folded(name), isPossible(name)]) }));
"""
WORDS = (
    "Straße",
    "STRASSE",
    "Ὀδυσσεύς",
    "ὈΔΥΣΣΕΎΣ",
    "ΐΐ",
    "Ϊ́Ϊ́",
    "İpek",
    "ısık",
    "ISIK",
    "JOSE\u0301",
    "ＡＢ",
    "ᎠᎡ",
    "ꭰꭱ",
    "𐐀𐐨",
)


def asked(chars: list[str], words: tuple[str, ...]) -> dict[str, list[list[str | bool] | str]]:
    node = shutil.which("node")
    assert node is not None, "Node is needed: see scripts/test-requirements"
    done = subprocess.run(
        [node, "--input-type=module", "--eval", SCRIPT, str(MODULE)],
        input=json.dumps({"chars": chars, "names": words}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[list[str | bool] | str]] = json.loads(done.stdout)
    return found


def test_law_two_characters_are_one_in_the_client_where_they_are_one_for_the_server() -> None:
    chars = [chr(code) for code in range(sys.maxunicode + 1) if unicodedata.category(chr(code))[0] in "LMN"]
    chars = [char for char in chars if all(map(names.is_name_char, names.stored(char)))]
    assert len(chars) > 100_000
    found = asked(chars, ())["chars"]
    ours: defaultdict[str, set[object]] = defaultdict(set)
    theirs: defaultdict[object, set[str]] = defaultdict(set)
    for char, client in zip(chars, found, strict=True):
        ours[names.folded(char)].add(client)
        theirs[client].add(names.folded(char))
    assert {folded: each for folded, each in ours.items() if len(each) > 1} == {}
    assert {folded: each for folded, each in theirs.items() if len(each) > 1} == {}


def test_names_are_one_in_the_client_where_they_are_one_for_the_server() -> None:
    found = [each[0] for each in asked([], WORDS)["names"]]
    for one, first in zip(WORDS, found, strict=True):
        for other, second in zip(WORDS, found, strict=True):
            assert (first == second) == (names.folded(one) == names.folded(other)), (one, other)


def test_the_client_refuses_no_name_that_the_server_takes() -> None:
    words = ("ab", "a" * 32, "a.b_c-d", "Ё" * 32, "𐒰" * 32, "मीरा", "กิ๊ก", "〇七", "ガモ", "e\u0301" * 20)
    assert [each[1] for each in asked([], words)["names"]] == [names.is_well_formed(word) for word in words]
    assert [each[1] for each in asked([], ("a", "a" * 33, "_ab", "ab.", "a b", "", "a\u200db"))["names"]] == [False] * 7


def test_the_client_knows_the_scripts_without_blanks() -> None:
    text = MODULE.read_text()
    for script in SPACELESS.replace(r"\p{", " ").replace("}", " ").split():
        assert script in text
