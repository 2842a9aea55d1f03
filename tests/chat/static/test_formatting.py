"""The web client and the server find the same code in a text, and the page of the specification shows its examples."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain.formatting import code_parts

ROOT = Path(__file__).parents[3]
MODULE = ROOT / "chat" / "static" / "chat" / "formatting.js"
SCRIPT = """
import { createInterface } from "node:readline";
const { parse } = await import(process.argv[1]);
const codeOf = (node) =>
  node.kind === "code" ? [node] : typeof node === "object" ? Object.values(node).flatMap(codeOf) : [];
for await (const line of createInterface({ input: process.stdin })) {
  const text = JSON.parse(line);
  console.log(JSON.stringify(codeOf(parse(text)).map(({ from, to }) => text.slice(from, to))));
}
"""
PIECES = (
    "`", "``", "```", "````", "\n", "\n```\n", "\n> ", ">", "> > ", " ", "\\", "\r\n", "a", "*", "_", "~~", "- ",
    "  - ", "1. ", "[", "](https://a.b)", "]", "(", "https://a.b/", "\ufeff", "\u2028", "\u0085", "\x0c", "\x1c", "\t",
    "\U0001f600", "@ab",
)  # fmt: skip

Ask = Callable[[str], list[str]]


@pytest.fixture(scope="module")
def in_the_client() -> Iterator[Ask]:
    """One process for all texts."""
    node = shutil.which("node")
    assert node is not None, "Node is needed: see scripts/test-requirements"
    command = [node, "--input-type=module", "--eval", SCRIPT, str(MODULE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        to, back = running.stdin, running.stdout

        def ask(text: str) -> list[str]:
            to.write(json.dumps(text) + "\n")
            to.flush()
            found: list[str] = json.loads(back.readline())
            return found

        yield ask
        to.close()


# Node starts with the first text.
@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_law_what_is_code_for_the_server_is_code_in_the_client(in_the_client: Ask, text: str) -> None:
    assert in_the_client(text) == [text[start:end] for start, end in code_parts(text)]


def test_the_page_of_the_specification_shows_examples_that_are_tested() -> None:
    page = (ROOT / "docs/formatting.md").read_text()
    examples = json.loads((ROOT / "docs/formatting.json").read_text())
    shown = [json.loads(line) for line in page.splitlines() if line.startswith('    {"text"')]
    known = [{"text": each["text"], "html": each["html"]} for each in examples]
    assert len(shown) > 20
    assert [each for each in shown if each not in known] == []
    assert f"has {len(examples)} examples" in page
