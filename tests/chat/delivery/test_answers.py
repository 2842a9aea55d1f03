"""What answers carry: their JSON made once, their bounds, and how long it is kept for others."""

from __future__ import annotations

import orjson
import pytest

from chat.delivery import answers as answers_module
from chat.delivery.answers import AtHead, Changes, HistoryPage
from chat.delivery.packing import packed
from chat.domain.ids import ChannelKey
from tests.support.delivery import CHANNEL, message

TEN = [message(number, number, text="x" * 1_000) for number in range(1, 11)]


def test_the_json_of_an_answer_is_made_once_for_its_bound_and_for_all_who_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was made three times for each of them, on the loop."""
    made: list[object] = []

    def counting(value: object) -> bytes:
        made.append(value)
        return packed(value)

    monkeypatch.setattr(answers_module, "packed", counting)
    changes = Changes(10, TEN)
    assert changes.within(1_000_000) is changes
    frames = [orjson.dumps({"re": number, "data": changes.data}) for number in range(5)]
    assert len(made) == 1
    assert orjson.loads(frames[4]) == {"re": 4, "data": {"messages": TEN, "seq": 10}}


def test_changes_that_are_too_large_are_a_reset() -> None:
    assert Changes(10, TEN).within(5_000).data == {"reset": True, "seq": 10}
    assert Changes(10).within(5_000).data == {"reset": True, "seq": 10}


def test_a_page_that_is_too_large_stops_earlier_at_the_side_of_its_mark() -> None:
    oldest = HistoryPage(TEN, has_more=False, max_bytes=4_500, keep_oldest=True)
    newest = HistoryPage(TEN, has_more=False, max_bytes=4_500, keep_oldest=False)
    assert [each["number"] for each in orjson.loads(oldest.ready.json)] == [1, 2, 3]
    assert [each["number"] for each in orjson.loads(newest.ready.json)] == [8, 9, 10]
    assert (oldest.has_more, oldest.newest_change, newest.has_more, newest.newest_change) == (True, 3, True, 10)
    alone = HistoryPage(TEN, has_more=False, max_bytes=10, keep_oldest=False)
    assert len(alone.ready.messages) == 1, "a page always gets somewhere"
    whole = HistoryPage(TEN, has_more=False, max_bytes=50_000, keep_oldest=False)
    assert (whole.ready.messages, whole.has_more) == (TEN, False)
    assert HistoryPage([], has_more=False, max_bytes=10, keep_oldest=True).ready.json == b"[]"


def test_what_was_made_at_a_head_goes_with_it_with_time_and_with_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers_module, "HELD_BYTES", 30)
    held = AtHead()
    other = ChannelKey("other")
    held.put(CHANNEL, "a", 5, "at 5", 10, 0.0)
    assert (held.get(CHANNEL, "a", 5, 0.0), held.get(CHANNEL, "a", 6, 0.0)) == ("at 5", None)
    held.put(CHANNEL, "a", 6, "at 6", 10, 0.0)
    held.put(CHANNEL, "b", 6, "b", 10, 0.0)
    held.put(other, "a", 1, "other", 10, 0.0)
    held.get(CHANNEL, "a", 6, 20.0)
    held.put(other, "b", 1, "one too many", 10, 20.0)
    assert (held.get(CHANNEL, "b", 6, 20.0), held.get(CHANNEL, "a", 6, 20.0)) == (None, "at 6")
    held.sweep(21.0)
    assert held.get(other, "a", 1, 21.0) is None
    held.forget(CHANNEL)
    assert (held.get(CHANNEL, "a", 6, 21.0), len(held)) == (None, 1)
    held.clear()
    assert len(held) == 0
