"""The events a client can see, and the JSON shapes that REST and the live transports share.

Durable events carry a channel's seq and the whole message in its present state; ephemeral ones carry none.
Source: the native protocol, "Events" and "A message".
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, NamedTuple, NotRequired, TypedDict, final

from chat.domain.files import FileData
from chat.domain.following import Level
from chat.domain.formatting import shortened
from chat.domain.ids import ChannelKey
from chat.domain.policies import ChannelKind, Role
from chat.domain.reading import Head, Marker
from chat.domain.sessions import LeftReason, Status
from reaktor.errors import CloseCode
from reaktor.shapes import Count, Keyword, Name, Ordinal, Seconds, Time, Uuid


class EventType(StrEnum):
    MESSAGE_NEW = "message.new"
    MESSAGE_UPDATED = "message.updated"
    MESSAGE_DELETED = "message.deleted"
    REACTION_CHANGED = "reaction.changed"
    CHANNEL_CREATED = "channel.created"
    CHANNEL_UPDATED = "channel.updated"
    CHANNEL_ARCHIVED = "channel.archived"
    CHANNEL_ADDED = "channel.added"
    CHANNEL_REMOVED = "channel.removed"
    LEVEL_CHANGED = "level.changed"
    CHANNEL_ACTIVITY = "channel.activity"
    THREAD_ACTIVITY = "thread.activity"
    MEMBER_JOINED = "member.joined"
    MEMBER_LEFT = "member.left"
    USER_QUIT = "user.quit"
    """Once per session, beside member.left per channel; only Socket.IO has a word for it."""
    PRESENCE_CHANGED = "presence.changed"
    USER_UPDATED = "user.updated"
    TYPING = "typing"
    READ_UPDATED = "read.updated"
    PIN_CHANGED = "pin.changed"
    MENTION = "mention"
    AUTH_EXPIRING = "auth.expiring"
    SANCTION = "sanction"
    SYNC_REQUIRED = "sync.required"
    PING = "ping"
    BYE = "bye"


DURABLE = frozenset(
    {EventType.MESSAGE_NEW, EventType.MESSAGE_UPDATED, EventType.MESSAGE_DELETED, EventType.REACTION_CHANGED}
)
SKIPPABLE = frozenset(
    {
        EventType.TYPING,
        EventType.PRESENCE_CHANGED,
        EventType.MEMBER_JOINED,
        EventType.MEMBER_LEFT,
        EventType.USER_UPDATED,
    }
)
"""What a session that can't keep up is spared first."""


# -- Shapes -------------------------------------------------------------------------------------------------------


class ChannelData(TypedDict):
    """A channel, and what the asking user is to it."""

    key: str
    name: str
    topic: str
    kind: Annotated[str, ChannelKind]
    seq: Annotated[Count, "Position of the newest durable event."]
    number: Annotated[Count, "Number of the newest message."]
    flow: Annotated[Count, "The newest place in the channel's flow."]
    online: Annotated[Count, "How many users are in it now."]
    role: Annotated[str, Role] | None
    level: Annotated[Annotated[str, Level] | None, "How much the user is told of it. Null: no member."]
    is_hidden: Annotated[bool, "The user hid it, and nothing was said there since."]
    read_number: Annotated[Count, "Everything up to this message is read."]
    read_flow: Annotated[Count, "Its place in the flow."]
    own: Annotated[Count, "The user's own messages above it."]
    read_rev: Annotated[Count, "Counts the changes of these three: the greatest is the newest."]
    unread: Annotated[Count, "flow - read_flow - own."]
    mentions: Annotated[Count, "Unread messages that name the user."]
    threads: Annotated[bool, "Messages may be answered in threads."]
    slow_mode_s: Annotated[Count, "Seconds between two messages of one member; 0: off."]
    everybody_pins: Annotated[bool, "Whoever may write may pin messages, not moderators alone."]
    frozen_at: Annotated[Time | None, "Since when only moderators write."]
    archived_at: Time | None
    created_at: Time


LAST_CHARS = 200
"""So much of a channel's newest message a list shows, in code points; cut between what is seen as characters."""


class LastData(TypedDict):
    """A channel's newest message, as a list of channels shows it."""

    id: Uuid
    number: Ordinal
    author: str
    text: Annotated[
        str | None, f"Its beginning, at most {LAST_CHARS} code points. Null once deleted, and where it is hidden."
    ]
    created_at: Time
    files: NotRequired[Annotated[Ordinal, "How many files came with it. Absent where none did."]]
    hidden: NotRequired[Annotated[bool, "By somebody whom the user blocks: its text is null. Absent elsewhere."]]


class OwnChannelData(ChannelData):
    """A channel that the asking user belongs to, and what was said there last."""

    last: LastData | None
    active_at: Annotated[Time, "When that was; when the channel was made, where nothing is left."]


class HeadData(TypedDict):
    """How far a channel has come."""

    number: Annotated[Count, "Number of the newest message."]
    seq: Annotated[Count, "Position of the newest durable event, as far as it is known."]
    flow: Annotated[Count, "The newest place in the channel's flow."]


class ActivityData(TypedDict):
    """Something was said in a channel that the user follows and this session is not in."""

    head: HeadData
    last: Annotated[LastData | None, "The newest message, for who is told of all; null for the others."]


class LevelData(TypedDict):
    """How much a member is told of a channel."""

    level: Annotated[str, Level]


class MemberData(TypedDict):
    """A user in a channel, now."""

    username: str
    status: Annotated[str, Status]


class ViaData(TypedDict):
    """By what a message was written that no person wrote."""

    kind: Annotated[str, Keyword("enum", ("bot", "hook"))]
    name: Annotated[str | None, "Of a webhook: to be shown in the author's place. Null: once deleted, and of bots."]


def via_data(*, is_bot: bool, via: str | None) -> ViaData | None:
    """The shape, for a message of such an author. `via`: as it is stored (chat.models.Message)."""
    if via is None and not is_bot:
        return None
    return {"kind": "bot" if via is None else "hook", "name": via or None}


class ThreadInfoData(TypedDict):
    """What a thread is: the same on its root and on each of its replies. Of two the one with the greater seq is newer;
    of two with the same, what came later.
    """

    number: Annotated[Ordinal, "The root's."]
    seq: Annotated[Count, "The channel's seq when it changed last."]
    replies: Annotated[Count, "Those that are not deleted."]
    last_reply_at: Annotated[Time | None, "When the newest of them was posted. Null: there is none."]
    participants: Annotated[list[str], "The first five who answered."]


class MessageData(TypedDict):
    """A message in its present state. A deleted one keeps its place: its text is null. So does a hidden one."""

    id: Uuid
    channel: str
    number: Annotated[Ordinal, "Dense over the channel's messages, from 1."]
    flow: Annotated[Count, "Its place among those that the channel's flow shows."]
    seq: Ordinal
    changed_seq: Ordinal
    author: str
    text: str | None
    reply_to: Uuid | None
    nonce: str | None
    reactions: dict[str, list[str]]
    mentions: list[str]
    created_at: Time
    edited_at: Time | None
    deleted_at: Time | None
    hidden: NotRequired[
        Annotated[bool, "In a group, by somebody whom the user blocks: its place alone is told. Absent elsewhere."]
    ]
    via: NotRequired[Annotated[ViaData, "Of what bots and webhooks wrote; missing of what people wrote."]]
    files: NotRequired[Annotated[list[FileData], "What came with it. Absent where nothing did."]]
    thread: NotRequired[Annotated[Uuid, "The root of the thread that it is in. Missing: it is in none."]]
    also_in_channel: NotRequired[Annotated[bool, "Of a reply in a thread: the channel's flow shows it, too."]]
    thread_info: NotRequired[Annotated[ThreadInfoData, "Of a thread's root and of its replies: what the thread is."]]


@final
class ChangedData(TypedDict):
    """The messages that changed, each in its present state, ordered by changed_seq."""

    messages: list[MessageData]
    seq: Annotated[Count, "The cursor to go on from."]


@final
class ResetData(TypedDict):
    """More changed than can be told: read the channel anew."""

    reset: Literal[True]
    seq: Annotated[Count, "The cursor to go on from."]


ChangesData = Annotated[ChangedData | ResetData, Name("ChangesData"), "Either the messages that changed, or a reset."]


class MessagePageData(TypedDict):
    """A page of the history."""

    messages: Annotated[list[MessageData], "Oldest first."]
    has_more: bool


class JoinData(TypedDict):
    """A channel as one enters it."""

    channel: ChannelData
    members: Annotated[list[MemberData], "The first ones, online first."]
    member_count: Count
    members_next: Annotated[str | None, "The cursor of channel.members for the others; null: these are all."]
    messages: list[MessageData]
    seq: Count
    reset: bool


class Greeting(TypedDict):
    """What hello is answered with, beyond the session itself."""

    epoch: str
    channels: Annotated[list[ChannelData], "Those that the user belongs to, at most 500, and those of `resume`."]
    channels_left: Annotated[Count, "How many more the user belongs to: GET /api/v1/me/channels has all."]
    resume: dict[str, ChangesData]


class MarkData(TypedDict):
    """How far a user has read a channel."""

    read_number: Annotated[Count, "Everything up to this message is read."]
    read_flow: Annotated[Count, "Its place in the flow."]
    own: Annotated[Count, "The user's own messages above it."]
    read_rev: Annotated[Count, "Counts the changes of these three: the greatest is the newest."]
    unread: Annotated[Count, "flow - read_flow - own."]


class ThreadMarkData(TypedDict):
    """How far a user has read a thread."""

    id: Annotated[Uuid, "The root."]
    read_number: Annotated[Count, "Its replies up to this number are read."]
    unread: Annotated[Count, "How many replies of others are above it; a thousand stands for more."]


class CountedData(MarkData):
    """The same, and how many messages that name the user are unread: above it, and in threads not read so far."""

    mentions: Count


class ReadData(CountedData):
    """What `read` is answered with."""

    number: Annotated[Count, "Number of the newest message when `mentions` were counted."]


class ThreadReadData(ReadData):
    """What is unread once a thread was read so far. The channel's marker stays."""

    thread: ThreadMarkData


class ReadUpdateData(MarkData):
    """What the user's other sessions are told of a marker. With `mentions` where those are counted anew."""

    mentions: NotRequired[Annotated[Count, "Unread messages that name the user."]]
    number: NotRequired[Annotated[Count, "Number of the newest message when they were counted."]]
    thread: NotRequired[Annotated[ThreadMarkData, "Of a thread that was read: the channel's marker stays."]]


def mark_data(marker: Marker, head: Head) -> MarkData:
    """The shape of a marker, in a channel with that newest message."""
    return {
        "read_number": marker.at.number,
        "read_flow": marker.read_flow,
        "own": marker.own,
        "read_rev": marker.rev,
        "unread": marker.unread(head),
    }


class MemberLeftData(TypedDict):
    """A user who is no longer in a channel, and why."""

    username: str
    reason: Annotated[str, LeftReason]


class TypingData(TypedDict):
    """A member who types, or no longer does."""

    username: str
    on: bool
    thread: NotRequired[Annotated[Uuid, "The root of the thread in which they do."]]


class MentionData(TypedDict):
    """A message that names the user who is told of it."""

    id: Uuid
    number: Ordinal
    author: str
    text: str
    thread: NotRequired[Annotated[Uuid, "The root of the thread which alone shows it: unread until it is read there."]]


class ThreadActivityData(TypedDict):
    """Somebody answered in a thread that the user follows, in a channel that this session is not in."""

    thread: Annotated[Uuid, "The root."]
    thread_info: ThreadInfoData
    author: Annotated[str, "Who did."]


class ThreadData(TypedDict):
    """A thread, and what the asking user is to it."""

    channel: str
    root: MessageData
    is_followed: bool
    read_number: Annotated[Count, "Its replies up to this number are read."]
    unread: Annotated[Count, "How many replies of others are above it; a thousand stands for more."]


class PinData(TypedDict):
    """A message that is kept at hand in its channel."""

    message: MessageData
    pinned_by: Annotated[str | None, "Null: the account is gone."]
    pinned_at: Time


class PinChangedData(TypedDict):
    """A message was pinned, or is no longer: somebody took it down, or it was deleted."""

    id: Uuid
    number: Ordinal
    is_pinned: bool
    by: Annotated[str | None, "Who did it. Null: the message is gone."]


class EarlierTextData(TypedDict):
    """What a message said before it was edited."""

    text: str
    written_at: Annotated[Time, "From when on it said so."]


class ExpiryData(TypedDict):
    """When a session's token ends."""

    expires_at: Time


class SyncRequiredData(TypedDict):
    """Where a channel is that must be read anew."""

    seq: Count


class ByeData(TypedDict):
    """Why a session ends, and when to come back."""

    code: Annotated[int, Keyword("enum", tuple(code.value for code in CloseCode))]
    reason: Annotated[str, "After a ban the moderator's words, where there are any."]
    retry_after: NotRequired[Seconds]
    until: NotRequired[Annotated[Time | None, "After a ban: its end. Null: for good."]]


# -- Events -------------------------------------------------------------------------------------------------------


class Event(NamedTuple):
    """One thing that happened in a channel (or, with channel None, to a user or to everybody).

    `data` is JSON-ready. Durable events have a `seq`; their data is a MessageData.
    """

    # A named tuple, as all that is made anew for each message: a frozen dataclass takes three times as long to make.

    type: EventType
    channel: ChannelKey | None
    data: Any
    seq: int | None = None


class Activity(NamedTuple):
    """Something was said in a channel, or its newest message was changed (`is_new` False).

    `head`: how far the channel has come. `last`: that message.
    """

    channel: ChannelKey
    head: HeadData
    last: LastData
    is_new: bool = True


def last_data(message: MessageData) -> LastData:
    """The message as a list of channels shows it."""
    text = message["text"]
    last: LastData = {
        "id": message["id"],
        "number": message["number"],
        "author": message["author"],
        "text": text if text is None or len(text) <= LAST_CHARS else shortened(text, LAST_CHARS),
        "created_at": message["created_at"],
    }
    if "files" in message:
        last["files"] = len(message["files"])
    return last


def event_from_message(message: MessageData, *, after: int) -> Event:
    """The event that brings a client at cursor `after` to this message's present state (repairs, resumes)."""
    if message["deleted_at"] is not None:
        kind = EventType.MESSAGE_DELETED
    elif message["seq"] > after:
        kind = EventType.MESSAGE_NEW
    else:
        kind = EventType.MESSAGE_UPDATED
    return Event(kind, ChannelKey(message["channel"]), message, message["changed_seq"])
