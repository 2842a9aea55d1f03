"""What a user name may look like, and when two names are the same or look the same. Pure.

Source: Unicode TS 39 (single script with the augmented sets, skeletons), UAX 15 (NFKC), RFC 5892 (which characters are
letters, digits and marks in living use). The table of look-alikes is made by scripts/confusables.py.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import regex
from idna import idnadata
from idna.intranges import intranges_contain

from accounts.scripts import SCRIPTS

MIN_CHARS, MAX_CHARS = 2, 32
MAX_TYPED = 4 * MAX_CHARS
"""So many characters a name may be sent with: one that is stored as one character may be typed as four."""
LOOKS = 3
"""What a character looks like may look like another one as a small letter, and that like a third: never further."""
INSIDE = "_.-"
RESERVED = frozenset({"system", "you", "here", "channel", "all", "everyone", "admin", "moderator"})
OF_OPERATORS = frozenset({"admin", "moderator"})
"""Reserved names that say what an account may do: who makes one at the machine may choose them, spelled just so."""
RULE = "A name has 2 to 32 letters or digits of one script, and _ . - between them."

_LETTERS = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Nd"})
_REALLY_NAMES = frozenset({"ali", "ail"})
"""They would look like "all" if their i were a capital."""
_WITH_LATIN = (
    r"\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}",  # Japanese
    r"\p{scx=Han}\p{scx=Hangul}",  # Korean
    r"\p{scx=Han}\p{scx=Bopomofo}",  # Chinese
)
_BORROWED = frozenset({"Latin", "Greek", "Cyrillic"})
"""Scripts whose accents are nobody's own in Unicode (Inherited)."""
_STRUCK = frozenset("\u0334\u0335\u0336\u0337\u0338")
"""Strokes through a letter make it another one to the eye, and no orthography needs them."""
_MARKS = regex.compile(r"\p{M}+")
MAX_MARKS = 4
"""On one letter, as TS 39 has it. Of borrowed accents one, beside those that a letter of Unicode has already."""


# -- The same name ------------------------------------------------------------------------------------------------


def stored(name: str) -> str:
    """The form in which a name is stored and shown: NFKC. Its case is kept."""
    return unicodedata.normalize("NFKC", name)


def folded(name: str) -> str:
    """The form in which names are compared: two names with one folded form are one name."""
    if name.isascii():
        return name.lower()
    for _ in range(2):  # folding may bring forth what NFKC puts together, and the other way round
        name = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return name


def could_be(name: str) -> bool:
    """Whether an account could have it, also one from before these rules: else nobody need look for it."""
    return 0 < len(name) <= MAX_TYPED and name.isprintable() and len(folded(name)) <= MAX_CHARS


# -- What a name may look like ------------------------------------------------------------------------------------


def is_well_formed(name: str) -> bool:
    """Whether a new account may have the name, as far as its characters say. Asked of any spelling: it is NFKC's
    form that counts."""
    if not name or len(name) > MAX_TYPED:
        return False
    name = stored(name)
    if len(name) < MIN_CHARS or max(len(name), len(folded(name))) > MAX_CHARS:
        return False
    if name[0] in INSIDE or name[-1] in INSIDE or is_mark(name[0]):
        return False
    return all(map(is_name_char, name)) and _is_one_script(name) and _has_one_kind_of_digits(name)


@lru_cache(maxsize=4096)
def is_name_char(char: str) -> bool:
    """Whether some name may have this character, which is in NFKC."""
    if char.isascii():
        return char.isalnum() or char in INSIDE
    if unicodedata.category(char) == "Nd":
        return True
    return (
        (unicodedata.category(char) in _LETTERS or char == "〇")
        and char not in _STRUCK
        and all(map(_is_in_use, folded(char)))
    )


def is_mark(text: str) -> bool:
    """Whether it begins with a mark, which belongs to the letter before it."""
    return _MARKS.match(text) is not None


def _is_in_use(char: str) -> bool:
    """RFC 5892, PVALID: a letter, digit or mark that is neither a filler nor there for typography alone."""
    return bool(intranges_contain(ord(char), idnadata.codepoint_classes["PVALID"]))


def _is_one_script(name: str) -> bool:
    """TS 39, 5.1 and 5.2: one script, and Latin beside the scripts of Japan, Korea and China."""
    letters = "".join(char for char in name if not (char.isascii() and not char.isalpha()))
    if not letters or letters.isascii():
        return True
    candidates = [script for script in _scripts_of(letters[0]) if _class_of(script).fullmatch(letters)]
    if candidates:
        return any(_has_few_marks(letters, script) for script in candidates)
    return any(_class_of(pattern).fullmatch(letters) is not None for pattern in _WITH_LATIN)


@lru_cache(maxsize=1024)
def _scripts_of(char: str) -> tuple[str, ...]:
    return tuple(script for script in SCRIPTS if regex.fullmatch(rf"\p{{scx={script}}}", char))


@lru_cache(maxsize=64)
def _class_of(script: str) -> regex.Pattern[str]:
    if script in _WITH_LATIN:
        return regex.compile(rf"[{script}\p{{scx=Latin}}]+")
    borrowed = r"\p{scx=Inherited}" if script in _BORROWED else ""
    return regex.compile(rf"[\p{{scx={script}}}{borrowed}]+")


def _has_few_marks(letters: str, script: str) -> bool:
    most = 1 if script in _BORROWED else MAX_MARKS
    if any(len(marks) > most for marks in _MARKS.findall(letters)):
        return False
    apart = _apart(letters)
    return not any(one == other and unicodedata.combining(one) for one, other in pairwise(apart))


def _has_one_kind_of_digits(name: str) -> bool:
    zeros = {ord(char) - unicodedata.digit(char) for char in name if unicodedata.category(char) == "Nd"}
    return len(zeros) <= 1


# -- Names that look the same -------------------------------------------------------------------------------------


def skeleton(name: str) -> str:
    """What a name looks like: two names of which one is not ASCII may not have the same.

    Names with the same skeleton by TS 39 have the same here. Beyond that, since names are the same in either case: a
    letter that looks like one of ASCII as a capital, or as a small letter, counts as that one; and i counts as l, whose
    look its capital has. And i and j have their dot already.
    """
    look = _apart(stored(name))
    for _ in range(LOOKS):
        look = _look(look)
    return re.sub("(?<=[lj])\u0307+", "", look.replace("i", "l"))


def _look(apart: str) -> str:
    """What it looks like by the table, and what that looks like in small letters."""
    shown = _apart("".join(_PROTOTYPES.get(char, char) for char in apart))
    return _apart("".join(_OTHER_CASE.get(char, char) for char in shown).casefold().lower())


def are_confusable(one: str, other: str) -> bool:
    """Whether these two can't both be names of accounts."""
    if folded(one) == folded(other):
        return True
    return not (one.isascii() and other.isascii()) and skeleton(one) == skeleton(other)


def is_reserved(name: str, *, by_operator: bool = False) -> bool:
    """Whether it is one of RESERVED, or looks like one. `by_operator`: somebody makes the account at the machine."""
    own = folded(name)
    if own in _REALLY_NAMES or (by_operator and own in OF_OPERATORS):
        return False
    return skeleton(name) in _RESERVED_SKELETONS


def _apart(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _prototypes() -> dict[str, str]:
    """Character → what it looks like, of the table of TS 39."""
    found: dict[str, str] = {}
    for line in Path(__file__).with_name("confusables.txt").read_text("ascii").splitlines():
        if not line.startswith("#"):
            looks_like, chars = line.split(": ")
            text = "".join(chr(int(each, 16)) for each in looks_like.split())
            found.update({chr(int(each, 16)): text for each in chars.split()})
    return found


def _other_case(prototypes: dict[str, str]) -> dict[str, str]:
    """What characters look like that is not ASCII → what one of them looks like in the other case, if that is."""
    found: dict[str, str] = {}
    for char in sorted({*prototypes, *prototypes.values()}):
        own, other = prototypes.get(char, char), prototypes.get(char.swapcase(), char.swapcase())
        is_one_letter = len(own) == 1 and own.isalpha() and not own.isascii()
        if is_one_letter and len(char.swapcase()) == 1 and other.isascii() and other.isalnum():
            found.setdefault(own, other)
    return found


_PROTOTYPES = _prototypes()
_OTHER_CASE = _other_case(_PROTOTYPES)
_RESERVED_SKELETONS = frozenset(map(skeleton, RESERVED))
