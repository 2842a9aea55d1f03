"""JSON Schemas of everything the server says on /ws/v1: shapes, answers, events.

asyncapi.py puts them into the document; a test checks every frame that the suite saw against them. Pure.
Source: docs/protocol.md, "Shapes" and "Events".
"""

from __future__ import annotations

from typing import Any

from chat.domain.events import EventType
from reaktor.errors import CloseCode, ErrorCode

Schema = dict[str, Any]
STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer", "minimum": 0}
BOOLEAN: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}


def _nullable(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _list(of: Schema) -> Schema:
    return {"type": "array", "items": of}


def _object(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": {**required, **(optional or {})},
        "required": list(required),
        "additionalProperties": False,
    }


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _map(of: Schema) -> Schema:
    return {"type": "object", "additionalProperties": of}


USER = _object({"id": STRING, "username": STRING, "is_staff": BOOLEAN, "created_at": TIME})
CHANNEL = _object(
    {
        "key": STRING,
        "name": STRING,
        "topic": STRING,
        "kind": {"type": "string", "enum": ["public", "unlisted", "private", "direct"]},
        "seq": INTEGER,
        "number": INTEGER,
        "online": INTEGER,
        "role": {"enum": ["owner", "moderator", "member", None]},
        "read_number": INTEGER,
        "unread": INTEGER,
        "mentions": INTEGER,
        "slow_mode_s": INTEGER,
        "frozen_at": _nullable(TIME),
        "archived_at": _nullable(TIME),
        "created_at": TIME,
    }
)
MEMBER = _object({"username": STRING, "status": {"enum": ["online", "away"]}})
MESSAGE = _object(
    {
        "id": STRING,
        "channel": STRING,
        "number": {"type": "integer", "minimum": 1},
        "seq": {"type": "integer", "minimum": 1},
        "changed_seq": {"type": "integer", "minimum": 1},
        "author": STRING,
        "text": _nullable(STRING),
        "reply_to": _nullable(STRING),
        "nonce": _nullable(STRING),
        "reactions": _map(_list(STRING)),
        "mentions": _list(STRING),
        "created_at": TIME,
        "edited_at": _nullable(TIME),
        "deleted_at": _nullable(TIME),
    }
)
SANCTION = _object(
    {
        "id": INTEGER,
        "kind": {"enum": ["kick", "mute", "ban"]},
        "username": STRING,
        "channel": _nullable(STRING),
        "reason": STRING,
        "issued_by": _nullable(STRING),
        "created_at": TIME,
        "until": _nullable(TIME),
        "lifted_at": _nullable(TIME),
    }
)
CHANGES: Schema = {
    "oneOf": [
        _object({"messages": _list(_ref("message")), "seq": INTEGER}),
        _object({"reset": {"const": True}, "seq": INTEGER}),
    ]
}
ERROR = _object(
    {"code": {"enum": [code.value for code in ErrorCode]}, "message": STRING},
    {"fields": _map(STRING), "retry_after": {"type": "number", "minimum": 0}},
)

SHAPES: dict[str, Schema] = {
    "user": USER,
    "channel": CHANNEL,
    "member": MEMBER,
    "message": MESSAGE,
    "changes": CHANGES,
    "sanction": SANCTION,
    "error": ERROR,
}

REPLIES: dict[str, Schema] = {
    "empty": _object({}),
    "hello": _object(
        {
            "session": STRING,
            "user": _ref("user"),
            "expires_at": TIME,
            "epoch": STRING,
            "limits": _map(INTEGER),
            "channels": _list(_ref("channel")),
            "resume": _map(_ref("changes")),
        }
    ),
    "expiry": _object({"expires_at": TIME}),
    "channels": _object({"results": _list(_ref("channel")), "next": _nullable(STRING)}),
    "channel": _ref("channel"),
    "join": _object(
        {
            "channel": _ref("channel"),
            "members": _list(_ref("member")),
            "member_count": INTEGER,
            "messages": _list(_ref("message")),
            "seq": INTEGER,
            "reset": BOOLEAN,
        }
    ),
    "sent": _object({"id": STRING, "number": INTEGER, "seq": INTEGER, "created_at": TIME}, {"duplicate": BOOLEAN}),
    "message": _ref("message"),
    "list": _object({"messages": _list(_ref("message")), "has_more": BOOLEAN}),
    "read": _object({"read_number": INTEGER, "unread": INTEGER}),
    "sync": _object({"channels": _map(_ref("changes"))}),
    "sanction": _ref("sanction"),
    "lifted": _object({"lifted": INTEGER}),
    "purged": _object({"deleted": INTEGER}),
}
"""By the `reply` of an operation: what stands under `data` of its answer."""

_MEMBER_LEFT = _object({"username": STRING, "reason": {"enum": ["left", "quit", "removed"]}})
_CLOSE_CODES: Schema = {"type": "integer", "enum": [int(code) for code in CloseCode]}

EVENTS: dict[EventType, tuple[str, Schema]] = {
    EventType.MESSAGE_NEW: ("A message was posted.", _ref("message")),
    EventType.MESSAGE_UPDATED: ("A message was edited.", _ref("message")),
    EventType.MESSAGE_DELETED: ("A message lost its text.", _ref("message")),
    EventType.REACTION_CHANGED: ("A message's reactions changed.", _ref("message")),
    EventType.CHANNEL_CREATED: ("There is a new public channel.", _ref("channel")),
    EventType.CHANNEL_UPDATED: ("A channel has another name or topic.", _ref("channel")),
    EventType.CHANNEL_ARCHIVED: ("A channel takes no more messages.", _ref("channel")),
    EventType.MEMBER_JOINED: ("A user is in the channel now.", _ref("member")),
    EventType.MEMBER_LEFT: ("A user is no longer in the channel.", _MEMBER_LEFT),
    EventType.PRESENCE_CHANGED: ("A member is online or away.", _ref("member")),
    EventType.TYPING: (
        "A member types; ends after 6 s unless said again.",
        _object({"username": STRING, "on": BOOLEAN}),
    ),
    EventType.READ_UPDATED: (
        "Another session of the same user read up to a number.",
        _object({"read_number": INTEGER, "unread": INTEGER}),
    ),
    EventType.MENTION: (
        "A message names this user; also sent outside the channel.",
        _object({"id": STRING, "number": INTEGER, "author": STRING, "text": STRING}),
    ),
    EventType.AUTH_EXPIRING: ("The token expires within a minute.", _object({"expires_at": TIME})),
    EventType.SANCTION: (
        "A moderator acted on this user.",
        _object(
            {
                "kind": {"enum": ["kick", "mute", "ban", "lift"]},
                "channel": _nullable(STRING),
                "reason": STRING,
                "until": _nullable(TIME),
            }
        ),
    ),
    EventType.SYNC_REQUIRED: ("Too much was missed to replay: use sync.", _object({"seq": INTEGER})),
    EventType.BYE: (
        "The last frame: why the session ends.",
        _object({"code": _CLOSE_CODES, "reason": STRING}, {"retry_after": {"type": "number", "minimum": 0}}),
    ),
}
"""What stands under `data` of each event; `ping` has none."""

REQUEST_ID: Schema = {"type": ["integer", "string", "null"]}
