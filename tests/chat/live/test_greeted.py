"""Which channels a greeting shows where there is no room for all that a user belongs to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from chat.domain.ids import ChannelKey
from chat.domain.policies import Access, ChannelKind, Role
from chat.domain.reading import Head, Marker
from chat.live import actions
from chat.live.runtime import Runtime
from chat.selectors import ChannelAccess, ChannelRow

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Nobody:
    """The part of a runtime that a greeting asks."""

    @staticmethod
    def online_count(key: str) -> int:
        return 0


def found(
    pk: int, key: str, kind: ChannelKind = ChannelKind.PUBLIC, *, unread: int = 0, topic: str = ""
) -> ChannelAccess:
    row = ChannelRow(
        pk, ChannelKey(key), key, topic, kind, seq=9, number=9, floor_seq=0, created_at=NOW, archived_at=None
    )
    return ChannelAccess(row, Access(kind, Role.MEMBER), Marker(Head(9 - unread)))


def shown(channels: list[ChannelAccess], *resumed: str) -> list[str]:
    greeted = actions._greeted(cast(Runtime, Nobody()), channels, dict.fromkeys(resumed, 0))
    return [data["key"] for data in greeted]


def test_all_of_them_oldest_first_where_there_is_room() -> None:
    channels = [found(number, f"c{number}") for number in range(1, 200)]
    assert shown(channels) == [f"c{number}" for number in range(1, 200)]


@pytest.mark.parametrize("number", [61, 62, 63, 64])
def test_a_few_are_shown_without_a_look_at_their_size(number: int) -> None:
    assert len(shown([found(each, f"c{each}", topic="ü" * 400) for each in range(number)])) == number


def test_direct_and_unread_ones_first_and_always_what_is_resumed() -> None:
    channels = [found(number, f"c{number}") for number in range(1, 701)]
    channels += [found(701, "dm-1", ChannelKind.DIRECT), found(702, "unread", unread=2), found(703, "resumed")]
    keys = shown(channels, "resumed")
    assert keys == [*(f"c{number}" for number in range(1, 498)), "dm-1", "unread", "resumed"]
    assert len(shown(channels, *(f"c{number}" for number in range(1, 501)), "resumed")) == 501


def test_no_more_bytes_than_a_greeting_may_have() -> None:
    channels = [found(number, f"c{number}", topic="ü" * 400) for number in range(500)]
    keys = shown(channels)
    assert len(keys) * 1_300 > actions.GREETED_BYTES > len(keys) * 800
    assert keys == [f"c{number}" for number in range(len(keys))]


def test_nothing_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(actions.orjson, "dumps", lambda data: calls.append(data) or b"")
    shown([found(number, f"c{number}") for number in range(50)])
    assert calls == [], "most people belong to few channels: no JSON is made twice"
