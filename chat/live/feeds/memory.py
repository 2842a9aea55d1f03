"""What all open feeds of this process remember together, in bytes: whoever was used longest ago gives first.

A feed is used when something is delivered in it, and while somebody asks it (it is pinned). What it has given is read
from the store again. Used by open_feeds.py. Pure.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from chat.delivery.feed import Feed
from chat.delivery.trail import Trail
from chat.domain.ids import ChannelKey


@dataclass(slots=True)
class OpenFeed:
    """A feed and who needs it. `idle_since`: when the last pin went and no local member was left.

    `floor_seq`: how far retention had come when the memory was last compared with the store.
    """

    feed: Feed
    floor_seq: int
    pins: int = 0
    idle_since: float = 0.0
    reached: list[tuple[int, asyncio.Future[None]]] = field(default_factory=list)
    trail: Trail = field(default_factory=Trail)


class Memory:
    """used() after each change of a feed's memory, forget() when it is closed. `size`: bytes held by all of them."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held: OrderedDict[ChannelKey, tuple[OpenFeed, int]] = OrderedDict()
        self.size = 0

    def used(self, entry: OpenFeed) -> None:
        """The feed is the last to give; others give until all fit."""
        self._note(entry)
        for _ in range(len(self._held)):
            if self.size <= self._max_bytes:
                return
            # Who is answered by a pinned feed is shown its newest messages in the same turn.
            longest, _ = next(iter(self._held.values()))
            longest.feed.recent.cut(keep_newest=longest.pins > 0)
            self._note(longest)

    def forget(self, key: ChannelKey) -> None:
        found = self._held.pop(key, None)
        if found is not None:
            self.size -= found[1]

    def _note(self, entry: OpenFeed) -> None:
        self.forget(entry.feed.key)
        size = entry.feed.recent.size
        if size:
            self._held[entry.feed.key] = (entry, size)
            self.size += size
