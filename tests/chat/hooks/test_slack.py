"""Slack's body as text: each of its parts, and whatever else is sent to the same address."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain.formatting import CUT
from chat.domain.rules import VIA_CHARS, check_text
from chat.hooks.slack import cut, plain, posting_of, text_of
from reaktor.errors import InvalidError

MAX_CHARS = 4_000


def said(**payload: Any) -> str:
    return text_of(payload)


@pytest.mark.parametrize(
    ("marked", "shown"),
    [
        ("<https://ci.example/7|build 7> failed", "build 7 (https://ci.example/7) failed"),
        ("see <https://ci.example/7>", "see https://ci.example/7"),
        ("<mailto:ada@example.org|ada@example.org>", "ada@example.org"),
        ("<@U123|ada> and <@U123> in <#C1|general>", "@ada and @U123 in #general"),
        ("<!date^1392734382^{date}|18 February>", "18 February"),
        ("1 &lt; 2 &amp;&amp; 3 &gt; 2", "1 < 2 && 3 > 2"),
        ("&amp;lt;", "&lt;"),
        ("a < b, c > d", "a < b, c > d"),
        ("*bold* _italic_ `code`", "*bold* _italic_ `code`"),
    ],
)
def test_markup_of_slack_becomes_text(marked: str, shown: str) -> None:
    assert plain(marked) == shown


@pytest.mark.parametrize(
    "text", ["<!here> fire", "<!channel> fire", "@everyone fire", "<!channel|@channel> @all fire", "@@here fire"]
)
def test_nobody_is_called_by_a_name_for_everybody(text: str) -> None:
    assert "@" not in said(text=text)
    assert said(text=text).endswith("fire")


def test_blocks_become_lines_and_stand_in_the_place_of_the_summary() -> None:
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Deploy"}},
        {
            "type": "section",
            "text": {"type": "mrkdwn", "text": "by <https://example.org|ada>"},
            "fields": [{"type": "mrkdwn", "text": "*Host* one"}, {"type": "mrkdwn", "text": "*Took* 3 s"}],
        },
        {"type": "divider"},
        {"type": "image", "image_url": "https://example.org/x.png", "alt_text": "a graph"},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "cluster"}, {"type": "image", "alt_text": "logo"}]},
        {"type": "actions", "elements": [{"type": "button", "text": {"text": "Open"}, "url": "https://example.org/7"}]},
    ]
    assert said(text="summary", blocks=blocks).split("\n") == [
        "Deploy", "by ada (https://example.org)", "*Host* one", "*Took* 3 s", "———", "a graph", "cluster logo",
        "Open (https://example.org/7)",
    ]  # fmt: skip


def test_rich_text_becomes_lines() -> None:
    items = [{"type": "rich_text_section", "elements": [{"type": "text", "text": each}]} for each in ("one", "two")]
    elements = [
        {
            "type": "rich_text_section",
            "elements": [
                {"type": "text", "text": "look "},
                {"type": "link", "url": "https://example.org", "text": "here"},
                {"type": "emoji", "name": "wave"},
                {"type": "broadcast", "range": "here"},
            ],
        },
        {"type": "rich_text_list", "elements": items},
    ]
    shown = said(blocks=[{"type": "rich_text", "elements": elements}])
    assert shown == "look here (https://example.org):wave:here\n• one\n• two"


def test_attachments_become_lines_and_their_fallback_where_there_is_nothing_else() -> None:
    full = {
        "fallback": "not this",
        "pretext": "before",
        "title": "CPU",
        "title_link": "https://grafana.example/d/1",
        "text": "is high",
        "fields": [{"title": "host", "value": "one"}, {"value": "alone"}],
        "footer": "Grafana",
    }
    assert said(text="Alert", attachments=[full, {"fallback": "this", "color": "#f00"}]) == (
        "Alert\n\nbefore\nCPU (https://grafana.example/d/1)\nis high\nhost: one\nalone\nGrafana\n\nthis"
    )


def test_a_form_is_taken_as_json_is_and_json_by_any_other_name() -> None:
    payload = orjson.dumps({"text": "hi & bye", "username": "  CI \u202e bot "})
    for body in (payload, b"  \n" + payload, urlencode({"payload": payload.decode()}).encode()):
        assert posting_of(body, max_chars=MAX_CHARS) == ("hi & bye", "CI bot")


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"payload=", b"text=hi", b"payload=%5B1%5D", b"\xff\xfe", b'{"text": ""}',
        b'{"text": " \\n"}', b'{"text": 7}', b'{"blocks": [{}]}', b"&" * 1_000, b'{"text": "\\ud800"}',
        b'{"text": "\\u0000"}', b"[" * 60_000,
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(InvalidError):
        posting_of(body, max_chars=MAX_CHARS)


def test_what_is_too_long_is_cut_at_the_end_of_a_line_or_a_word() -> None:
    assert cut("short", 10) == "short"
    assert cut("word " * 10, 23) == f"word word word word{CUT}"
    assert cut(f"{'line ' * 3}\n{'x' * 50}", 20) == f"line line line{CUT}"
    assert cut("x" * 50, 20) == f"{'x' * 19}{CUT}"


TEXTS = st.text(max_size=60) | st.sampled_from(
    ["<!here>", "<a|b>", "@channel", "&lt;", "https://x.example", "x" * 5_000]
)
KEYS = st.sampled_from(
    [
        "text", "type", "fields", "elements", "alt_text", "title", "value", "title_link", "url", "fallback", "blocks",
        "name", "range", "footer", "attachments",
    ]
)  # fmt: skip
KINDS = st.sampled_from(
    [
        "section", "header", "context", "divider", "image", "rich_text", "rich_text_list", "rich_text_section", "text",
        "link", "emoji", "actions",
    ]
)  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS | KINDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=30,
)
PAYLOADS = st.fixed_dictionaries({}, optional=dict.fromkeys(("text", "username", "blocks", "attachments"), ANY))


@given(PAYLOADS, st.integers(1, 200))
def test_any_payload_gives_a_text_that_fits_or_is_refused(payload: dict[str, Any], max_chars: int) -> None:
    body = orjson.dumps(payload, option=orjson.OPT_NON_STR_KEYS)
    try:
        posting = posting_of(body, max_chars=max_chars)
    except InvalidError:
        return
    assert check_text(posting.text, max_chars=max_chars) == posting.text
    assert len(posting.via) <= VIA_CHARS
    assert "\n" not in posting.via


@given(st.binary(max_size=300))
def test_any_bytes_give_a_text_or_are_refused(body: bytes) -> None:
    try:
        posting_of(body, max_chars=MAX_CHARS)
    except InvalidError:
        return
