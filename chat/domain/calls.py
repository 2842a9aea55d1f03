"""Calls: @channel and @here, by which one message tells all members of a channel, or those who are present. Pure.

In direct channels and groups the words are text. In a channel of more than MANY members only moderators call, and only
after they were told how many people that reaches; what others write is text.
Source: docs/protocol.md, "Calls".
"""

from __future__ import annotations

import re
from enum import StrEnum

from chat.domain.errors import ConfirmationRequiredError
from chat.domain.mentions import spoken
from chat.domain.policies import ChannelKind

MANY = 200
"""In a channel of more members only moderators call."""


class CallWord(StrEnum):
    """Whom a message calls: all members; those who are present."""

    CHANNEL = "channel"
    HERE = "here"


_CALL = re.compile(
    # As before the name in a mention (chat.domain.mentions); behind it the word must have ended.
    r"https?://\S+|(?<![A-Za-z0-9@._%+\-/\\\u00C0-\u058F\u1E00-\u1FFF])@(channel|here)(?![A-Za-z0-9_@\u00C0-\u024F]|[.\-]\w)",
    re.IGNORECASE,
)


def call_in(text: str) -> CallWord | None:
    """Whom a text calls, if it may; @channel where it has both words."""
    if "@" not in text:  # as most texts
        return None
    words = {CallWord(match[1].lower()) for match in _CALL.finditer(spoken(text)) if match[1]}
    return CallWord.CHANNEL if CallWord.CHANNEL in words else next(iter(words), None)


def is_call(kind: ChannelKind, *, members: int, is_moderator: bool, told: int, is_confirmed: bool | None) -> bool:
    """Whether the words in a message call anybody in such a channel; else they are text. `told`: how many would be.

    `is_confirmed` None: the sender can't be asked. Raises ConfirmationRequiredError.
    """
    if kind.is_direct or told == 0:
        return False
    if members <= MANY:
        return True
    if not is_moderator or is_confirmed is None:
        return False
    if not is_confirmed:
        raise ConfirmationRequiredError(told)
    return True
