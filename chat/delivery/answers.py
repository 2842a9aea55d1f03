"""What answers carry of a channel: messages whose JSON is made once, however many are answered with them.

Many ask the same after a storm: what changed since the cursor that their dead worker had brought them to, and the pages
of the history behind it. AtHead keeps what was made for them until the channel's head moves. Used by chat.live. Pure:
`now` is an argument.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any, cast

import orjson

from chat.delivery.packing import packed
from chat.delivery.pages import UNUSED_S, weight
from chat.domain.events import ChangesData, MessageData
from chat.domain.hiding import Names, messages_seen
from chat.domain.ids import ChannelKey

HELD_BYTES = 8 * 1024 * 1024


def written(json: bytes) -> list[MessageData]:
    """Messages that orjson writes into an answer as they stand; nothing else can look inside."""
    fragment: Any = orjson.Fragment(json)
    return cast("list[MessageData]", fragment)


class ReadyMessages:
    """Messages in the order of an answer. `json` is made when it is first asked for."""

    __slots__ = ("_json", "messages")

    def __init__(self, messages: Sequence[MessageData], json: bytes | None = None) -> None:
        self.messages = messages
        self._json = json

    @property
    def json(self) -> bytes:
        if self._json is None:
            self._json = packed(self.messages)
        return self._json

    @property
    def data(self) -> list[MessageData]:
        """As clients read it."""
        return written(self.json)

    def seen(self, names: Names) -> ReadyMessages:
        """As a reader sees them from whom these people are hidden."""
        return ReadyMessages(messages_seen(self.messages, names)) if names else self

    @property
    def size(self) -> int:
        """Roughly what it weighs in memory, JSON included."""
        return 2 * sum(map(weight, self.messages))


class Changes:
    """What changed in a channel since a cursor, or that too much did (`ready` None); the cursor to go on from."""

    __slots__ = ("ready", "seq")

    def __init__(self, seq: int, messages: Sequence[MessageData] | None = None) -> None:
        self.seq = seq
        self.ready = None if messages is None else ReadyMessages(messages)

    @property
    def data(self) -> ChangesData:
        """As clients read it."""
        if self.ready is None:
            return {"reset": True, "seq": self.seq}
        return {"messages": self.ready.data, "seq": self.seq}

    def seen(self, names: Names) -> Changes:
        """As a reader sees them from whom these people are hidden."""
        return self if self.ready is None or not names else Changes(self.seq, self.ready.seen(names).messages)

    def within(self, max_bytes: int) -> Changes:
        """The same, or a reset when its messages are larger than that as JSON."""
        return self if self.ready is None or len(self.ready.json) <= max_bytes else Changes(self.seq)


class HistoryPage:
    """A page of the history by number, oldest first."""

    __slots__ = ("has_more", "newest_change", "ready")

    def __init__(self, messages: Sequence[MessageData], *, has_more: bool, max_bytes: int, keep_oldest: bool) -> None:
        """Of more than `max_bytes` the part next to the mark that fits, at least one message, with has_more."""
        ordered = messages if keep_oldest else messages[::-1]
        kept: list[bytes] = []
        size = 0
        for message in ordered:
            json = orjson.dumps(message)
            size += len(json)
            if size > max_bytes and kept:
                break
            kept.append(json)
        shown = ordered[: len(kept)]
        if not keep_oldest:
            kept, shown = kept[::-1], shown[::-1]
        self.ready = ReadyMessages(shown, b"[" + b",".join(kept) + b"]")
        self.has_more = has_more or len(shown) < len(messages)
        self.newest_change = max((each["changed_seq"] for each in shown), default=0)


class AtHead:
    """What was made of channels while their heads were where they are; the longest unused goes first."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[ChannelKey, Hashable], tuple[int, Any, int]] = OrderedDict()
        self._used_at: dict[tuple[ChannelKey, Hashable], float] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._held)

    def get(self, key: ChannelKey, what: Hashable, head: int, now: float) -> Any:
        """What was put there when the channel's head was this one, else None."""
        found = self._held.get((key, what))
        if found is None or found[0] != head:
            return None
        self._held.move_to_end((key, what))
        self._used_at[key, what] = now
        return found[1]

    def put(self, key: ChannelKey, what: Hashable, head: int, made: Any, size: int, now: float) -> None:
        if (key, what) in self._held:
            self._drop((key, what))
        self._held[key, what] = (head, made, size)
        self._used_at[key, what] = now
        self._size += size
        while self._size > HELD_BYTES:
            self._drop(next(iter(self._held)))

    def forget(self, key: ChannelKey) -> None:
        """It may be true no longer though the head has not moved, or nobody needs it."""
        for held in [each for each in self._held if each[0] == key]:
            self._drop(held)

    def clear(self) -> None:
        self._held.clear()
        self._used_at.clear()
        self._size = 0

    def sweep(self, now: float) -> None:
        """Let go of what was not asked for in UNUSED_S."""
        while self._held and self._used_at[next(iter(self._held))] < now - UNUSED_S:
            self._drop(next(iter(self._held)))

    def _drop(self, held: tuple[ChannelKey, Hashable]) -> None:
        self._size -= self._held.pop(held)[2]
        del self._used_at[held]
