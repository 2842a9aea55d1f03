"""The rule for names: which are possible, which are one name, which look the same."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from accounts import names

ANY = st.text(st.characters(exclude_categories=()), max_size=12)
SCRIPTS = (
    "abcxyzABCilmIL01ßéėñỳÅİıſ", "абвгдежзиклмнорстухАВЕКМНОРСТХіј", "αβγικνορςστυΑΒΕΖΗΙΚΜΝΟΡΤΥΧΐ",
    "אבגדהוּשׁ", "ابتثجحدذرزعغفكلمنهويَُِّ٠١٢", "ऀँंअआइईकखगघनमयरलिीु्", "กขคงจชนมยรลาิีุ่้",
    "漢字田中二口工一", "かたなひらヘへベべカ力ー",
    "김민수은는가", "აბგდე", "𐓀𐓁𐓨𞤀𞤢",
)  # fmt: skip
LIKELY = st.sampled_from(SCRIPTS).flatmap(lambda chars: st.text(chars + "ab12_.-", min_size=2, max_size=10))
WRITTEN = st.one_of(ANY, LIKELY)
NAMES = LIKELY.filter(names.is_well_formed)

NATURAL = (
    "ab", "Ada", "ada_lovelace", "a.b-c", "007", "Иван", "Ёлка", "Ελένη", "Ἀθηνᾶ",
    "מֹשֶׁה", "שלום-12", "محمد", "مُحَمَّد", "علی۱۲",
    "田中さん", "タナカ", "アリー", "田中Taro", "김민수", "김Min", "王小明", "佐々木", "〇七",
    "हिन्दी", "प्रिया", "தமிழ்", "สมชาย", "กิ๊ก", "ខ្មែរ", "བསྒྲུབས", "ကျော်စွာ",
    "Nguyễn", "José", "Strauß", "Ẹ́kọ́", "İpek", "ısık", "Œuvre", "სოფო", "ሰላም",
    "\U000104b0\U000104b1",  # Osage, beyond the BMP
    "\U000104b0" * 32,
)  # fmt: skip


@pytest.mark.parametrize("name", NATURAL, ids=ascii)
def test_people_have_names_in_every_script(name: str) -> None:
    assert names.is_well_formed(name)
    assert names.is_well_formed(unicodedata.normalize("NFD", name))
    assert names.could_be(name)
    assert not names.is_reserved(name)


NASTY = {
    "Cyrillic a before Latin": "\u0430dmin",
    "two Cyrillic letters": "\u0440\u0430ypal",
    "Greek omicron": "g\u03bfogle",
    "Han, Latin and Cyrillic": "\u6f22a\u0436",
    "Hebrew and Latin": "\u05e9alom",
    "Thai and Latin": "\u0e01aa",
    "Devanagari vowel sign on Latin": "a\u093e",
    "zero width joiner": "ad\u200da",
    "zero width non-joiner": "ad\u200ca",
    "zero width space": "ad\u200ba",
    "soft hyphen": "ad\u00ada",
    "right-to-left override": "\u202eada",
    "isolate": "\u2066ada\u2069",
    "variation selector": "ada\ufe0f",
    "tag character": "ada\U000e0061",
    "Hangul filler": "\u3164\u3164",
    "Hangul choseong filler": "\u115f\u1160",
    "Khmer inherent vowel": "\u1780\u17b4\u1780",
    "combining grapheme joiner": "a\u034fb",
    "tatweel": "\u0645\u062d\u0640\u0645\u062f",
    "control": "ad\x07a",
    "NUL": "ad\x00a",
    "half a character": "ad\ud800a",
    "private use": "ad\ue000a",
    "no character": "ad\uffffa",
    "emoji": "ada\U0001f600",
    "blank": "a da",
    "ideographic space": "\u7530\u3000\u4e2d",
    "a stroke through": "a\u0338b",
    "the same mark twice": "x\u0301\u0301",
    "a heap of marks": "e\u0302\u0303\u0301\u0304",
    "five marks of Hebrew": "\u05e9\u05b0\u05b1\u05b2\u05b3\u05b4",
    "an enclosing mark": "a\u20ddb",
    "a mark first": "\u0301ada",
    "a stop first": ".ada",
    "a line last": "ada_",
    "a hyphen last": "ada-",
    "one character": "a",
    "33 characters": "a" * 33,
    "33 characters when folded": "\u00df" * 16 + "a",
    "33 beyond the BMP": "\U000104b0" * 33,
    "endless": "a" * 100_000,
    "nothing": "",
    "two kinds of digits": "\u0661\u06621",
    "Arabic and Persian digits": "\u0661\u06f1",
    "a fullwidth full stop first": "\uff0eada",
    "a ligature that is many words": "\ufdfa",
    "punctuation of Han": "\u7530\u3001\u4e2d",
    "a slash": "a/b",
    "an at sign": "a@b",
    "a line break last": "ada\n",
}


@pytest.mark.parametrize("name", NASTY.values(), ids=NASTY.keys())
def test_what_nobody_could_tell_apart_or_type_is_no_name(name: str) -> None:
    assert not names.is_well_formed(name)


STORED = {
    "\uff21\uff44\uff41": "Ada",
    "\U0001d400\U0001d41d\U0001d41a": "Ada",
    "\u24d0\u24d1": "ab",
    "e\u0301va": "\u00e9va",
    "\uff76\uff9e\uff93": "\u30ac\u30e2",
    "\u212aelvin": "Kelvin",
    "\u1112\u1161\u11ab\u1100\u1173\u11af": "\ud55c\uae00",
}


@pytest.mark.parametrize(("typed", "stored"), STORED.items(), ids=ascii)
def test_a_name_is_stored_in_one_form_and_keeps_its_case(typed: str, stored: str) -> None:
    assert names.is_well_formed(typed)
    assert names.stored(typed) == stored


ONE_NAME = (
    ("Ada", "aDA"), ("Straße", "STRASSE"), ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"), ("ΐΐ", "Ϊ́Ϊ́"), ("Иван", "ИВАН"), ("É", "e\u0301"),
    ("\uff41da", "ADA"), ("\u212aa", "ka"), ("\u13a0\u13a1", "\uab70\uab71"), ("\U00010428a", "\U00010400A"),
)  # fmt: skip


@pytest.mark.parametrize(("one", "other"), ONE_NAME, ids=ascii)
def test_case_and_form_do_not_tell_two_names_apart(one: str, other: str) -> None:
    assert names.folded(one) == names.folded(other)
    assert names.are_confusable(one, other)


LOOK_ALIKE = (
    ("scope", "\u0455\u0441\u043e\u0440\u0435"), ("paypal", "\u0440\u0430\u0443\u0440\u0430\u04cf"),
    ("bob", "\u0412\u041e\u0412"),  # as capitals alone: names are the same in either case
    ("nik", "\u039d\u0399\u039a"), ("ia", "\u0399\u0391"),
    ("ali", "ali\u0307"), ("ali", "al\u0131"), ("ali", "al\u0130"),
    ("\u4e8c\u4e8c", "\u30cb\u30cb"), ("\u53e3\u53e3", "\u30ed\u30ed"), ("\u0430\u0441", "ac"),
    ("\u0665\u0665", "oo"), ("\u03bf\u03bf", "\u043e\u043e"),
)  # fmt: skip


@pytest.mark.parametrize(("one", "other"), LOOK_ALIKE, ids=ascii)
def test_names_that_look_the_same_are_confusable(one: str, other: str) -> None:
    assert names.folded(one) != names.folded(other)
    assert names.are_confusable(one, other)
    assert names.are_confusable(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ali", "all"), ("rn", "m"), ("0l", "oI"), ("José", "Jose"), ("Müller", "Muller"), ("мир", "mir")],
)
def test_names_in_ascii_may_look_alike_and_accents_tell_apart(one: str, other: str) -> None:
    assert not names.are_confusable(one, other)


RESERVED_ALIKE = (
    "admin", "Admin", "adm1n", "ADMlN", "admln", "adm\u0131n", "ADM\u0130N", "\uff41dmin", "syst\u0435m",
    "\u0455\u0443\u0455\u0442\u0435\u043c", "a11", "aII", "ALL", "\u03b1ll", "moderat0r", "rnoderator", "\u0443ou",
    "h\u0435re", "\u043d\u0435\u0433\u0435", "channe1", "\u0435v\u0435ryon\u0435", "\u0391\u0399\u0399",
)  # fmt: skip


@pytest.mark.parametrize("name", RESERVED_ALIKE, ids=ascii)
def test_reserved_names_and_their_look_alikes(name: str) -> None:
    assert names.is_reserved(name)


@pytest.mark.parametrize(
    "name", ["Ali", "ali", "ALI", "ail", "administrator", "allan", "your", "where", "root", "hero"]
)
def test_other_names_are_not_reserved(name: str) -> None:
    assert not names.is_reserved(name)


def test_who_makes_an_administrator_at_the_machine_may_call_it_so() -> None:
    for name in ("admin", "Admin", "MODERATOR"):
        assert not names.is_reserved(name, by_operator=True)
    for name in ("adm1n", "\u0430dmin", "system", "everyone", "all"):
        assert names.is_reserved(name, by_operator=True)


@given(WRITTEN)
def test_law_folding_again_changes_nothing(text: str) -> None:
    assert names.folded(names.folded(text)) == names.folded(text)
    assert names.folded(names.stored(text)) == names.folded(text)


@given(WRITTEN)
def test_law_what_passes_survives_being_stored(text: str) -> None:
    assume(names.is_well_formed(text))
    stored = names.stored(text)
    assert names.is_well_formed(stored)
    assert unicodedata.normalize("NFKC", stored) == stored
    assert names.could_be(text)
    assert names.could_be(stored)
    assert names.MIN_CHARS <= len(stored) <= names.MAX_CHARS
    assert len(names.folded(stored)) <= names.MAX_CHARS
    assert stored.isprintable()


@given(WRITTEN, WRITTEN)
def test_law_confusable_says_the_same_in_both_directions(one: str, other: str) -> None:
    assert names.are_confusable(one, other) == names.are_confusable(other, one)
    assert names.are_confusable(one, one)


@given(st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=12))
def test_law_case_does_not_change_what_an_ascii_name_looks_like(name: str) -> None:
    assert names.skeleton(name.upper()) == names.skeleton(name.lower())


@given(NAMES)
def test_law_a_skeleton_looks_like_itself(name: str) -> None:
    assert names.skeleton(names.skeleton(name)) == names.skeleton(name)


@given(st.data())
def test_law_what_looks_the_same_by_the_table_has_the_same_skeleton(data: st.DataObject) -> None:
    """TS 39's own skeletons are finer than ours: whatever they call the same is the same here."""
    name = data.draw(NAMES)
    apart = unicodedata.normalize("NFD", names.stored(name))
    replaced = "".join(
        data.draw(st.sampled_from([char, names._PROTOTYPES.get(char, char)])) if char.isalpha() else char
        for char in apart
    )
    assert names.skeleton(replaced) == names.skeleton(name)


def test_the_look_of_each_character_of_the_table_looks_like_itself_and_like_what_the_table_says() -> None:
    """Of those that are looked at apart from their marks: TS 39 takes letters apart before it looks."""
    apart = {char: look for char, look in names._PROTOTYPES.items() if unicodedata.normalize("NFD", char) == char}
    assert len(apart) > 1_500
    for char, looks_like in apart.items():
        look = names.skeleton(char)
        assert names.skeleton(look) == look == names.skeleton(looks_like), hex(ord(char))


def test_every_character_of_a_name_is_one_by_itself() -> None:
    """What a mention is cut from (chat.domain.mentions) goes by single characters."""
    assert all(names.is_name_char(char) for name in NATURAL for char in names.stored(name))
