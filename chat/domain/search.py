"""Search, without a database: how a text is folded and cut, what somebody looks for, and whether a text answers it.

The index of both databases holds what lexemes() makes of a text. Whatever an index finds, found_in() asks the text
itself, so an index that is behind, or knows less than the text (no order of words), never shows anything wrong. Pure.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple, NotRequired, TypedDict

import regex

from chat.domain.events import MessageData
from chat.domain.mentions import spoken
from chat.domain.rules import parse_channel_key
from reaktor.errors import InvalidError
from reaktor.scripts import SPACELESS, folded
from reaktor.times import parse_timestamp
from reaktor.why import Why

QUERY_CHARS = 256
MAX_TERMS = 12
MAX_PIECES = 64
PREFIX_CHARS = 2
"""The shortest beginning of a word that is looked for: a single letter would be in nearly every text."""
LEXEME_CHARS = 40
"""Of a longer word its beginning stands in the index."""
TEXT_LEXEMES = 5_000
"""Of one text; with LEXEME_CHARS that is within the megabyte that a tsvector may have."""
MAX_HIGHLIGHTS = 100
CURSOR = "^[0-9a-f]{1,32}"
HAS = ("file", "link")
"""What a message can be asked to have."""
MARK = "\ue000"
"""Begins what the index says of a message beside its words. It is of private use, so no word has it."""

_APART = rf"{SPACELESS}\u30fc"
"""The long vowel of kana belongs to no script of its own."""
_PIECE = regex.compile(rf"(?V1)[{_APART}]\p{{M}}*|[[\p{{L}}\p{{N}}\p{{M}}]--[{_APART}]]+")
_IS_APART = regex.compile(rf"[{_APART}]")
_CLUSTER = regex.compile(r"\X")
_COMBINES = regex.compile(r"[\p{M}\p{Grapheme_Extend}\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff]")
"""What may become one with the character before it."""
_TERM = regex.compile(r'(?P<without>-?)(?:["“”„](?P<phrase>[^"“”„]*)["“”„]?|(?P<word>[^\s"“”„]+))')
_LINK = regex.compile(r"https?://[^\s/?#@]++(?!@)|\]\(mailto:[^\s()]", regex.IGNORECASE)
"""An address that has a user name in it is read as another host than it is: clients make no link of it."""


class Piece(NamedTuple):
    """A word of a text, or one character of a script without blanks, folded; where it stands, in code points.

    `is_character`: it is such a character; `follows`: with nothing between it and the character before.
    """

    text: str
    start: int
    end: int
    is_character: bool
    follows: bool


class Needle(NamedTuple):
    """What the index is asked for: a lexeme, or all that begin so."""

    lexeme: str
    is_prefix: bool = False


class Term(NamedTuple):
    """One thing that somebody looks for: pieces that stand one behind the other. `is_without`: that must not stand."""

    pieces: tuple[Piece, ...]
    is_prefix: bool
    is_without: bool


class Query(NamedTuple):
    """What a text is to have, and what not."""

    terms: tuple[Term, ...] = ()

    @property
    def wanted(self) -> list[Term]:
        return [term for term in self.terms if not term.is_without]


class SearchChannel(TypedDict):
    """Where a found message stands."""

    key: str
    name: str
    kind: str


class HitData(TypedDict):
    """A found message; `highlights`: from and to (exclusive) of what was looked for, in code points of its text."""

    message: MessageData
    channel: SearchChannel
    highlights: list[list[int]]


class HitsData(TypedDict):
    """A page, newest first. `next`: null at the end; a page may be short, or empty, and still have a next one."""

    results: list[HitData]
    next: str | None


class Filters(TypedDict):
    """What a search may be narrowed to, beside its words."""

    channel: NotRequired[str]
    author: NotRequired[str]
    before: NotRequired[datetime]
    after: NotRequired[datetime]
    has: NotRequired[str]
    thread: NotRequired[str]


def filters_of(asked: Mapping[str, str | None]) -> Filters:
    """From what a client gives: in, from, before, after, has, thread. Raises InvalidError."""
    found: Filters = {}
    if (channel := asked.get("in")) is not None:
        found["channel"] = parse_channel_key(channel)
    if (author := asked.get("from")) is not None:
        found["author"] = author
    if (before := asked.get("before")) is not None:
        found["before"] = _time("before", before)
    if (after := asked.get("after")) is not None:
        found["after"] = _time("after", after)
    if (has := asked.get("has")) is not None:
        found["has"] = has
    if (thread := asked.get("thread")) is not None:
        found["thread"] = thread
    return found


def _time(name: str, text: str) -> datetime:
    try:
        return parse_timestamp(text)
    except (ValueError, OverflowError):
        raise InvalidError(f"{name} is a time or a day.", fields={name: "a time or a day, as 2026-01-31"}) from None


# -- Texts ----------------------------------------------------------------------------------------------------------


def pieces_of(text: str) -> list[Piece]:
    """The text, cut."""
    plain, places = _folded(text)
    found: list[Piece] = []
    before = -1
    for match in _PIECE.finditer(plain):
        start, end = match.span()
        is_character = _IS_APART.match(plain, start) is not None
        first, last = (start, end) if places is None else (places[start][0], places[end - 1][1])
        found.append(Piece(match.group(), first, last, is_character, is_character and before == start))
        before = end if is_character else -1
    return found


class _Table(dict[int, str]):
    """Each character folded, for str.translate(): ten times as fast as one cluster after the other."""

    def __missing__(self, code: int) -> str:
        if len(self) > _TABLE_CHARS:
            self.clear()
        return self.setdefault(code, folded(chr(code)))


_TABLE_CHARS = 20_000
_FOLDED = _Table()


def _folded(text: str) -> tuple[str, list[tuple[int, int]] | None]:
    """(the folded text, where each character of it comes from); None: each from its own place."""
    if text.isascii():
        return text.lower(), None
    if _COMBINES.search(text) is None:
        plain = text.translate(_FOLDED)
        if len(plain) == len(text):
            return plain, None
    parts: list[str] = []
    places: list[tuple[int, int]] = []
    for match in _CLUSTER.finditer(text):
        part = _folded_cluster(match.group())
        parts.append(part)
        places += [match.span()] * len(part)
    return "".join(parts), places


@lru_cache(maxsize=4_096)
def _folded_cluster(cluster: str) -> str:
    return folded(cluster)


def lexemes(text: str) -> set[str]:
    """What the index holds of a text: its words; of scripts without blanks each two characters that stand together, and
    the last one of each run alone, so that a single character is the beginning of a lexeme wherever it stands.
    """
    found: set[str] = set()
    last = ""
    for piece in pieces_of(text):
        if last:
            found.add((last + piece.text if piece.follows else last)[:LEXEME_CHARS])
        last = piece.text if piece.is_character else ""
        if not last:
            found.add(piece.text[:LEXEME_CHARS])
        if len(found) >= TEXT_LEXEMES:
            break
    if last:
        found.add(last[:LEXEME_CHARS])
    return found


def has_link(text: str) -> bool:
    """Whether clients show a link in it: what stands in code is none."""
    return _LINK.search(text) is not None and _LINK.search(spoken(text)) is not None


# -- Marks ----------------------------------------------------------------------------------------------------------


def channel_mark(channel_id: int) -> str:
    return f"{MARK}c{channel_id:x}"


def author_mark(author_id: str) -> str:
    """Of an id as clients see it. A part of it, since each row holds it; the message itself is asked as well."""
    return f"{MARK}a{author_id[-12:]}"


FILE_MARK = f"{MARK}f"
LINK_MARK = f"{MARK}l"
SPANS = (20, 25, 30)
"""How long the times are that messages are marked with, as powers of two in ms: 17 minutes, 9 hours, 12 days."""


def time_mark(level: int, at_ms: int) -> str:
    return f"{MARK}{level}{at_ms >> SPANS[level]:x}"


def marks_of(
    message_id: uuid.UUID, channel_id: int, author_id: str, text: str, *, has_files: bool = False
) -> list[str]:
    """What the index knows of a message beside its words."""
    at_ms = message_id.int >> 80
    found = [channel_mark(channel_id), author_mark(author_id)]
    found += [time_mark(level, at_ms) for level in range(len(SPANS))]
    if has_files:
        found.append(FILE_MARK)
    return [*found, LINK_MARK] if has_link(text) else found


# -- Queries --------------------------------------------------------------------------------------------------------


def parsed(text: str) -> Query:
    """Words, "phrases", -without, begin*. What has no letter or digit in it is left out. Raises InvalidError."""
    if len(text) > QUERY_CHARS:
        raise _invalid(f"at most {QUERY_CHARS} characters")
    terms = [term for match in _TERM.finditer(text) if (term := _term(match)) is not None]
    if len(terms) > MAX_TERMS:
        raise _invalid(f"at most {MAX_TERMS} words or phrases")
    if sum(len(term.pieces) for term in terms) > MAX_PIECES:
        raise _invalid(f"at most {MAX_PIECES} words and characters")
    return Query(tuple(terms))


def _invalid(what: str) -> InvalidError:
    return InvalidError(f"A search has {what}.", fields={"q": what}, why=Why.SEARCH_FORM)


def _term(match: regex.Match[str]) -> Term | None:
    word = match["word"] or ""
    is_prefix = word.endswith("*")
    pieces = tuple(pieces_of(word or match["phrase"] or ""))
    if not pieces:
        return None
    last = pieces[-1]
    if is_prefix and not last.is_character and len(last.text) < PREFIX_CHARS:
        raise _invalid(f"at least {PREFIX_CHARS} letters before *")
    return Term(pieces, is_prefix and not last.is_character, bool(match["without"]))


def needles_of(query: Query) -> tuple[list[Needle], list[str]]:
    """(what all stands in the index of whatever answers the query, which lexemes do not). Less than the query says:
    the texts of what is found are to be asked with found_in().
    """
    wanted = {needle: None for term in query.wanted for needle in _needles(term)}
    barred: list[str] = []
    for term in query.terms:
        (needle, *others) = _needles(term) if term.is_without else (Needle("", is_prefix=True),)
        # Of several that must not stand together each may stand; and a longer word may begin in the same way.
        if not others and not needle.is_prefix and len(needle.lexeme) < LEXEME_CHARS:
            barred.append(needle.lexeme)
    return list(wanted), barred


def _needles(term: Term) -> Iterator[Needle]:
    pieces = term.pieces
    for at, piece in enumerate(pieces):
        following = pieces[at + 1] if at + 1 < len(pieces) else None
        is_last = following is None
        if not piece.is_character:
            yield Needle(piece.text[:LEXEME_CHARS], is_last and term.is_prefix)
        elif following is not None and following.follows:
            yield Needle((piece.text + following.text)[:LEXEME_CHARS])
        elif not piece.follows:
            yield Needle(piece.text[:LEXEME_CHARS], is_prefix=True)


def is_rough(query: Query) -> bool:
    """Whether the index finds more than what answers the query: what is to stand together may stand apart."""
    return any(sum(1 for _ in _needles(term)) > 1 for term in query.wanted)


def may_answer(text: str, query: Query) -> bool:
    """Whether found_in() is worth asking, of what the index found: a tenth of its work."""
    plain, _ = _folded(text)
    return all(_together(term.pieces).search(plain) is not None for term in query.wanted if len(term.pieces) > 1)


@lru_cache(maxsize=1_024)
def _together(pieces: tuple[Piece, ...]) -> regex.Pattern[str]:
    """These pieces in this order, with nothing between them that is one."""
    return regex.compile(r"[^\p{L}\p{N}\p{M}]*+".join(regex.escape(piece.text) for piece in pieces))


def found_in(text: str, query: Query) -> list[list[int]] | None:
    """From where to where what was looked for stands in the text, in order, at most MAX_HIGHLIGHTS; None: the text
    does not answer the query.
    """
    pieces = pieces_of(text)
    spans: list[tuple[int, int]] = []
    for term in query.terms:
        places = _places(pieces, term)
        if term.is_without:
            if next(places, None) is not None:
                return None
            continue
        before = len(spans)
        spans += places
        if len(spans) == before:
            return None
    return _joined(spans)


def _places(pieces: Sequence[Piece], term: Term) -> Iterator[tuple[int, int]]:
    wanted, last = term.pieces, len(term.pieces) - 1
    for at in range(len(pieces) - last):
        here = pieces[at : at + last + 1]
        if all(
            found.text == piece.text or (term.is_prefix and i == last and found.text.startswith(piece.text))
            for i, (found, piece) in enumerate(zip(here, wanted, strict=True))
        ) and all(found.follows or not piece.follows for found, piece in zip(here[1:], wanted[1:], strict=True)):
            yield here[0].start, here[last].end


def _joined(spans: Iterable[tuple[int, int]]) -> list[list[int]]:
    joined: list[list[int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        elif len(joined) == MAX_HIGHLIGHTS:
            break
        else:
            joined.append([start, end])
    return joined
