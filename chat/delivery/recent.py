"""The newest part of one channel, in memory: what joins and resumes are answered from.

Two views of the same messages: the newest changes (complete above `floor`) and the newest numbers. Fed with every
durable event in seq order, so that an answer is exactly what the channel's members have been told.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence, Set

from chat.domain.events import MessageData


class Recent:
    """At most `changes` messages by last change and `numbers` messages by number."""

    def __init__(
        self,
        *,
        changed: Sequence[MessageData],
        newest: Sequence[MessageData],
        floor: int,
        head_number: int,
        changes: int,
        numbers: int,
    ) -> None:
        self._changes = changes
        self._numbers = numbers
        self._changed: OrderedDict[str, MessageData] = OrderedDict((each["id"], each) for each in changed)
        self._newest: dict[int, MessageData] = {each["number"]: each for each in newest}
        self.floor = floor
        self.head_number = head_number

    def add(self, message: MessageData) -> None:
        """Take one message in the state that the next durable event gave it."""
        self._changed.pop(message["id"], None)
        self._changed[message["id"]] = message
        if len(self._changed) > self._changes:
            _, dropped = self._changed.popitem(last=False)
            self.floor = max(self.floor, dropped["changed_seq"])
        number = message["number"]
        for dropped_number in range(self.head_number - self._numbers + 1, number - self._numbers + 1):
            self._newest.pop(dropped_number, None)
        self.head_number = max(self.head_number, number)
        # A repair may tell a lower number after a higher one: ordered by last change, edited ones come late.
        if number > self.head_number - self._numbers:
            self._newest[number] = message

    def ids(self) -> set[str]:
        """The messages that are held."""
        return {*self._changed, *(message["id"] for message in self._newest.values())}

    def forget(self, gone: Set[str], floor: int) -> None:
        """These were deleted for good; none of them changed after `floor`."""
        for message_id in gone:
            self._changed.pop(message_id, None)
        for number in [number for number, message in self._newest.items() if message["id"] in gone]:
            del self._newest[number]
        self.floor = max(self.floor, floor)

    def rewrite(self, renamed: Callable[[MessageData], MessageData]) -> None:
        """Every message as `renamed` makes it; their order and numbers stay."""
        self._changed = OrderedDict((key, renamed(each)) for key, each in self._changed.items())
        self._newest = {
            number: self._changed[each["id"]] if each["id"] in self._changed else renamed(each)
            for number, each in self._newest.items()
        }

    def newest(self, limit: int) -> list[MessageData]:
        """The newest messages by number, oldest first; `limit` at most what was asked for at the start."""
        first = self.head_number - min(limit, self._numbers) + 1
        return [self._newest[number] for number in range(first, self.head_number + 1) if number in self._newest]

    def since(self, cursor: int) -> list[MessageData] | None:
        """Messages changed after the cursor, ordered by changed_seq; None when memory does not reach back that far."""
        if cursor < self.floor:
            return None
        found: list[MessageData] = []
        for message in reversed(self._changed.values()):
            if message["changed_seq"] <= cursor:
                break
            found.append(message)
        return found[::-1]
