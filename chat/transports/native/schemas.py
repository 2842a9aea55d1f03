"""What the server says on /ws/v1: the shapes of its answers and events.

asyncapi.py writes the document from them; a test checks every frame that the suite saw against it.
Source: docs/protocol.md, "Operations" and "Events".
"""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

from accounts.directory import PersonData
from accounts.selectors import UserData
from chat.domain.events import (
    ActivityData,
    ByeData,
    ChangesData,
    ChannelData,
    EarlierTextData,
    EventType,
    ExpiryData,
    Greeting,
    JoinData,
    LevelData,
    MemberData,
    MemberLeftData,
    MentionData,
    MessageData,
    MessagePageData,
    PinChangedData,
    PinData,
    ReadData,
    ReadUpdateData,
    SyncRequiredData,
    ThreadActivityData,
    ThreadData,
    ThreadInfoData,
    ThreadReadData,
    TypingData,
)
from chat.domain.moderation import LiftedData, PurgeData, SanctionData, SanctionEventData
from chat.domain.search import HitsData
from reaktor.shapes import Count, ListData, Ordinal, Time, Uuid


class EmptyData(TypedDict):
    """Nothing to say beyond that it is done."""


class HelloData(Greeting):
    """A session that was greeted."""

    session: str
    user: UserData
    expires_at: Time
    limits: dict[str, Count]


class UserUpdatedData(TypedDict):
    """Somebody who shares a channel with the user, or the user, as they are shown now."""

    user: PersonData


class SentData(TypedDict):
    """A message that is stored; `duplicate`: it was before. `mentions`: whom its text names, if anybody is told."""

    id: Uuid
    number: Ordinal
    flow: Count
    seq: Ordinal
    created_at: Time
    mentions: NotRequired[list[str]]
    thread_info: NotRequired[ThreadInfoData]
    duplicate: NotRequired[bool]


class SyncData(TypedDict):
    """What changed in each channel since its cursor."""

    channels: dict[str, ChangesData]


REPLIES: dict[str, Any] = {
    "empty": EmptyData,
    "hello": HelloData,
    "expiry": ExpiryData,
    "channels": ListData[ChannelData],
    "channel": ChannelData,
    "join": JoinData,
    "members": ListData[MemberData],
    "sent": SentData,
    "message": MessageData,
    "list": MessagePageData,
    "edits": ListData[EarlierTextData],
    "pin": PinData,
    "pins": ListData[PinData],
    "hits": HitsData,
    "read": ReadData,
    "thread": ThreadData,
    "thread_read": ThreadReadData,
    "sync": SyncData,
    "sanction": SanctionData,
    "lifted": LiftedData,
    "purged": PurgeData,
}
"""By the `reply` of an operation: the shape under `data` of its answer."""

EVENTS: dict[EventType, tuple[str, Any]] = {
    EventType.MESSAGE_NEW: ("A message was posted.", MessageData),
    EventType.MESSAGE_UPDATED: ("A message was edited.", MessageData),
    EventType.MESSAGE_DELETED: ("A message lost its text.", MessageData),
    EventType.REACTION_CHANGED: ("A message's reactions changed.", MessageData),
    EventType.CHANNEL_CREATED: ("There is a new public channel.", ChannelData),
    EventType.CHANNEL_UPDATED: ("A channel has another name or topic.", ChannelData),
    EventType.CHANNEL_ARCHIVED: ("A channel takes no more messages.", ChannelData),
    EventType.CHANNEL_ADDED: ("The user belongs to this channel now, or may read it again.", ChannelData),
    EventType.CHANNEL_REMOVED: ("The user belongs to this channel no longer, or may not read it.", EmptyData),
    EventType.LEVEL_CHANGED: ("The user is told more or less of the channel from now on.", LevelData),
    EventType.CHANNEL_ACTIVITY: ("Something was said in a channel that the user follows and is not in.", ActivityData),
    EventType.THREAD_ACTIVITY: (
        "Somebody answered in a thread that the user follows, in a channel that this session is not in.",
        ThreadActivityData,
    ),
    EventType.MEMBER_JOINED: ("A user is in the channel now.", MemberData),
    EventType.MEMBER_LEFT: ("A user is no longer in the channel.", MemberLeftData),
    EventType.PRESENCE_CHANGED: ("A member is online or away.", MemberData),
    EventType.USER_UPDATED: ("Somebody shows another name, status or picture.", UserUpdatedData),
    EventType.TYPING: ("A member types; ends after 6 s unless said again.", TypingData),
    EventType.READ_UPDATED: (
        "The user's marker moved, by another session or by a message of their own; or what is unread was counted anew.",
        ReadUpdateData,
    ),
    EventType.PIN_CHANGED: ("A message was pinned, or is no longer.", PinChangedData),
    EventType.MENTION: ("A message names this user; also sent outside the channel.", MentionData),
    EventType.AUTH_EXPIRING: ("The token expires within a minute.", ExpiryData),
    EventType.SANCTION: ("A moderator acted on this user.", SanctionEventData),
    EventType.SYNC_REQUIRED: ("Too much was missed to replay: use sync.", SyncRequiredData),
    EventType.BYE: ("The last frame: why the session ends.", ByeData),
}
"""What each event says, and the shape under its `data`; `ping` has none."""
