"""The newest part of one channel, in memory: what joins and resumes are answered from.

Two views of the same messages: the newest changes (complete above `floor`) and the newest numbers. Fed with every
durable event in seq order, so that an answer is exactly what the channel's members have been told. Each message is kept
as its JSON: a third of the size that it has in Python's own objects, and nothing that the garbage collector walks.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence, Set
from typing import cast

import orjson

from chat.delivery.packing import packed
from chat.domain.events import MessageData, ThreadInfoData

HELD_BYTES = 300
"""What a message takes beside its JSON: its places in the views, measured."""


class Recent:
    """At most `changes` messages by last change and `numbers` messages by number, in `max_bytes` (`size`: used).

    Where that is not enough the oldest changes go; the newest numbers stay, until cut().
    """

    __slots__ = ("_changed", "_changes", "_max_bytes", "_newest", "_numbers", "_whole_from", "floor", "head_number",
                 "size")  # fmt: skip

    def __init__(
        self,
        *,
        changed: Sequence[MessageData],
        newest: Sequence[MessageData],
        floor: int,
        head_number: int,
        changes: int,
        numbers: int,
        max_bytes: int,
    ) -> None:
        self._changes = changes
        self._numbers = numbers
        self._max_bytes = max_bytes
        # Number → (changed_seq, JSON), the oldest change first; number → JSON.
        self._changed: OrderedDict[int, tuple[int, bytes]] = OrderedDict()
        self._newest: dict[int, bytes] = {}
        self._whole_from = head_number - numbers + 1
        self.floor = floor
        self.head_number = head_number
        self.size = 0
        for each in changed:
            self._change(each["number"], each["changed_seq"], packed(each))
        for each in newest:
            self._show(each["number"], self._as_changed(each["number"]) or packed(each))
        self._keep_bounds()

    def add(self, message: MessageData) -> None:
        """Take one message in the state that the next durable event gave it."""
        number, json = message["number"], packed(message)
        self._change(number, message["changed_seq"], json)
        for dropped in range(self.head_number - self._numbers + 1, number - self._numbers + 1):
            self._hide(dropped)
        self.head_number = max(self.head_number, number)
        # A repair may tell a lower number after a higher one: ordered by last change, edited ones come late.
        if number > self.head_number - self._numbers:
            self._show(number, json)
        if "thread" in message and (info := message.get("thread_info")) is not None:
            self.inform(info)
        self._keep_bounds()

    def inform(self, info: ThreadInfoData) -> None:
        """A thread is another now than its root says, if that is held. No event of the root's says so."""
        number = info["number"]
        json = self._held_at(number)
        if json is None:
            return
        root = _unpacked(json)
        if "thread_info" not in root or root["thread_info"]["seq"] <= info["seq"]:
            self._replace(number, packed({**root, "thread_info": info}))

    def ids(self) -> set[str]:
        """The messages that are held."""
        return {_unpacked(json)["id"] for json in self._held().values()}

    def forget(self, gone: Set[str], floor: int) -> None:
        """These were deleted for good; none of them changed after `floor`."""
        for number, json in self._held().items():
            if _unpacked(json)["id"] in gone:
                self._hide(number)
                self._unchange(number)
        self.floor = max(self.floor, floor)

    def rewrite(self, renamed: Callable[[MessageData], MessageData], name: str = "") -> None:
        """Every message, or those with the name in them, as `renamed` makes it; their order and numbers stay.

        Those that are held show a name as it was last. ASCII names are looked for in any case, at little cost.
        """
        is_ascii = name.isascii()
        wanted = name.lower().encode() if is_ascii else name.encode()
        for number, json in self._held().items():
            if wanted in (json.lower() if is_ascii else json):
                self._replace(number, packed(renamed(_unpacked(json))))
        self._keep_bounds()

    def newest(self, limit: int) -> list[bytes] | None:
        """The newest messages by number as JSON, oldest first; `limit` at most what was asked for at the start.

        None: memory was cut, and does not reach back that far.
        """
        first = max(self.head_number - min(limit, self._numbers) + 1, 1)
        if first < self._whole_from:
            return None
        return [self._newest[number] for number in range(first, self.head_number + 1) if number in self._newest]

    def head_aside(self, otherwise: int) -> int:
        """How many messages up to the newest one the flow does not show; `otherwise`, where that one is gone."""
        json = self._held_at(self.head_number)
        return otherwise if json is None else self.head_number - _unpacked(json)["flow"]

    def since(self, cursor: int) -> list[MessageData] | None:
        """Messages changed after the cursor, ordered by changed_seq; None when memory does not reach back that far."""
        if cursor < self.floor:
            return None
        found: list[MessageData] = []
        for seq, json in reversed(self._changed.values()):
            if seq <= cursor:
                break
            found.append(_unpacked(json))
        return found[::-1]

    def cut(self, *, keep_newest: bool) -> None:
        """Let go of the changes, and of the newest numbers."""
        for number in list(self._changed):
            self._unchange(number)
        if not keep_newest:
            for number in list(self._newest):
                self._hide(number)
            self._whole_from = self.head_number + 1

    def _held_at(self, number: int) -> bytes | None:
        return self._newest.get(number) or self._as_changed(number)

    def _replace(self, number: int, again: bytes) -> None:
        """The message that is held at this number is kept as this JSON, in both views."""
        self.size += len(again) - len(self._held_at(number) or again)
        if number in self._changed:
            self._changed[number] = (self._changed[number][0], again)
        if number in self._newest:
            self._newest[number] = again

    def _held(self) -> dict[int, bytes]:
        return {**self._newest, **{number: json for number, (_, json) in self._changed.items()}}

    def _keep_bounds(self) -> None:
        while self._changed and (len(self._changed) > self._changes or self.size > self._max_bytes):
            self._unchange(next(iter(self._changed)))

    def _change(self, number: int, seq: int, json: bytes) -> None:
        before = self._changed.pop(number, None)
        if before is not None:
            self._let_go(before[1], self._newest.get(number))
        self._changed[number] = (seq, json)
        self.size += len(json) + HELD_BYTES

    def _unchange(self, number: int) -> None:
        before = self._changed.pop(number, None)
        if before is not None:
            self._let_go(before[1], self._newest.get(number))
            self.floor = max(self.floor, before[0])

    def _show(self, number: int, json: bytes) -> None:
        self._hide(number)
        self._newest[number] = json
        if self._as_changed(number) is not json:
            self.size += len(json) + HELD_BYTES

    def _hide(self, number: int) -> None:
        json = self._newest.pop(number, None)
        if json is not None:
            self._let_go(json, self._as_changed(number))

    def _as_changed(self, number: int) -> bytes | None:
        found = self._changed.get(number)
        return None if found is None else found[1]

    def _let_go(self, json: bytes, elsewhere: bytes | None) -> None:
        """It is in one view less; `elsewhere`: what the other one has in its place."""
        if elsewhere is not json:
            self.size -= len(json) + HELD_BYTES


def _unpacked(json: bytes) -> MessageData:
    return cast(MessageData, orjson.loads(json))
