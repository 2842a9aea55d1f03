"""Badge: what a client shows as unread in a channel that it is not in, counted as docs/protocol.md tells clients to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Badge:
    """From a `channel` shape; hear(), mark() and mention() take the data of events and of answers to `read`."""

    def __init__(self, channel: Mapping[str, Any]) -> None:
        self.number: int = channel["number"]
        self.flow: int = channel["flow"]
        self._marker = {name: channel[name] for name in ("read_number", "read_flow", "own", "read_rev")}
        self.mentions: int = channel["mentions"]
        self._counted_rev, self._counted_to = channel["read_rev"], self.number
        self._mentioned: set[int] = set()

    @property
    def read_number(self) -> int:
        return int(self._marker["read_number"])

    @property
    def unread(self) -> int:
        return max(self.flow - self._marker["read_flow"] - self._marker["own"], 0)

    def hear(self, activity: Mapping[str, Any]) -> None:
        self.flow = max(self.flow, activity["head"]["flow"])
        self.number = max(self.number, activity["head"]["number"])

    def mark(self, data: Mapping[str, Any]) -> None:
        if data["read_rev"] > self._marker["read_rev"]:
            self._marker = {name: data[name] for name in self._marker}
        if "mentions" not in data or data["read_rev"] < self._counted_rev or data["number"] < self._counted_to:
            return
        self._counted_rev, self._counted_to = data["read_rev"], data["number"]
        self.mentions = data["mentions"] + sum(each > self._counted_to for each in self._mentioned)

    def mention(self, number: int, *, is_in_thread: bool = False) -> None:
        read = 0 if is_in_thread else self._marker["read_number"]
        if number > max(read, self._counted_to) and number not in self._mentioned:
            self._mentioned.add(number)
            self.mentions += 1


def fold(badges: dict[str, Badge], event: str, channel: str, data: Any) -> None:
    """One event of a session, into all that it shows by channel."""
    badge = badges.get(channel)
    if event == "channel.added":
        badges[channel] = Badge(data)
    elif event == "channel.removed":
        badges.pop(channel, None)
    elif badge is None:
        return
    elif event == "channel.activity":
        badge.hear(data)
    elif event == "read.updated":
        badge.mark(data)
    elif event == "mention":
        badge.mention(data["number"], is_in_thread="thread" in data)
