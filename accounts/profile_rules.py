"""What a display name and a status may look like. Checks return the text to store, or raise InvalidError.

One line, of what one can see: nothing that hides, turns the direction of writing, or stands for nothing. A joiner is
taken where it joins, as in emoji and in Persian.
"""

from __future__ import annotations

import unicodedata

import regex

from accounts import names
from reaktor.errors import InvalidError
from reaktor.scripts import folded, is_unseen
from reaktor.why import Why

DISPLAY_NAME_CHARS = 64
STATUS_CHARS = 100
SERVER_NAME_CHARS = 80
RESERVED = frozenset(names.skeleton(name) for name in names.RESERVED | {"administrator"})
"""Who is shown so would be taken for the server, or for somebody in charge: what these names look like."""

_BLANKS = regex.compile(r"[\p{Zs}\t]+")
_UNSEEN = regex.compile(
    # Controls, formats, halves of pairs, line ends, and letters that are drawn as nothing.
    r"[[\p{C}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\U0001D159]--[\u200c\u200d]]",
    flags=regex.V1,
)
_LOOSE_JOINER = regex.compile(r"(?<![^\s\u200c\u200d])[\u200c\u200d]|[\u200c\u200d](?![^\s\u200c\u200d])")
_LATIN_JOINER = regex.compile(r"\p{Latin}[\u200c\u200d]+\p{Latin}")
_MARKS = regex.compile(r"\p{M}{5}")
_NO_LETTERS = regex.compile(r"[^\p{L}\p{N}]")
_DIGITS = str.maketrans("01345|", "oleasi")
"""Digits that people write for letters."""


def check_display_name(name: str) -> str:
    """Trimmed, at most 64 characters; "" for none."""
    shown = _one_line(name, "display_name", DISPLAY_NAME_CHARS)
    if names.skeleton(_letters(shown)) in RESERVED:
        raise InvalidError("That name is reserved.", fields={"display_name": "reserved"}, why=Why.DISPLAY_NAME_TAKEN)
    return shown


def check_status(text: str) -> str:
    """Trimmed, at most 100 characters; "" for none."""
    return _one_line(text, "status_text", STATUS_CHARS)


def check_server_name(name: str) -> str:
    """What a server is called: trimmed, at most 80 characters; "" for its usual name."""
    return _one_line(name, "name", SERVER_NAME_CHARS)


def _one_line(text: str, field: str, most: int) -> str:
    shown = unicodedata.normalize("NFC", _BLANKS.sub(" ", text)).strip()
    if len(shown) > most:
        raise _wrong(field, f"at most {most} characters")
    if _UNSEEN.search(shown) or _LOOSE_JOINER.search(shown) or _LATIN_JOINER.search(shown):
        raise _wrong(field, "a character that nobody sees, or that turns the others around")
    if _MARKS.search(shown):
        raise _wrong(field, "too many marks on one letter")
    if shown and is_unseen(shown):
        raise _wrong(field, "nothing that one could see")
    return shown


def _letters(shown: str) -> str:
    """Without what stands around and between them."""
    return _NO_LETTERS.sub("", folded(shown)).translate(_DIGITS)


def _wrong(field: str, what: str) -> InvalidError:
    return InvalidError(f"That can't be shown: {what}.", fields={field: what}, why=Why.NOT_TO_BE_SHOWN)
