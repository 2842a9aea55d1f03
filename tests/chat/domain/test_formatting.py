"""Which parts of a text are code, and texts cut short without torn characters or links."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from chat.domain import formatting
from chat.domain.formatting import code_parts, excerpt, shortened
from chat.domain.mentions import possible_mentions
from chat.domain.search import has_link

EXAMPLES: list[dict[str, Any]] = json.loads((Path(__file__).parents[3] / "docs/formatting.json").read_text())
MIXED = st.text(st.sampled_from("ab \n\r🏽👩\u200d\u0301\u05d0\u202e🇩🇪각ก็"), max_size=60)


def code_of(text: str) -> list[str]:
    return [text[start:end] for start, end in code_parts(text)]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: ascii(example["text"])[:40])
def test_the_code_of_the_examples_is_what_the_specification_says(example: dict[str, Any]) -> None:
    assert code_of(example["text"]) == example["code"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: ascii(example["text"])[:40])
def test_the_examples_name_whom_the_specification_marks(example: dict[str, Any]) -> None:
    """What stood in code was a mention: `@ada` in a line of a program told ada."""
    is_named = any("ada" in possible for possible in possible_mentions(example["text"]))
    assert is_named == ("<mark>" in example["html"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: ascii(example["text"])[:40])
def test_a_search_for_links_finds_those_that_the_specification_shows(example: dict[str, Any]) -> None:
    """What stood in code was a link to a search alone."""
    assert has_link(example["text"]) == ("<a " in example["html"])


def test_a_windows_line_end_ends_a_line() -> None:
    assert code_of("```\r\n@ada\r\n```\r\n@bob") == ["```\r\n@ada\r\n```"]
    assert code_of(">\r\n> ```\r\n> a") == ["```\r\n> a"]


def test_without_a_backtick_nobody_looks_for_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would cost each posting."""
    monkeypatch.setattr(formatting, "_code_parts", lambda _: pytest.fail("it looked for code"))
    assert code_parts("> @ada\n**plain** 'text'") == ()


@given(st.text("`\\> \n\ra~-", max_size=80))
def test_law_parts_are_in_order_apart_and_begin_with_a_backtick(text: str) -> None:
    before = 0
    for start, end in code_parts(text):
        assert before <= start < end <= len(text)
        assert text[start] == "`"
        before = end


@given(MIXED, st.integers(1, 40))
def test_law_a_text_is_cut_between_what_is_seen_as_characters(text: str, chars: int) -> None:
    clusters = regex.findall(r"\X", text)
    found = shortened(text, chars)
    assert text.startswith(found)
    assert len(found) <= chars
    if clusters and len(clusters[0]) <= chars:
        fitting = max(at for at in range(len(clusters) + 1) if len("".join(clusters[:at])) <= chars)
        assert found == "".join(clusters[:fitting])


def test_what_is_longer_than_that_by_itself_is_shown_as_far_as_it_fits() -> None:
    assert shortened("e" + "\u0301" * 300, 200) == "e" + "\u0301" * 199


@given(MIXED, st.integers(1, 40))
def test_law_an_excerpt_of_a_text_without_links_is_its_beginning(text: str, chars: int) -> None:
    assert excerpt(text, chars) == shortened(text, chars)


def test_an_excerpt_holds_no_half_link() -> None:
    """A mail program makes a link of it, which leads elsewhere."""
    link = "https://example.org/" + "x" * 40
    assert excerpt(f"see {link} now, or later", 70) == f"see {link} now, o"[:70]
    assert excerpt(f"see {link} now", 40) == "see …"
    assert excerpt(f"see {link} now", 4 + len(link)) == f"see {link}"
    assert excerpt("see HTTP://EXAMPLE.org/abcdef", 25) == "see …"
    assert excerpt(f"[words]({link})", 30) == "[words](…"
