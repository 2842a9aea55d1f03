"""Whom a text may name: behind each @ the names that may be meant, the longest first."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts import names
from chat.domain.mentions import MENTIONS_PER_MESSAGE, possible_mentions


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        ("hi @Ada and @bob!", ("ada", "bob")),
        ("@ada @ADA", ("ada",)),
        ("mail me@ada.com", ()),
        ("@@ada", ()),
        ("@a", ()),
        ("@ab", ("ab",)),
        ("@" + "x" * 33, ()),
        ("(@ada)", ("ada",)),
        ("@ada_", ("ada",)),
        ("@ada.", ("ada",)),
        (".@ada", ()),
        ("_@ada", ()),
        ("ada@example.org.@bob", ()),
        ("josé@ada.org", ()),
        ("@ada@example.org", ()),
        ("https://example.org/@ada?q=@bob", ()),
        ("HTTPS://EXAMPLE.org/x=(@ada)", ()),
        ("www.example.org/@ada", ()),
        ("https://example.org @ada", ("ada",)),
        ("見て https://example.org/茶、@ada", ("ada",)),
        ("你好@ada", ("ada",)),
        ("“@ada” *@bob*", ("ada", "bob")),
        (" ".join(f"@user{number}" for number in range(30)), tuple(f"user{number}" for number in range(20))),
    ],
)
def test_names_after_an_at_sign_are_mentions(text: str, longest: tuple[str, ...]) -> None:
    assert tuple(possible[0] for possible in possible_mentions(text)) == longest


POSSIBLE = {
    "@ada.lovelace-x.": ("ada.lovelace-x", "ada.lovelace", "ada"),
    "@ada_b2c": ("ada_b2c", "ada"),
    "@adamant": ("adamant",),
    "@adaさん": ("adaさん", "adaさ", "ada"),
    "@太郎さん、": ("太郎さん", "太郎さ", "太郎"),
    "@김민수는 ": ("김민수는", "김민수", "김민"),
    "@เก่ง": ("เก่ง", "เก่"),  # never between a letter and its marks
    "@иван, привет": ("иван",),
    "@иванов": ("иванов",),
    "و@محمد،": ("محمد",),
    "@हिन्दी": ("हिन्दी",),
    "@Straße!": ("strasse",),
    "@JOSE\u0301 ": ("jos\u00e9",),
    "@\uff21\uff24\uff21": ("ada",),
    "@ada’s": ("ada",),
    "@Али'ye": ("али",),
    "@иванivan": ("иванivan", "иван"),
}


@pytest.mark.parametrize(("text", "possible"), POSSIBLE.items(), ids=ascii)
def test_a_name_ends_where_a_word_can_end(text: str, possible: tuple[str, ...]) -> None:
    assert possible_mentions(text) == (possible,)


@pytest.mark.parametrize("text", ["@太", "@", "@ ada", "@\u0301", "@-ada", "@\u200dada", "@" + "a" * 200])
def test_other_signs_name_nobody(text: str) -> None:
    assert possible_mentions(text) == ()


@given(st.text("@ab_.太さกก่김ы\u0301e /:", max_size=60))
def test_law_possible_names_are_folded_bounded_and_each_shorter_than_the_one_before(text: str) -> None:
    found = possible_mentions(text)
    assert len(found) == len(set(found)) <= MENTIONS_PER_MESSAGE
    for possible in found:
        assert list(possible) == sorted(set(possible), key=len, reverse=True)
        for name in possible:
            assert names.folded(name) == name
            assert names.MIN_CHARS <= len(name) <= names.MAX_CHARS
            assert name in names.folded(unicodedata.normalize("NFC", text))


@given(st.sampled_from(["Ada", "ada_b", "Иван", "Ελένη", "田中さん", "김민수", "सीता", "สมชาย", "محمد", "Ẹ́kọ́"]))
def test_law_who_is_named_alone_may_be_meant_in_any_form(name: str) -> None:
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        (possible,) = possible_mentions(f"hi @{unicodedata.normalize(form, name)}!")
        assert possible[0] == names.folded(name)
