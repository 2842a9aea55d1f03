"""What a search looks for, in which texts it is found and where, and that the index never knows less than the texts."""

from __future__ import annotations

import unicodedata
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.domain import search
from chat.domain.search import (
    MARK,
    QUERY_CHARS,
    found_in,
    has_link,
    is_rough,
    lexemes,
    marks_of,
    may_answer,
    needles_of,
    parsed,
    pieces_of,
)
from reaktor.errors import InvalidError

OF_ALL_SCRIPTS = """
    tea TEA teapot café cafe\u0301 Straße e-mail ｔｅａ 북경에서 北京 北京大学 大 黒猫が コーヒー ｺｰﾋｰ กรุงเทพ หมา
    မြန်မာ ພາສາ ភាសា чай ЧАЙ τσάι चाय شاي 🍵 https://tea.example/pot don't 3.14
"""
WORDS = [*OF_ALL_SCRIPTS.split(), "x" * 50]
texts = st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=8).map(" ".join) | st.lists(
    st.sampled_from(WORDS) | st.text(max_size=3), max_size=8
).map("".join)
asked = st.lists(
    st.builds(
        lambda without, word, how: f"{without}{how.format(word)}",
        st.sampled_from(["", "", "", "-"]),
        st.sampled_from(WORDS) | st.text(max_size=4),
        st.sampled_from(["{}", "{}", '"{}"', "{}*", '"{} tea"']),
    ),
    max_size=4,
).map(" ".join)


def is_asked(query: str) -> search.Query | None:
    try:
        return parsed(query)
    except InvalidError:
        return None


@given(texts, asked)
def test_what_a_text_answers_its_lexemes_answer(text: str, query: str) -> None:
    """The index may find too much, and never too little."""
    wanted = is_asked(query)
    if wanted is None or found_in(text, wanted) is None:
        return
    known, (needles, barred) = lexemes(text), needles_of(wanted)
    for needle in needles:
        assert any(each.startswith(needle.lexeme) if needle.is_prefix else each == needle.lexeme for each in known)
    assert not known & set(barred)


@given(texts, asked)
def test_what_a_text_answers_it_may_answer(text: str, query: str) -> None:
    wanted = is_asked(query)
    if wanted is not None and found_in(text, wanted) is not None:
        assert may_answer(text, wanted)


@given(texts, asked)
def test_highlights_are_parts_of_the_text_in_order(text: str, query: str) -> None:
    wanted = is_asked(query)
    places = found_in(text, wanted) if wanted is not None else None
    ends = [end for place in places or [] for end in place]
    assert ends == sorted(ends)
    assert all(0 <= start < end <= len(text) for start, end in places or [])


@given(texts)
def test_a_text_is_found_by_each_of_its_pieces(text: str) -> None:
    for piece in pieces_of(text)[:40]:
        query = is_asked(f'"{text[piece.start : piece.end]}"')
        if query is not None and query.terms:
            places = found_in(text, query)
            assert places is not None
            assert any(start <= piece.start and piece.end <= end for start, end in places)


@given(st.text(max_size=30))
def test_lexemes_are_no_marks_and_fit(text: str) -> None:
    for lexeme in lexemes(text):
        assert 0 < len(lexeme) <= search.LEXEME_CHARS
        assert not lexeme.startswith(MARK)
        assert " " not in lexeme


@given(st.text(max_size=30))
def test_the_forms_of_a_text_are_one_text(text: str) -> None:
    """How a keyboard or a system spells a character makes no difference."""
    assert lexemes(unicodedata.normalize("NFD", text)) == lexemes(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("text", "query", "places"),
    [
        ("Hello World", "world", [[6, 11]]),
        ("Hello World", "worl", None),
        ("Hello World", "worl*", [[6, 11]]),
        ("Un CAFÉ", "cafe", [[3, 7]]),
        ("Die Straße", "STRASSE", [[4, 10]]),
        ("ｔｅａ!", "tea", [[0, 3]]),
        ("我们在北京大学学习", "北京", [[3, 5]]),
        ("我们在北京大学学习", "京大", [[4, 6]]),
        ("我们在北京大学学习", "北大", None),
        ("北, 京", "北京", None),
        ("黒猫が", "猫", [[1, 2]]),
        ("ここに猫", "猫", [[3, 4]]),
        ("ｺｰﾋｰを飲む", "コーヒー", [[0, 4]]),
        ("서울에서 만나", "서울", [[0, 2]]),
        ("กรุงเทพมหานคร", "เทพ", [[4, 7]]),
        ("မြန်မာစာ", "မာ", [[4, 6]]),
        ("ភាសាខ្មែរ", "ខ្មែរ", [[4, 9]]),
        ("ພາສາລາວ", "ລາວ", [[4, 7]]),
        ("हिन्दी चाय", "चाय", [[7, 10]]),
        ("ЧАЙ", "чай", [[0, 3]]),
        ("green tea pot", '"tea pot"', [[6, 13]]),
        ("green tea, pot", '"tea pot"', [[6, 14]]),
        ("pot of tea", '"tea pot"', None),
        ("pot of tea", "tea pot", [[0, 3], [7, 10]]),
        ("pot of tea", "tea -pot", None),
        ("pot of tea", '-"tea pot" tea', [[7, 10]]),
        ("an e-mail", "e-mail", [[3, 9]]),
        ("an e mail", "e-mail", [[3, 9]]),
        ("mail", "e-mail", None),
        ("tea tea", "tea", [[0, 3], [4, 7]]),
        ("x" * 50, "x" * 50, [[0, 50]]),
        ("x" * 50, "x" * 49 + "y", None),
        ("tea", "🍵 tea", [[0, 3]]),
        ("tea", "“tea”", [[0, 3]]),
    ],
)
def test_what_is_found_where(text: str, query: str, places: list[list[int]] | None) -> None:
    assert found_in(text, parsed(query)) == places


@pytest.mark.parametrize(
    "query", ["a" * (QUERY_CHARS + 1), " ".join(f"w{number}" for number in range(13)), "a*", "京" * 65]
)
def test_a_query_has_bounds(query: str) -> None:
    with pytest.raises(InvalidError):
        parsed(query)


@pytest.mark.parametrize(
    ("query", "is_so"),
    [
        ("tea pot", False),
        ('"tea pot"', True),
        ("e-mail", True),
        ("te*", False),
        ("北京", False),
        ("北京大", True),
        ("大", False),
        ('tea -"tea pot"', False),
    ],
)
def test_an_index_without_order_finds_more_than_answers_a_phrase(query: str, is_so: bool) -> None:
    assert is_rough(parsed(query)) is is_so


@pytest.mark.parametrize("query", ["", "-", '""', "🍵", "... !?", "*", '"'])
def test_nothing_to_look_for_is_no_term(query: str) -> None:
    assert parsed(query).terms == ()


def test_marks_say_where_by_whom_when_and_what_else_there_is() -> None:
    author = "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a69"
    at = uuid.UUID(int=(5 << 25) << 80)
    marks = marks_of(at, 11, author, "see https://tea.example")
    assert search.channel_mark(11) in marks
    assert search.author_mark(author) in marks
    assert search.time_mark(1, 5 << 25) in marks
    assert search.LINK_MARK in marks
    assert search.LINK_MARK not in marks_of(at, 11, author, "see https:// alone")
    assert search.FILE_MARK not in marks
    assert search.FILE_MARK in marks_of(at, 11, author, "", has_files=True)
    assert all(mark.startswith(MARK) for mark in marks)
    assert not has_link("tea.example")
