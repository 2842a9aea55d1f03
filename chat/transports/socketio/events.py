"""The events of the replaced server's clients: names, payloads, and how ours become theirs.

SocketIOFormat encodes an event once, as a ready packet that serves both Engine.IO revisions, polls and WebSockets.
Pure. Source: docs/protocol.md, "Socket.IO" (event names have blanks around the colon, but for `message:post`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from chat.domain.events import DURABLE, Event, EventType, MessageData
from chat.domain.files import text_with_files
from chat.domain.ids import ChannelKey
from chat.domain.policies import ChannelKind
from chat.domain.rules import parse_channel_key
from chat.domain.sessions import Status
from reaktor.engineio.packets import ReadyBatch, ReadyPacket
from reaktor.errors import ErrorCode, ErrorDetail, InvalidError, ReaktorError
from reaktor.socketio.packet import ready_event

LOGGED_IN = "logged_in"
NAME_TAKEN = "name_taken"
MESSAGE_POST = "message:post"
MESSAGE_UPDATED = "message:updated"
MESSAGE_DELETED = "message:deleted"
REACTION_CHANGED = "reaction:changed"
USER_JOINED = "user : joined"
USER_LEFT = "user : left"
USER_QUIT = "user : quit"
USER_STATUS_CHANGED = "user : status_changed"
USER_UPDATED = "user : updated"
CHANNEL_CREATED = "channel : created"
CHANNEL_ADDED = "channel : added"
CHANNEL_ACTIVITY = "channel : activity"
AUTH_EXPIRING = "auth : expiring"
AUTH_REFRESH = "auth : refresh"
OPERATIONS = {
    MESSAGE_POST: "message.send",
    USER_LEFT: "channel.leave",
    USER_STATUS_CHANGED: "status",
    AUTH_REFRESH: "auth.refresh",
}
"""What clients may say, and the operation of chat.live.operations that it is."""
ERROR = "error"
OFFSET = "offset"
"""To clients that can recover their state: what they have been sent so far (docs/socketio-deviations.md)."""


SANCTIONS = {
    "kick": (ErrorCode.FORBIDDEN.value, "kicked out"),
    "mute": (ErrorCode.MUTED.value, "muted"),
    "ban": (ErrorCode.BANNED.value, "banned"),
}
"""By kind: the code and the word of the `error` that these clients are told by; they have no word for a lift."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What waits in a session's outbox. One that `moves_offset` is a message, or the client's own message stored.

    Of the latter nothing is left to say, `packet` None, when the client asked for no ack.
    """

    packet: ReadyPacket | None
    moves_offset: bool = False


class FrameBatch(ReadyBatch):
    """What the hub writes at once, with the size that it asks for.

    For socketio_session.py: `with_offset`, the same with the offset behind it, by what that says; `usual`, the one for
    those who are in these channels and on their way into no others, since most who stand side by side are.
    """

    __slots__ = ("moves_offset", "usual", "with_offset")

    def __init__(self, frames: Sequence[Frame]) -> None:
        super().__init__([frame.packet for frame in frames if frame.packet is not None])
        self.moves_offset = any(frame.moves_offset for frame in frames)
        self.with_offset: dict[Hashable, ReadyBatch] = {}
        self.usual: tuple[frozenset[ChannelKey], ReadyBatch] | None = None

    def __len__(self) -> int:
        return sum(packet.size for packet in self.packets)


def message_payload(message: MessageData, page_url: Callable[[], str]) -> dict[str, Any]:
    """A message as `message:post` carries it; a deleted one has no text any more. Files are lines of the text."""
    text = message["text"] if message["text"] is not None else "(deleted)"
    if "files" in message:
        text = text_with_files(text, message["files"], page_url())
    return {
        "message": text,
        "user": message["author"],
        "date": message["created_at"],
        "channel": message["channel"],
        "id": message["id"],
        "seq": message["seq"],
    }


def error_payload(error: ReaktorError) -> ErrorDetail:
    """`error {code, message}`, with `retry_after` where trying again makes sense."""
    data = error.as_data()
    data.pop("fields", None)
    return data


def expiry_payload(expires_at: float) -> dict[str, int]:
    """When a token ends, given in Unix seconds: in the milliseconds that log-in and registration answer with."""
    return {"expiresIn": int(expires_at * 1000)}


class SocketIOFormat:
    """The wire format of Socket.IO sessions. `now` gives the date of what has none of its own. Of hidden messages these
    clients are told nothing.

    `page_url` gives the address of the web client, for files.
    `is_full`: of those that ask for all events (wants_all()), not only for what the replaced server's clients know.
    """

    tells_own_presence = False

    def __init__(self, now: Any, page_url: Callable[[], str], *, is_full: bool = False) -> None:
        self._now = now
        self._page_url = page_url
        self._is_full = is_full

    def encode(self, event: Event) -> Frame | None:
        """The frame for an event that these clients have a word for, else None."""
        said = self._said(event)
        return None if said is None else Frame(ready_event(*said), moves_offset=event.type is EventType.MESSAGE_NEW)

    def _said(self, event: Event) -> tuple[str, Mapping[str, Any]] | None:
        data = event.data
        if event.type in DURABLE and data.get("hidden"):
            return None
        match event.type:
            case EventType.MESSAGE_NEW:
                return MESSAGE_POST, message_payload(data, self._page_url)
            case EventType.MESSAGE_UPDATED:
                return MESSAGE_UPDATED, {**message_payload(data, self._page_url), "edited": data["edited_at"]}
            case EventType.MESSAGE_DELETED:
                return MESSAGE_DELETED, message_payload(data, self._page_url)
            case EventType.REACTION_CHANGED if self._is_full:
                told = {"channel": event.channel, "id": data["id"], "seq": data["seq"], "reactions": data["reactions"]}
                return REACTION_CHANGED, told
            case EventType.MEMBER_JOINED:
                return USER_JOINED, {"username": data["username"], "channel": event.channel}
            case EventType.MEMBER_LEFT if data["reason"] != "quit":
                left = {"channel": event.channel, "user": data["username"], "date": self._now()}
                return USER_LEFT, left
            case EventType.USER_QUIT:
                return USER_QUIT, data
            case EventType.PRESENCE_CHANGED:
                changed = {"channel": event.channel, "user": data["username"], "status": data["status"]}
                return USER_STATUS_CHANGED, changed
            case EventType.USER_UPDATED if self._is_full:
                return USER_UPDATED, data
            case EventType.CHANNEL_CREATED:
                return CHANNEL_CREATED, {"name": data["name"], "key": data["key"]}
            case EventType.CHANNEL_ADDED if self._is_full:
                return CHANNEL_ADDED, {"name": data["name"], "key": data["key"], "kind": data["kind"]}
            case EventType.CHANNEL_ADDED if ChannelKind(data["kind"]).is_direct:
                # Somebody wants to talk to them: a channel like any other, for a client that knows no other word.
                return CHANNEL_CREATED, {"name": data["name"], "key": data["key"]}
            case EventType.CHANNEL_ACTIVITY if self._is_full:
                # How far the channel has come is a count of places; of a hidden message there is no word.
                last = None if data["last"] is not None and data["last"].get("hidden") else data["last"]
                return CHANNEL_ACTIVITY, {"channel": event.channel, "head": data["head"], "last": last}
            case EventType.SANCTION if data["kind"] in SANCTIONS:
                code, done = SANCTIONS[data["kind"]]
                where = "here" if event.channel else "everywhere"
                why = f": {data['reason']}" if data["reason"] else "."
                message = f"You were {done} {where}{why}"
                terms = {"reason": data["reason"], "until": data["until"], "is_everywhere": event.channel is None}
                return ERROR, {"code": code, "message": message, "channel": event.channel, **terms}
            case _:
                return None

    def join(self, frames: list[Frame]) -> FrameBatch:
        return FrameBatch(frames)


def wants_all(query: Mapping[str, str], auth: object) -> bool:
    """Whether a client asks for all events: `events=all` in the query, or in what it brings to CONNECT."""
    return query.get("events") == "all" or (isinstance(auth, dict) and auth.get("events") == "all")


def parse_channel(payload: object) -> tuple[ChannelKey, Mapping[str, Any]]:
    """(channel, payload) of a client's event. Raises InvalidError, NotFoundError: it is no object, or names none."""
    if not isinstance(payload, dict):
        raise InvalidError("The payload must be an object.")
    return parse_channel_key(payload.get("channel")), payload


def parse_token(payload: object) -> str:
    """The token in the payload of AUTH_REFRESH. Raises InvalidError."""
    token = payload.get("token") if isinstance(payload, dict) else None
    if not isinstance(token, str):
        raise InvalidError("The payload must be an object with a token.", fields={"token": "missing"})
    return token


def parse_status(value: object) -> Status:
    try:
        return Status(str(value))
    except ValueError:
        raise InvalidError("A status is online or away.") from None


def parse_offset(offset: str | None) -> dict[ChannelKey, int]:
    """The cursors in what a client remembers of OFFSET; junk is as good as nothing."""
    try:
        found = orjson.loads(offset or "{}")
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {ChannelKey(key): seq for key, seq in found.items() if type(seq) is int and seq >= 0}
