"""The events a client can see, and the JSON shapes that REST and the live transports share.

Durable events carry a channel's seq and the whole message in its present state; ephemeral ones carry none.
Source: the native protocol, "Events" and "A message".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NotRequired, TypedDict

from chat.domain.ids import ChannelKey


class EventType(StrEnum):
    MESSAGE_NEW = "message.new"
    MESSAGE_UPDATED = "message.updated"
    MESSAGE_DELETED = "message.deleted"
    REACTION_CHANGED = "reaction.changed"
    CHANNEL_CREATED = "channel.created"
    CHANNEL_UPDATED = "channel.updated"
    CHANNEL_ARCHIVED = "channel.archived"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"
    USER_QUIT = "user.quit"
    """Once per session, beside member.left per channel; only Socket.IO has a word for it."""
    PRESENCE_CHANGED = "presence.changed"
    TYPING = "typing"
    READ_UPDATED = "read.updated"
    MENTION = "mention"
    AUTH_EXPIRING = "auth.expiring"
    SANCTION = "sanction"
    SYNC_REQUIRED = "sync.required"
    PING = "ping"
    BYE = "bye"


DURABLE = frozenset(
    {EventType.MESSAGE_NEW, EventType.MESSAGE_UPDATED, EventType.MESSAGE_DELETED, EventType.REACTION_CHANGED}
)
SKIPPABLE = frozenset({EventType.TYPING, EventType.PRESENCE_CHANGED, EventType.MEMBER_JOINED, EventType.MEMBER_LEFT})
"""What a session that can't keep up is spared first."""


class ChannelData(TypedDict):
    key: str
    name: str
    topic: str
    kind: str
    seq: int
    number: int
    online: int
    role: str | None
    read_number: int
    unread: int
    mentions: int
    slow_mode_s: int
    frozen_at: str | None
    archived_at: str | None
    created_at: str


class MemberData(TypedDict):
    username: str
    status: str


class MessageData(TypedDict):
    id: str
    channel: str
    number: int
    seq: int
    changed_seq: int
    author: str
    text: str | None
    reply_to: str | None
    nonce: str | None
    reactions: dict[str, list[str]]
    mentions: list[str]
    created_at: str
    edited_at: str | None
    deleted_at: str | None


class ChangesData(TypedDict):
    """What changed in one channel since a cursor, or that it must be read anew."""

    messages: NotRequired[list[MessageData]]
    seq: int
    reset: NotRequired[bool]


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a channel (or, with channel None, to a user or to everybody).

    `data` is JSON-ready. Durable events have a `seq`; their data is a MessageData.
    """

    type: EventType
    channel: ChannelKey | None
    data: Any = field(hash=False)
    seq: int | None = None


def event_from_message(message: MessageData, *, after: int) -> Event:
    """The event that brings a client at cursor `after` to this message's present state (repairs, resumes)."""
    if message["deleted_at"] is not None:
        kind = EventType.MESSAGE_DELETED
    elif message["seq"] > after:
        kind = EventType.MESSAGE_NEW
    else:
        kind = EventType.MESSAGE_UPDATED
    return Event(kind, ChannelKey(message["channel"]), message, message["changed_seq"])
