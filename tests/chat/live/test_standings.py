"""Who may read what, remembered for a second: not longer, not after all was dropped, and bounded."""

from __future__ import annotations

import uuid

import pytest

from accounts.authentication import Claims, TokenKind
from chat.domain.ids import ChannelKey
from chat.live import standings
from chat.live.standings import FRESH_S, Standings

LOGIN = uuid.UUID(int=1)
TEA = ChannelKey("tea")


def claims(version: int = 1, login: uuid.UUID = LOGIN) -> Claims:
    return Claims("ann", "Ann", version, 2_000_000_000, TokenKind.ACCESS, login)


def test_what_the_store_said_holds_for_a_second_for_that_log_in_and_channel_alone() -> None:
    kept = Standings()
    kept.note(claims(), TEA, "ann", 10.0, kept.version)
    assert kept.holds(claims(), TEA, 10.0 + FRESH_S * 0.99)
    assert not kept.holds(claims(), TEA, 10.0 + FRESH_S)
    assert not kept.holds(claims(), None, 10.0)
    assert not kept.holds(claims(version=2), TEA, 10.0)
    assert not kept.holds(claims(login=uuid.UUID(int=2)), TEA, 10.0)


def test_what_was_read_before_all_was_dropped_is_not_kept() -> None:
    """The store was asked, then a ban came, then the answer of before: it would have held for a second."""
    kept = Standings()
    version = kept.version
    kept.drop()
    kept.note(claims(), TEA, "ann", 10.0, version)
    assert not kept.holds(claims(), TEA, 10.0)


def test_what_is_old_goes_and_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "MAX_KEPT", 3)
    kept = Standings()
    for number in range(5):
        kept.note(claims(version=number), TEA, "ann", 10.0, kept.version)
    assert len(kept) == 3
    kept.note(claims(), TEA, "ann", 10.0 + FRESH_S, kept.version)
    assert len(kept) == 1


def test_a_look_is_current_for_a_second_and_until_somebody_loses_a_right() -> None:
    kept = Standings()
    look = kept.look(10.0)
    assert kept.is_current(look, 10.0 + FRESH_S * 0.99)
    assert not kept.is_current(look, 10.0 + FRESH_S)
    kept.drop()
    assert not kept.is_current(look, 10.0)
    kept.note(claims(), None, "ann", 10.5, kept.version)
    assert not kept.is_current(look, 10.5), "what another look has found says nothing about this one"
