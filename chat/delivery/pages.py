"""Ready-made pages: what was missed in a channel, read once and encoded once for all who missed it.

A Page is one stretch of a channel's stream with the frames of its messages, made when the first session of a wire
format asks. Pages holds those of this process by the stretch of the store that they were read from, for as long as they
are asked for and no change of theirs passes. Read and written by chat.live.feeds. Pure: `now` is an argument.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence, Set
from dataclasses import dataclass

from chat.delivery.live_session import Frame, WireFormat
from chat.domain.events import Event, MessageData, event_from_message
from chat.domain.hiding import Names, event_seen
from chat.domain.ids import ChannelKey

STRETCH = 100
"""So many places of a channel's stream are read together; stretches begin at its multiples, so that all share them."""
PAGE_BYTES = 32 * 1024
"""About as much is written to a session before it must have taken it; one message may be more."""
HELD_BYTES = 16 * 1024 * 1024
"""Text in the pages that are held. Every format that asks adds about as much."""
UNUSED_S = 15.0
_ENVELOPE_BYTES = 300


class Page:
    """The changes after one place of the stream up to another, oldest change first."""

    __slots__ = ("_frames", "_is_plain", "_lists", "_messages", "_seqs", "after", "ids", "size", "until")

    def __init__(self, after: int, until: int, messages: Sequence[MessageData]) -> None:
        self.after = after
        self.until = until
        self.ids = frozenset(each["id"] for each in messages)
        self.size = sum(map(weight, messages))
        self._messages = messages
        self._seqs = [each["changed_seq"] for each in messages]
        # Never changed: then it is new to everybody who has not come so far.
        self._is_plain = all(each["seq"] == each["changed_seq"] for each in messages)
        self._frames: dict[tuple[WireFormat, int, bool], Frame | None] = {}
        self._lists: dict[tuple[WireFormat, int], list[Frame]] = {}

    def frames(self, wire_format: WireFormat, cursor: int, start: int, told: Set[str]) -> list[Frame]:
        """What brings a client to `until` that has come to `cursor`. Not to be changed: others are given the same.

        `start`: where it was when it began to be caught up; `told`: the ids of the messages that it was sent since.
        """
        first = bisect_right(self._seqs, cursor)
        if not self._is_plain:
            return self._made(wire_format, first, start, told)
        found = self._lists.get((wire_format, first))
        if found is None:
            found = self._lists[wire_format, first] = self._made(wire_format, first, start, told)
        return found

    def frames_apart(
        self, wire_format: WireFormat, cursor: int, start: int, told: Set[str], names: Names
    ) -> list[Frame]:
        """frames() for a reader from whom these people are hidden: made for them alone."""
        made = []
        for message in self._messages[bisect_right(self._seqs, cursor) :]:
            seen = event_seen(_event(message, _is_new(message, start, told)), names)
            if seen is not None and (frame := wire_format.encode(seen)) is not None:
                made.append(frame)
        return made

    def _made(self, wire_format: WireFormat, first: int, start: int, told: Set[str]) -> list[Frame]:
        made: list[Frame] = []
        for index in range(first, len(self._messages)):
            message = self._messages[index]
            is_new = _is_new(message, start, told)
            key = (wire_format, index, is_new)
            if key not in self._frames:
                self._frames[key] = wire_format.encode(_event(message, is_new))
            if (frame := self._frames[key]) is not None:
                made.append(frame)
        return made


def _is_new(message: MessageData, start: int, told: Set[str]) -> bool:
    return message["seq"] > start and message["id"] not in told


def _event(message: MessageData, is_new: bool) -> Event:
    return event_from_message(message, after=message["seq"] - is_new)


def cut(after: int, until: int, messages: Sequence[MessageData]) -> list[Page]:
    """The stretch as pages that follow each other, at least one."""
    pages: list[Page] = []
    taken: list[MessageData] = []
    size = 0
    for message in messages:
        more = weight(message)
        if taken and size + more > PAGE_BYTES:
            pages.append(Page(after, taken[-1]["changed_seq"], taken))
            after, taken, size = taken[-1]["changed_seq"], [], 0
        taken.append(message)
        size += more
    return [*pages, Page(after, until, taken)]


def page_at(pages: Sequence[Page], cursor: int) -> Page:
    """The one of a stretch's pages that goes on from the cursor, which lies in it."""
    return next(page for page in pages if page.until > cursor)


def weight(message: MessageData) -> int:
    """About how many bytes a message has on its way."""
    text = message["text"] or ""
    return _ENVELOPE_BYTES + (len(text) if text.isascii() else len(text) * 3)


@dataclass(slots=True)
class _Stretch:
    pages: list[Page]
    size: int
    used_at: float


class Pages:
    """Whole stretches of channels with an open feed, by channel and beginning; the longest unused go first.

    `version` of a channel: read it before the store is asked, and put() refuses what a change has overtaken meanwhile.
    """

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[ChannelKey, int], _Stretch] = OrderedDict()
        self._size = 0
        self._versions: dict[ChannelKey, int] = {}
        self._next_version = itertools.count()

    def __len__(self) -> int:
        return len(self._held)

    def version(self, key: ChannelKey) -> int:
        if key not in self._versions:
            self._versions[key] = next(self._next_version)
        return self._versions[key]

    def get(self, key: ChannelKey, first: int, now: float) -> list[Page] | None:
        """The pages of the stretch that begins after `first`, if they are held."""
        found = self._held.get((key, first))
        if found is None:
            return None
        found.used_at = now
        self._held.move_to_end((key, first))
        return found.pages

    def put(self, key: ChannelKey, first: int, pages: list[Page], version: int, now: float) -> None:
        """Hold a stretch that lies below the channel's head as a whole."""
        if self._versions.get(key) != version or (key, first) in self._held:
            return
        size = sum(page.size for page in pages)
        self._held[key, first] = _Stretch(pages, size, now)
        self._size += size
        while self._size > HELD_BYTES:
            self._drop(next(iter(self._held)))

    def changed(self, key: ChannelKey, message_id: str) -> None:
        """A message is another now than it was read."""
        if key in self._versions:
            self._versions[key] = next(self._next_version)
            for held, stretch in list(self._held.items()):
                if held[0] == key and any(message_id in page.ids for page in stretch.pages):
                    self._drop(held)

    def forget(self, key: ChannelKey) -> None:
        """Nothing that was read of the channel is to be shown any more, or nobody needs it."""
        self._versions.pop(key, None)
        for held in [each for each in self._held if each[0] == key]:
            self._drop(held)

    def clear(self) -> None:
        """Forget all channels."""
        self._versions.clear()
        self._held.clear()
        self._size = 0

    def sweep(self, now: float) -> None:
        """Let go of what was not asked for in UNUSED_S."""
        while self._held and next(iter(self._held.values())).used_at < now - UNUSED_S:
            self._drop(next(iter(self._held)))

    def _drop(self, held: tuple[ChannelKey, int]) -> None:
        self._size -= self._held.pop(held).size
