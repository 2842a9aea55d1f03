"""Following: which members of a channel are told of what happens there while they are not in it. Pure.

A member's Level says how much; a Follow is what a process must know. Source: docs/protocol.md, "Following".
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from chat.domain.ids import ChannelKey
from chat.domain.policies import ChannelKind


class Level(StrEnum):
    """How much a member is told: of each message with its beginning; that there is one; nothing."""

    ALL = "all"
    MENTIONS = "mentions"
    NOTHING = "nothing"


def level_of(stored: str, kind: ChannelKind) -> Level:
    """The level of a membership. `stored` empty: nobody has chosen one, so it is the one of the channel's kind."""
    if stored:
        return Level(stored)
    return Level.ALL if kind.is_closed else Level.MENTIONS


def shows_last(level: Level, kind: ChannelKind) -> bool:
    """Whether such a member is shown the beginning of the newest message, not only that there is one."""
    return level is Level.ALL or (kind.is_direct and level is not Level.NOTHING)


class Follow(NamedTuple):
    """A channel that a user is told of. `number`: of its newest message when that was read."""

    channel: ChannelKey
    number: int
    shows_last: bool
