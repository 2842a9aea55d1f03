"""What Unicode says of characters, as far as rules depend on it: which can be seen, which change direction, which
scripts have no blanks between words; and texts as they are compared in a search. Pure.

The properties come from the package regex, which knows younger ones than Python.
"""

from __future__ import annotations

import unicodedata

import regex

_UNSEEN = regex.compile(
    # Blanks, controls, what Unicode itself says to ignore (joiners, fillers, tags, variation selectors, soft hyphen),
    # and two characters that are drawn as nothing: the empty Braille pattern and the empty note head.
    r"[\s\p{Cc}\p{Zs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\U0001D159]*"
)
_TURNS = regex.compile("[\u202a-\u202e\u2066-\u2069]")
_LETTERS_WITH_MARKS = regex.compile(r"([\p{Latin}\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}])\p{Mn}+")

SPACELESS = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}\p{Yi}"
    r"\p{Javanese}\p{Balinese}"
)
"""For a character class: scripts that write words without blanks between them, or (Hangul) glue particles to them."""


def is_unseen(text: str) -> bool:
    """Whether nobody could see anything of it."""
    return _UNSEEN.fullmatch(text) is not None


def without_turns(text: str) -> str:
    """Without what turns the direction of writing: in a name it would turn what stands around the name, too."""
    return str(_TURNS.sub("", text))


def folded(text: str) -> str:
    """As texts are compared in a search: without case, accents, and differences of form (half and full width, …)."""
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    # In other scripts marks are vowels: without them another word is meant.
    return unicodedata.normalize("NFC", str(_LETTERS_WITH_MARKS.sub(r"\1", apart)))
