"""Ready-made pages: they bring everybody to the same state, whoever asked first; what has changed is not held."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from chat.delivery import pages as pages_module
from chat.delivery.pages import PAGE_BYTES, Pages, cut, page_at
from chat.domain.events import EventType, MessageData
from chat.domain.ids import ChannelKey
from tests.support.delivery import CHANNEL, Chronicle, FakeFormat, message

LENGTH = 60
STRETCH = 10


class Library:
    """The pages of a chronicle, each stretch read at the moment when somebody first asked for it, as the feeds do."""

    def __init__(self, chronicle: Chronicle) -> None:
        self.chronicle = chronicle
        self.pages = Pages()
        self.head = 0

    def advance(self) -> None:
        event = self.chronicle.events[self.head]
        self.head += 1
        if event.type is not EventType.MESSAGE_NEW:
            self.pages.changed(CHANNEL, event.data["id"])

    def page(self, cursor: int) -> Any:
        first = cursor - cursor % STRETCH
        until = min(first + STRETCH, self.head)
        found = self.pages.get(CHANNEL, first, 0.0)
        if found is None:
            stored = self.chronicle.changed(self.head, first)
            found = cut(first, until, [each for each in stored if each["changed_seq"] <= until])
            if until == first + STRETCH:
                self.pages.put(CHANNEL, first, found, self.pages.version(CHANNEL), 0.0)
        return page_at(found, cursor)


class Reader:
    """A client at a cursor: what it knows, and of what it was told as new."""

    def __init__(self, library: Library, start: int) -> None:
        self.library, self.start, self.cursor = library, start, start
        self.known = dict(library.chronicle.state(start))
        self.told: set[str] = set()
        self.new: list[str] = []

    def read(self, wire_format: FakeFormat) -> None:
        page = self.library.page(self.cursor)
        for frame in page.frames(wire_format, self.cursor, self.start, self.told):
            event = json.loads(frame)
            self.known[event["data"]["id"]] = event["data"]
            if event["event"] == EventType.MESSAGE_NEW:
                self.new.append(event["data"]["id"])
        self.told |= page.ids
        self.cursor = page.until


@pytest.mark.parametrize("seed", range(20))
def test_whoever_is_led_by_shared_pages_ends_where_the_channel_is(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that were read at different times, before and after edits, still tell each message as new once, and last
    as it is."""
    monkeypatch.setattr(pages_module, "PAGE_BYTES", 1_500)
    random = Random(seed)
    chronicle = Chronicle(random, LENGTH)
    library, wire_format = Library(chronicle), FakeFormat()
    readers: list[Reader] = []
    while library.head < LENGTH or any(reader.cursor < library.head for reader in readers):
        if library.head < LENGTH and random.random() < 0.6:
            library.advance()
        if len(readers) < 12 and random.random() < 0.3:
            readers.append(Reader(library, random.randint(0, library.head)))
        behind = [reader for reader in readers if reader.cursor < library.head]
        if behind:
            random.choice(behind).read(wire_format)
    for reader in readers:
        assert reader.known == chronicle.state(LENGTH)
        assert len(set(reader.new)) == len(reader.new), "told as new twice"
        assert {each for each in reader.new if each in chronicle.state(reader.start)} == set()


def test_a_page_is_encoded_once_however_many_read_it() -> None:
    (page,) = cut(0, 5, [message(number, number) for number in range(1, 6)])
    wire_format = FakeFormat()
    first = page.frames(wire_format, 0, 0, set())
    assert page.frames(wire_format, 0, 0, set()) is first
    assert page.frames(wire_format, 3, 3, set()) == first[3:]
    assert wire_format.encoded == 5


def test_pages_are_cut_by_what_they_weigh_and_leave_nothing_out() -> None:
    long = [message(number, number, text="é" * 4_000) for number in range(1, 8)]
    found = cut(0, 100, long)
    assert [(page.after, page.until) for page in found] == [(0, 2), (2, 4), (4, 6), (6, 100)]
    assert all(page.size <= PAGE_BYTES for page in found)
    assert page_at(found, 3).after == 2
    assert [(page.after, page.until) for page in cut(200, 300, ())] == [(200, 300)]


def stretch(text: str = "hi") -> list[MessageData]:
    return [message(1, 1, text=text)]


def test_what_changed_while_it_was_read_is_not_held() -> None:
    """A deleted message would be shown, for as long as the page is asked for."""
    pages = Pages()
    before = pages.version(CHANNEL)
    pages.changed(CHANNEL, "m1")
    pages.put(CHANNEL, 0, cut(0, 100, stretch()), before, 0.0)
    assert len(pages) == 0
    pages.forget(CHANNEL)
    pages.version(CHANNEL)
    pages.put(CHANNEL, 0, cut(0, 100, stretch()), before, 0.0)
    assert len(pages) == 0
    pages.put(CHANNEL, 0, cut(0, 100, stretch()), pages.version(CHANNEL), 0.0)
    pages.changed(CHANNEL, "another")
    assert len(pages) == 1
    pages.changed(CHANNEL, "m1")
    assert len(pages) == 0


def test_pages_go_when_nobody_asks_and_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages_module, "HELD_BYTES", 3_000)
    pages = Pages()
    keys = [ChannelKey(f"c{number}") for number in range(4)]
    for key in keys:
        pages.put(key, 0, cut(0, 100, stretch("x" * 600)), pages.version(key), 0.0)
    assert [pages.get(key, 0, 5.0) is not None for key in keys] == [False, True, True, True]
    pages.get(keys[2], 0, 30.0)
    pages.sweep(31.0)
    assert [pages.get(key, 0, 31.0) is not None for key in keys] == [False, False, True, False]
