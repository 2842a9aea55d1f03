"""Rows of the replaced server: what its own captures hold, and what a broken one may."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.domain.errors import RowError
from chat.domain.rules import has_unstorable
from chat.moving import seed_rows
from chat.moving.seed_rows import channel_of, parse_channel, parse_message, usable_hash
from tests.support.seed_redis import HASH, message


def parsed(row: str | bytes, max_chars: int = 4000) -> seed_rows.SeedMessage:
    return parse_message(row.encode() if isinstance(row, str) else row, max_chars)


@pytest.mark.parametrize(
    ("text", "expected", "notes"),
    [
        ("hello\n", "hello\n", []),
        ("   ", "   ", []),
        (42, "42", [seed_rows.NO_STRING]),
        (True, "true", [seed_rows.NO_STRING]),
        ({"x": [1, 2]}, '{"x": [1, 2]}', [seed_rows.NO_STRING]),
        ("a\x00b", "a\ufffdb", [seed_rows.UNSTORABLE]),
        ("half \ud83d", "half \ufffd", [seed_rows.UNSTORABLE]),
        ("x" * 4001, "x" * 4000, [seed_rows.CUT]),
    ],
)
def test_texts_are_kept_as_well_as_can_be(text: object, expected: str, notes: list[str]) -> None:
    found = parsed(message(text))
    assert (found.text, found.notes) == (expected, notes)
    assert found.at == datetime(2026, 11, 24, 0, 40, 33, 503_000, UTC)


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("", seed_rows.NOT_JSON),
        ("{", seed_rows.NOT_JSON),
        ("[1]", seed_rows.NOT_JSON),
        ("[" * 100_000, seed_rows.NOT_JSON),
        ("9" * 10_000, seed_rows.NOT_JSON),
        (b"\xff\xfe", seed_rows.NOT_JSON),
        ('{"user":"ada","date":"2026-11-24T00:40:33.503Z"}', seed_rows.NO_TEXT),
        (message(None), seed_rows.NO_TEXT),
    ],
)
def test_what_is_no_message_is_left_out(row: str | bytes, why: str) -> None:
    with pytest.raises(RowError) as caught:
        parsed(row)
    assert caught.value.why == why


@pytest.mark.parametrize("date", [None, "", "x", "2026-13-45", True, 10**20, [], "0000-01-01T00:00:00Z"])
def test_a_nonsense_date_is_none(date: object) -> None:
    found = parsed(message("hi", date=date))
    assert found.at is None
    assert found.notes == [seed_rows.NO_DATE]


def test_milliseconds_are_a_date_too() -> None:
    assert parsed(message("hi", date=1_795_479_946_000)).at == datetime(2026, 11, 24, 0, 25, 46, tzinfo=UTC)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=80) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_no_row_is_more_than_left_out(row: str | bytes) -> None:
    try:
        found = parsed(row)
    except RowError:
        return
    assert not has_unstorable(found.text)


@pytest.mark.parametrize(
    ("key", "expected"),
    [("Qk6WUKKfsj2JRDCaDifeumaji4BddSbwbbSxt8zf_J4", None), ("a b/ä*?", "imported-"), ("prv-x", "imported-")],
)
def test_a_key_that_is_not_allowed_gets_another_always_the_same(key: str, expected: str | None) -> None:
    found = channel_of(key, "Tea")
    assert found.key == key if expected is None else found.key.startswith(expected)
    assert found == channel_of(key, "Tea")


def test_names_of_channels_are_cut_or_replaced_by_the_key() -> None:
    assert channel_of("tea", "x" * 90).name == "x" * 80
    assert channel_of("tea", "  ").name == "tea"
    assert channel_of("tea", None).notes == ()
    assert parse_channel(b'{"key":"tea","name":"Tea "}').name == "Tea"
    with pytest.raises(RowError):
        parse_channel(b'{"name":"Tea"}')


def test_only_a_bcrypt_hash_is_one() -> None:
    assert usable_hash(HASH.encode()) == HASH
    assert usable_hash(b"plain") is None
    assert usable_hash(None) is None
    assert usable_hash(HASH.encode() + b"x") is None
