"""The word filter: words that messages must not have, and words that get them looked at.

Whole words in upper or lower case, in any Unicode form. In scripts without blanks between words a word is found
wherever it stands, and one in another script is whole beside them. Accents and look-alikes are no concern of the filter
(a determined person gets by: people moderate, it only helps them). Pure; chat.posting.textrules keeps it compiled.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import regex

from reaktor.scripts import SPACELESS


@dataclass(frozen=True, slots=True)
class WordFilter:
    """Compiled rules; None where there are none of a kind."""

    rejected: regex.Pattern[str] | None = None
    flagged: regex.Pattern[str] | None = None

    @classmethod
    def of(cls, *, reject: Iterable[str] = (), flag: Iterable[str] = ()) -> WordFilter:
        """From the words (or phrases) of each kind."""
        return cls(_pattern(reject), _pattern(flag))

    def rejects(self, text: str) -> bool:
        return self.rejected is not None and self.rejected.search(_form(text)) is not None

    def flagged_word(self, text: str) -> str | None:
        """The first word in the text that gets it looked at."""
        found = self.flagged.search(_form(text)) if self.flagged is not None else None
        return found.group(0) if found else None


NO_WORDS = WordFilter()


_SPACED = rf"[[\w]--[{SPACELESS}]]"
_NO_SPACED_BEFORE, _NO_SPACED_AFTER = rf"(?<!{_SPACED})", rf"(?!{_SPACED})"
_SPACELESS = regex.compile(f"[{SPACELESS}]")


def _form(text: str) -> str:
    return unicodedata.normalize("NFKC", text)


def _pattern(words: Iterable[str]) -> regex.Pattern[str] | None:
    # The longest first, so that a phrase is named and not the word it begins with.
    formed = {_form(word) for word in words}
    found = [_whole(word) for word in sorted(formed, key=lambda word: (-len(word), word)) if word]
    return regex.compile("|".join(found), regex.IGNORECASE | regex.V1) if found else None


def _whole(word: str) -> str:
    """The word as a pattern, bounded on the sides where its own script is one with blanks, or no script at all."""
    before = "" if _SPACELESS.match(word[0]) else _NO_SPACED_BEFORE
    after = "" if _SPACELESS.match(word[-1]) else _NO_SPACED_AFTER
    return f"{before}{regex.escape(word, special_only=True)}{after}"
