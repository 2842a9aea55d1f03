"""The word filter: whole words, where there are blanks to make them whole and where there are none."""

from __future__ import annotations

import pytest

from chat.domain.words import WordFilter

WORDS = WordFilter.of(reject=["spam", "垃圾", "スパム", "สแปม", "스팸", "dog sitter", "café", "c++"])


@pytest.mark.parametrize(
    "text",
    [
        "SPAM!",
        "这是垃圾信息",
        "これはスパムです",
        "นี่คือสแปมนะ",
        "스팸은",
        "你spam好",
        "垃spam",
        "a dog sitter.",
        "ｓｐａｍ",
        "cafe\u0301",
        "ᄉ\u1173팸 스팸",
        "use c++",
    ],
)
def test_a_word_is_found_whole_in_any_script(text: str) -> None:
    """A word of a script without blanks was found only where it stood alone, and so was a Latin one beside them."""
    assert WORDS.rejects(text)


@pytest.mark.parametrize("text", ["spammer", "éspam", "espam", "1spam", "spam_", "dog sitters", "c++x", "垃 圾"])
def test_a_part_of_a_word_is_not_found(text: str) -> None:
    assert not WORDS.rejects(text)
