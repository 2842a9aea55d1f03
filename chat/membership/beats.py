"""Beats: what a feeder's BEAT says of heads, and whom its looks for ghosts have seen before.

Two small memories, held by the Feeder. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from chat.domain.ids import ChannelKey, SessionId

WHOLE_EVERY = 10
LOOK_EVERY = 5


class BeatHeads:
    """Which heads the next BEAT carries: those that moved, and every WHOLE_EVERY beats all of them.

    All of them also after forget(): a new authority knows none, and what the bus did not take was not said.
    """

    def __init__(self) -> None:
        self._told: dict[ChannelKey, int] = {}
        self._to_whole = 0

    def next(self, heads: Mapping[ChannelKey, int]) -> tuple[dict[ChannelKey, int], bool]:
        """(heads to tell, whether these are all)."""
        whole = self._to_whole == 0
        self._to_whole = WHOLE_EVERY - 1 if whole else self._to_whole - 1
        told = {channel: head for channel, head in heads.items() if whole or self._told.get(channel) != head}
        self._told = dict(heads)
        return told, whole

    def early(self, moved: Mapping[ChannelKey, int]) -> dict[ChannelKey, int]:
        """The heads to tell between two beats: those that moved since they were asked for last."""
        self._told.update(moved)
        return dict(moved)

    def forget(self) -> None:
        self._to_whole = 0


class Ghosts:
    """Sessions that the membership has as ours and that nobody here knows, in two looks in a row.

    They come from an authority that was replaced in the middle of a Connect: both lives of it accepted it, and in
    between a snapshot ended it here.
    """

    def __init__(self) -> None:
        self._strangers: set[SessionId] = set()
        self._to_look = LOOK_EVERY

    def is_time(self) -> bool:
        """Whether this beat is one to look on; call it once per beat."""
        self._to_look -= 1
        if self._to_look > 0:
            return False
        self._to_look = LOOK_EVERY
        return True

    def look(self, shown: Set[SessionId], known: Set[SessionId]) -> set[SessionId]:
        """The ghosts among what the replica shows as ours, given whom we know."""
        strangers = set(shown - known)
        ghosts = strangers & self._strangers
        self._strangers = strangers
        return ghosts
