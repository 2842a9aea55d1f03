"""One request of each operation as a client would send it, for the AsyncAPI document and its page.

Plain values by the operation's name: what stands under `data`; the channel is CHANNEL where one may be named. A test
sends each to a real server, with what that server calls the tokens, people and messages in them.
"""

from __future__ import annotations

from typing import Any

from chat.transports.native.operations import OPERATIONS, Operation

CHANNEL = "tea"
MESSAGE = "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a69"
TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…"  # noqa: S105  the beginning of any
USER = "bob"

_DATA: dict[str, dict[str, Any]] = {
    "hello": {"token": TOKEN, "resume": {CHANNEL: 0}},
    "auth.refresh": {"token": TOKEN},
    "channel.list": {"search": "tea"},
    "channel.create": {"name": "Tea", "kind": "public", "topic": "Green, black, and how long"},
    "channel.update": {"topic": "Coffee is fine, too", "slow_mode_s": 5},
    "channel.join": {"after": 0},
    "channel.members": {},
    "channel.follow": {"level": "all"},
    "message.send": {"text": "Hello!", "nonce": "first"},
    "message.edit": {"id": MESSAGE, "text": "Hello, all!"},
    "message.delete": {"id": MESSAGE},
    "message.list": {"before": 100, "limit": 50},
    "message.edits": {"id": MESSAGE},
    "pin.add": {"id": MESSAGE},
    "pin.remove": {"id": MESSAGE},
    "search": {"q": 'tea "with milk" -coffee', "in": CHANNEL, "has": "link"},
    "reaction.add": {"id": MESSAGE, "emoji": "👍"},
    "reaction.remove": {"id": MESSAGE, "emoji": "👍"},
    "read": {"number": 1},
    "thread.follow": {"thread": MESSAGE},
    "thread.unfollow": {"thread": MESSAGE},
    "thread.read": {"thread": MESSAGE, "number": 1},
    "typing": {"on": True},
    "status": {"status": "away"},
    "sync": {"channels": {CHANNEL: 0}},
    "report": {"id": MESSAGE, "reason": "insulting"},
    "moderation.kick": {"user": USER, "reason": "too loud"},
    "moderation.mute": {"user": USER, "until": "2100-01-31T12:00:00Z", "reason": "too loud"},
    "moderation.ban": {"user": USER, "until": "2100-01-31T12:00:00Z", "reason": "spam"},
    "moderation.lift": {"user": USER, "reason": "sorry"},
    "moderation.purge": {"user": USER, "hours": 24, "reason": "spam"},
}


def example(operation: Operation) -> dict[str, Any]:
    """The whole frame."""
    frame: dict[str, Any] = {"op": operation.name}
    if operation.reply is not None:
        frame = {"id": 1, **frame}
    if operation.needs_channel or operation.may_name_channel:
        frame["channel"] = CHANNEL
    return frame | ({"data": _DATA[operation.name]} if operation.fields else {})


EXAMPLES = {name: example(operation) for name, operation in OPERATIONS.items()}
