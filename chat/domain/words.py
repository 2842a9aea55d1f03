"""The word filter: words that messages must not have, and words that get them looked at.

Whole words in upper or lower case; accents and look-alikes are no concern of it (a determined person gets by: people
moderate, the filter only helps them). Pure; chat.posting.textrules reads the words and keeps them compiled.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WordFilter:
    """Compiled rules; None where there are none of a kind."""

    rejected: re.Pattern[str] | None = None
    flagged: re.Pattern[str] | None = None

    @classmethod
    def of(cls, *, reject: Iterable[str] = (), flag: Iterable[str] = ()) -> WordFilter:
        """From the words (or phrases) of each kind."""
        return cls(_pattern(reject), _pattern(flag))

    def rejects(self, text: str) -> bool:
        return self.rejected is not None and self.rejected.search(text) is not None

    def flagged_word(self, text: str) -> str | None:
        """The first word in the text that gets it looked at."""
        found = self.flagged.search(text) if self.flagged is not None else None
        return found.group(0) if found else None


NO_WORDS = WordFilter()


def _pattern(words: Iterable[str]) -> re.Pattern[str] | None:
    # The longest first, so that a phrase is named and not the word it begins with.
    escaped = [re.escape(word) for word in sorted(set(words), key=lambda word: (-len(word), word)) if word]
    return re.compile(rf"(?<!\w)(?:{'|'.join(escaped)})(?!\w)", re.IGNORECASE) if escaped else None
