"""Where a text may name people: behind each @, the names that may stand there, the longest first. Pure.

A mention is @ and the longest name that exists. A name ends where a word can end: before what no name has, before one
of _ . -, where the script changes, and anywhere in scripts that write no blanks between words. The web client marks the
names that the server found by the same rule (chat/static/chat/formatting.js). What stands in code is no name.
"""

from __future__ import annotations

import re
from functools import lru_cache

import regex

from accounts import names
from chat.domain.formatting import code_parts
from reaktor.scripts import SPACELESS

MENTIONS_PER_MESSAGE = 20
_AT = re.compile(
    # Links first: what stands in one is no name. Before a name stands a blank, a bracket or a letter of a script
    # without blanks, but nothing that an address is made of.
    r"https?://[^\s<>\"'`\u3000-\u303F\uFF01-\uFF0F\uFF1A-\uFF20\uFF3B-\uFF40\uFF5B-\uFF65]+"
    r"|(?<![A-Za-z0-9@._%+\-/\\\u00C0-\u058F\u1E00-\u1FFF])@",
    re.IGNORECASE,
)
_CUT = regex.compile(
    # Between two characters of a name: beside a letter of a script without blanks, or between Latin and another script;
    # never inside of what is one letter with its marks.
    rf"(?:(?<=[{SPACELESS}]\p{{M}}*)|(?=[{SPACELESS}])"
    r"|(?<=\p{Latin}\p{M}*)(?=[\p{L}--\p{Latin}])|(?<=[\p{L}--\p{Latin}]\p{M}*)(?=\p{Latin}))(?![\p{M}\u1160-\u11FF])",
    regex.VERSION1,
)


def spoken(text: str) -> str:
    """A message's text with nobody named in its code: every place is where it was, what stands there is ` instead."""
    if "`" not in text:
        return text
    parts = list(text)
    for start, end in code_parts(text):
        parts[start:end] = "`" * (end - start)
    return "".join(parts)


def possible_mentions(text: str) -> tuple[tuple[str, ...], ...]:
    """For each place that names somebody: the folded names that may be meant, the longest first. Each place once, at
    most MENTIONS_PER_MESSAGE.
    """
    if "@" not in text:  # as most texts: looking for names costs a fifth of storing the message
        return ()
    text = spoken(text)
    found: dict[tuple[str, ...], None] = {}
    for match in _AT.finditer(text):
        if match[0] == "@" and (possible := _names_at(text, match.end())):
            found[possible] = None
            if len(found) == MENTIONS_PER_MESSAGE:
                break
    return tuple(found)


def _names_at(text: str, start: int) -> tuple[str, ...]:
    end = start
    while end < len(text) and end - start < names.MAX_TYPED and _is_of_a_name(text[end]):
        end += 1
    run = text[start:end]
    if run[:1] in names.INSIDE or names.is_mark(run[:1]):
        return ()
    is_whole = end == len(text) or not (_is_of_a_name(text[end]) or text[end] == "@")
    ends = {len(run)} if is_whole else set()
    ends |= {at for at, char in enumerate(run) if char in names.INSIDE}
    if not run.isascii():
        ends |= {match.start() for match in _CUT.finditer(run)}
    possible = dict.fromkeys(
        names.folded(run[:at]) for at in sorted(ends, reverse=True) if at and run[at - 1] not in names.INSIDE
    )
    return tuple(name for name in possible if names.MIN_CHARS <= len(name) <= names.MAX_CHARS)


@lru_cache(maxsize=4096)
def _is_of_a_name(char: str) -> bool:
    """In whatever form it was typed: syllables of Hangul may come as their parts."""
    return "\u1100" <= char <= "\u11ff" or all(map(names.is_name_char, names.stored(char)))
