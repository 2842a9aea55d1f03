"""Emoji: which text is one, and the one spelling of it that is stored, compared and shown.

The same picture can be written with and without U+FE0F (show it as a picture) and U+FE0E (as text): keyboards, old
clients and copied text differ. Spellings are those of Unicode's emoji-test.txt, "fully-qualified". Pure; the properties
come from the package regex, which knows younger ones than Python.
Source: UTS 51, 1.4.9 (EBNF and regex) and 2.
"""

from __future__ import annotations

import functools

import regex

_AS_PICTURE, _AS_TEXT = "\ufe0f", "\ufe0e"
_ONE = regex.compile(
    r"""
      \p{RI}\p{RI}                                                  # a flag
    | [0-9\#*]\u20E3                                                # a keycap
    | \p{Emoji}(?:\p{EMod}|[\U000E0020-\U000E007E]+\U000E007F)?     # with a skin tone; a flag of a region
      (?:\u200D\p{Emoji}\p{EMod}?)*                                 # families, professions
    """,
    regex.VERBOSE,
)
_NEEDS_MARK = regex.compile(r"(?!\p{Emoji_Presentation})\p{Emoji}(?!\p{EMod})")


@functools.lru_cache(maxsize=4_096)
def emoji_spelled(text: str) -> str | None:
    """The one spelling of an emoji; None: the text is none, or more than one."""
    bare = text.replace(_AS_PICTURE, "").replace(_AS_TEXT, "")
    # Digits, # and * have the property for the sake of keycaps.
    if bare.isascii() or _ONE.fullmatch(bare) is None:
        return None
    return str(_NEEDS_MARK.sub(lambda found: found[0] + _AS_PICTURE, bare))
