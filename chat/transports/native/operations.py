"""The operations of `reaktor.v1`: their names, fields and answers, in one registry.

protocol.py validates with it, asyncapi.py documents from it, the consumer has one method per name. Pure.
Source: docs/protocol.md, "Operations".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chat.domain.files import FILES_PER_MESSAGE
from chat.domain.following import Level
from chat.domain.policies import MAX_PURGE_HOURS, MAX_SLOW_MODE_S
from chat.domain.rules import has_unstorable
from chat.domain.search import HAS
from reaktor.errors import InvalidError
from reaktor.numbers import MAX_INTEGER

MAX_CURSORS = 500
UNSTORABLE = "has characters that can't be stored"
STORABLE = r"^[^\u0000]*$"
"""The same as a pattern. Half characters need no word: they are no JSON."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an operation's data: a JSON type with its bounds, a list of at most `maximum` ids, or an object of
    cursors {channel: seq}.
    """

    kind: str
    required: bool = True
    minimum: int = 0
    maximum: int = MAX_INTEGER
    choices: tuple[str, ...] = ()
    default: Any = None

    def problem(self, value: object) -> str | None:
        """What is wrong with a value, in words; None when nothing is."""
        if self.kind == "string":
            if not isinstance(value, str):
                return "must be a string"
            if has_unstorable(value):
                return UNSTORABLE
            if self.choices and value not in self.choices:
                return f"must be one of {', '.join(self.choices)}"
        elif self.kind == "integer":
            if type(value) is not int or not self.minimum <= value <= self.maximum:
                return f"must be a whole number from {self.minimum} to {self.maximum}"
        elif self.kind == "boolean":
            if not isinstance(value, bool):
                return "must be true or false"
        elif self.kind == "ids":
            if not _are_ids(value, self.maximum):
                return f"must be a list of different ids, at most {self.maximum}"
        elif not _is_cursors(value):
            return f"must be an object of channel keys and cursors, at most {MAX_CURSORS}"
        return None

    def schema(self) -> dict[str, Any]:
        """The same as JSON Schema."""
        if self.kind == "cursors":
            cursor = {"type": "integer", "minimum": 0}
            return {
                "type": "object",
                "propertyNames": {"pattern": STORABLE},
                "additionalProperties": cursor,
                "maxProperties": MAX_CURSORS,
            }
        if self.kind == "ids":
            item = {"type": "string", "pattern": STORABLE}
            return {"type": "array", "items": item, "maxItems": self.maximum, "uniqueItems": True}
        schema: dict[str, Any] = {"type": self.kind}
        if self.kind == "string" and not self.choices:
            schema["pattern"] = STORABLE
        if self.kind == "integer":
            schema |= {"minimum": self.minimum, "maximum": self.maximum}
        if self.choices:
            schema["enum"] = list(self.choices)
        return schema


def _are_ids(value: object, most: int) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= most
        and all(isinstance(each, str) and not has_unstorable(each) for each in value)
        and len(set(value)) == len(value)
    )


def _is_cursors(value: object) -> bool:
    return (
        isinstance(value, dict)
        and len(value) <= MAX_CURSORS
        and all(type(seq) is int and 0 <= seq <= MAX_INTEGER for seq in value.values())
        and not any(has_unstorable(key) for key in value)
    )


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing a client may ask. `reply` names the shape under `data` of the answer (schemas.py)."""

    name: str
    summary: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    needs_channel: bool = False
    may_name_channel: bool = False
    reply: str | None = "empty"

    def check(self, channel: object, data: object) -> tuple[str, dict[str, Any]]:
        """(channel, fields with defaults) of a frame; unknown fields are ignored. Raises InvalidError."""
        wrong: dict[str, str] = {}
        may_be_missing = self.may_name_channel and channel is None
        if (self.needs_channel or self.may_name_channel) and not isinstance(channel, str) and not may_be_missing:
            wrong["channel"] = "must be a string"
        if data is None:
            data = {}
        if not isinstance(data, dict):
            raise InvalidError("data must be an object.", fields={"data": "must be an object"})
        values: dict[str, Any] = {}
        for name, spec in self.fields.items():
            value = data.get(name)
            if value is None:
                if spec.required:
                    wrong[name] = "is missing"
                values[name] = spec.default
            elif (problem := spec.problem(value)) is not None:
                wrong[name] = problem
            else:
                values[name] = value
        if wrong:
            raise InvalidError(f"{next(iter(wrong))} {next(iter(wrong.values()))}.", fields=wrong)
        return (channel if isinstance(channel, str) else ""), values


STRING = Field("string")
OPTIONAL_STRING = Field("string", required=False)
NUMBER = Field("integer", required=False)
REASON = Field("string", required=False, default="")
SANCTION = {"user": STRING, "until": OPTIONAL_STRING, "reason": REASON}
"""Of the frame's channel; without one, everywhere (staff). `until`: a time as in every shape; missing: for good."""

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(
            "hello",
            "The first frame: who speaks, and what to catch up on.",
            {"token": OPTIONAL_STRING, "resume": Field("cursors", required=False, default={})},
            reply="hello",
        ),
        Operation("auth.refresh", "Go on with a newer token of the same user.", {"token": STRING}, reply="expiry"),
        Operation(
            "channel.list",
            "Public channels, oldest first; of a search for one or two letters, those among the next 2,000.",
            {"search": OPTIONAL_STRING, "cursor": OPTIONAL_STRING},
            reply="channels",
        ),
        Operation(
            "channel.create",
            "A new channel; its creator is the owner.",
            {
                "name": STRING,
                "kind": Field("string", required=False, choices=("public", "unlisted", "private"), default="public"),
                "topic": Field("string", required=False, default=""),
            },
            reply="channel",
        ),
        Operation(
            "channel.update",
            "Another name or topic (owners); slow mode, frozen or not, threads or none, who pins (moderators).",
            {
                "name": OPTIONAL_STRING,
                "topic": OPTIONAL_STRING,
                "slow_mode_s": Field("integer", required=False, maximum=MAX_SLOW_MODE_S),
                "is_frozen": Field("boolean", required=False),
                "threads": Field("boolean", required=False),
                "everybody_pins": Field("boolean", required=False),
            },
            needs_channel=True,
            reply="channel",
        ),
        Operation("channel.archive", "Nobody may write in it any more (owners).", needs_channel=True, reply="channel"),
        Operation(
            "channel.join",
            "Enter a channel, or see it again; with `after`, what changed since.",
            {"after": NUMBER},
            needs_channel=True,
            reply="join",
        ),
        Operation(
            "channel.members",
            "Who is in a channel now, online first, in pages.",
            {"cursor": OPTIONAL_STRING},
            needs_channel=True,
            reply="members",
        ),
        Operation("channel.leave", "Leave a channel.", needs_channel=True),
        Operation(
            "channel.follow",
            "Belong to a channel for good, and be told so much of it.",
            {"level": Field("string", required=False, choices=tuple(level.value for level in Level))},
            needs_channel=True,
            reply="channel",
        ),
        Operation(
            "channel.unfollow", "Belong to a channel no longer, and leave it with this session.", needs_channel=True
        ),
        Operation(
            "message.send",
            "Post a message, stored once per nonce; with `thread`, into the thread of that message.",
            {
                "text": STRING,
                "nonce": STRING,
                "reply_to": OPTIONAL_STRING,
                "files": Field("ids", required=False, maximum=FILES_PER_MESSAGE, default=()),
                "thread": OPTIONAL_STRING,
                "also_in_channel": Field("boolean", required=False, default=False),
                "confirm": Field("boolean", required=False, default=False),
            },
            needs_channel=True,
            reply="sent",
        ),
        Operation(
            "message.edit",
            "Another text for one's own message.",
            {"id": STRING, "text": STRING},
            needs_channel=True,
            reply="message",
        ),
        Operation(
            "message.delete",
            "Take a message's text away (its author, moderators).",
            {"id": STRING},
            needs_channel=True,
            reply="message",
        ),
        Operation(
            "message.list",
            "A page by number: of the history, of what the channel's flow shows, or of a thread's replies.",
            {
                "before": NUMBER,
                "after": NUMBER,
                "around": NUMBER,
                "limit": Field("integer", required=False, minimum=1, maximum=100, default=50),
                "flow": Field("boolean", required=False),
                "thread": OPTIONAL_STRING,
            },
            needs_channel=True,
            reply="list",
        ),
        Operation(
            "message.edits",
            "What a message said before it was edited (its author, moderators).",
            {"id": STRING},
            needs_channel=True,
            reply="edits",
        ),
        Operation(
            "pin.add",
            "Keep a message at hand in its channel.",
            {"id": STRING},
            needs_channel=True,
            reply="pin",
        ),
        Operation("pin.remove", "No longer keep it at hand.", {"id": STRING}, needs_channel=True),
        Operation("pin.list", "The pinned messages, the newest pin first.", needs_channel=True, reply="pins"),
        Operation(
            "search",
            "A page of the messages that answer a query, newest first.",
            {
                "q": Field("string", required=False, default=""),
                "in": OPTIONAL_STRING,
                "from": OPTIONAL_STRING,
                "before": OPTIONAL_STRING,
                "after": OPTIONAL_STRING,
                "has": Field("string", required=False, choices=HAS),
                "thread": OPTIONAL_STRING,
                "cursor": OPTIONAL_STRING,
            },
            reply="hits",
        ),
        Operation(
            "reaction.add",
            "One's emoji on a message.",
            {"id": STRING, "emoji": STRING},
            needs_channel=True,
            reply="message",
        ),
        Operation(
            "reaction.remove",
            "Take one's emoji back.",
            {"id": STRING, "emoji": STRING},
            needs_channel=True,
            reply="message",
        ),
        Operation(
            "read",
            "Everything up to `number` is read; with `back`, nothing above it is.",
            {"number": Field("integer"), "back": Field("boolean", required=False, default=False)},
            needs_channel=True,
            reply="read",
        ),
        Operation(
            "thread.follow",
            "Be told of what is said in the thread of a message.",
            {"thread": STRING},
            needs_channel=True,
            reply="thread",
        ),
        Operation(
            "thread.unfollow", "Be told of it no longer.", {"thread": STRING}, needs_channel=True, reply="thread"
        ),
        Operation(
            "thread.read",
            "The thread's replies up to `number` are read.",
            {"thread": STRING, "number": Field("integer")},
            needs_channel=True,
            reply="thread_read",
        ),
        Operation(
            "typing",
            "Tell the others that one is typing, or no longer.",
            {"on": Field("boolean", required=False, default=True), "thread": OPTIONAL_STRING},
            needs_channel=True,
        ),
        Operation(
            "status", "Online or away, for this session.", {"status": Field("string", choices=("online", "away"))}
        ),
        Operation("sync", "What changed in these channels since.", {"channels": Field("cursors")}, reply="sync"),
        Operation(
            "report",
            "Have somebody else's message looked at.",
            {"id": STRING, "reason": STRING},
            needs_channel=True,
        ),
        Operation(
            "moderation.kick",
            "Out of the channel now.",
            {"user": STRING, "reason": REASON},
            needs_channel=True,
            reply="sanction",
        ),
        Operation("moderation.mute", "May not write, until then.", SANCTION, may_name_channel=True, reply="sanction"),
        Operation("moderation.ban", "May not be there, until then.", SANCTION, may_name_channel=True, reply="sanction"),
        Operation(
            "moderation.lift",
            "End the mutes and bans of a user there.",
            {"user": STRING, "reason": REASON},
            may_name_channel=True,
            reply="lifted",
        ),
        Operation(
            "moderation.purge",
            "Delete what a user wrote in the last hours.",
            {"user": STRING, "hours": Field("integer", minimum=1, maximum=MAX_PURGE_HOURS), "reason": REASON},
            may_name_channel=True,
            reply="purged",
        ),
        Operation("pong", "The answer to a ping.", reply=None),
    )
}
