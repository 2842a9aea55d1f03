"""Which parts of a text are code: what stands there is neither a link nor a mention. And texts cut short. Pure.

Texts are Markdown as it was typed; clients draw it (docs/formatting.md). The server asks for the code alone, by the
rules that the web client draws by (chat/static/chat/formatting.js). The examples of both are in docs/formatting.json.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import regex

MAX_QUOTES = 3
"""Quotes within each other; what is deeper is text."""
_FENCE = re.compile(r" {0,3}(`{3,})[^`]*")
_FENCE_END = re.compile(r" {0,3}(`{3,})[ \t]*")
_TICKS = re.compile("`+")
_LINK = re.compile(r"https?://\S*\Z", re.IGNORECASE)
_CLUSTER = regex.compile(r"\X")
_APART = regex.compile(r"\p{Grapheme_Cluster_Break=Other}{2}")
"""Two characters that are always seen as two, as nearly all are."""
_LAST_APART = regex.compile(r"(?r)\p{Grapheme_Cluster_Break=Other}{2}")
CUT = "…"

Part = tuple[int, int]
"""From the first character to behind the last one."""


def code_parts(text: str) -> tuple[Part, ...]:
    """The code in a text, in order: blocks from the first line of backticks to the last one, and code within a line
    with its backticks. Linear in the length of the text.
    """
    return tuple(_code_parts(text)) if "`" in text else ()  # as few texts have


def _code_parts(text: str) -> Iterator[Part]:
    # Of the block that is open: where it begins, how many quotes it is in, how many backticks close it.
    begins, depth, ticks = -1, 0, 0
    ended = start = 0
    for line in text.split("\n"):
        end = start + len(line) - line.endswith("\r")
        quotes, shown = _quotes(text, start, end, MAX_QUOTES if begins < 0 else depth)
        if begins >= 0 and quotes < depth:
            yield begins, ended  # with the quote that it is in
            begins = -1
            quotes, shown = _quotes(text, start, end, MAX_QUOTES)
        if begins >= 0:
            closing = _FENCE_END.fullmatch(text, shown, end)
            if closing and len(closing[1]) >= ticks:
                yield begins, end
                begins = -1
        elif opening := _FENCE.fullmatch(text, shown, end):
            begins, depth, ticks = opening.start(1), quotes, len(opening[1])
        else:
            yield from _code_in_line(text, shown, end)
        ended = end
        start += len(line) + 1
    if begins >= 0:
        yield begins, ended


def _quotes(text: str, start: int, end: int, most: int) -> tuple[int, int]:
    """How many quotes a line stands in, and where it goes on behind their signs."""
    depth, at = 0, start
    while depth < most and at < end and text[at] == ">" and (at + 1 == end or text[at + 1] in " >"):
        depth += 1
        at += 2 if text[at + 1 : at + 2] == " " and at + 1 < end else 1
    return depth, at


def _code_in_line(text: str, start: int, end: int) -> Iterator[Part]:
    """From so many backticks to the next that are as many."""
    runs = [match.span() for match in _TICKS.finditer(text, start, end)]
    by_length: dict[int, list[int]] = {}
    for at, behind in runs:
        by_length.setdefault(behind - at, []).append(at)
    done = start
    for at, behind in runs:
        if at < done:
            continue
        # A backslash takes the meaning of the one sign behind it.
        opens = at + 1 if at > done and text[at - 1] == "\\" else at
        same = by_length.get(behind - opens, [])
        index = bisect_right(same, opens)
        if opens < behind and index < len(same):
            done = same[index] + behind - opens
            yield opens, done


def shortened(text: str, max_chars: int) -> str:
    """The beginning of a text, of at most so many characters. What is seen as one character is not torn, unless it is
    longer than that by itself.
    """
    if len(text) <= max_chars or _APART.match(text, max_chars - 1):
        return text[:max_chars]
    # From the last place before that where it is plain: looking from the beginning costs as much as storing the text.
    known = _LAST_APART.search(text, 0, max_chars)
    end = known.start() + 1 if known else 0
    for cluster in _CLUSTER.finditer(text, end, max_chars + 1):
        if cluster.end() > max_chars:
            break
        end = cluster.end()
    return text[: end or max_chars]


def excerpt(text: str, max_chars: int) -> str:
    """The same for where programs make links of what looks like one, as in a mail: half a link, which would lead
    elsewhere, is left out.
    """
    found = shortened(text, max_chars)
    if len(found) == len(text) or text[len(found)].isspace():
        return found
    return _LINK.sub(CUT, found)
