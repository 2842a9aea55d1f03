"""Blocks: which user may not be in which channel, or anywhere, until when.

What sanctions and missing rights look like to the authority: plain values, held by MembershipState.
Pure; `now` is an argument. A block whose time has come holds no longer, whether or not it was swept away yet.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator

from chat.domain.ids import ChannelKey, UserId
from chat.membership.protocol import Block

Place = tuple[UserId, ChannelKey | None]


def holds(block: Block, now: float) -> bool:
    """Whether the block is in force at that time."""
    return block.until is None or block.until > now


class BlockList:
    """The blocks in force, by user and channel."""

    def __init__(self) -> None:
        self._blocks: dict[Place, Block] = {}
        self._ends: list[tuple[float, UserId, str]] = []

    def __len__(self) -> int:
        return len(self._blocks)

    def __iter__(self) -> Iterator[Block]:
        return iter(self._blocks.values())

    def put(self, block: Block) -> None:
        """Set the block; an earlier one of the same user and channel is replaced."""
        self._blocks[block.user_id, block.channel] = block
        if block.until is not None:
            heapq.heappush(self._ends, (block.until, block.user_id, block.channel or ""))

    def lift(self, user_id: UserId, channel: ChannelKey | None) -> None:
        """Take a block away; none is as good."""
        self._blocks.pop((user_id, channel), None)

    def of(self, user_id: UserId, channel: ChannelKey | None, now: float) -> Block | None:
        """The block that keeps the user out of the channel (None: out of everything), if one holds now."""
        if not self._blocks:
            return None
        everywhere = self._blocks.get((user_id, None))
        if everywhere is not None and holds(everywhere, now):
            return everywhere
        here = self._blocks.get((user_id, channel)) if channel is not None else None
        return here if here is not None and holds(here, now) else None

    def allowed(self, user_id: UserId, channels: Iterable[ChannelKey], now: float) -> frozenset[ChannelKey]:
        """Those of the channels that no block keeps the user out of."""
        return frozenset(channel for channel in channels if self.of(user_id, channel, now) is None)

    def sweep(self, now: float) -> None:
        """Forget the blocks whose time has come."""
        while self._ends and self._ends[0][0] <= now:
            until, user_id, channel = heapq.heappop(self._ends)
            key = (user_id, ChannelKey(channel) if channel else None)
            # The same user may have been blocked anew meanwhile: only what ends now goes.
            if key in self._blocks and self._blocks[key].until == until:
                del self._blocks[key]
