"""Rows of the replaced server as they stand in its Redis, read as generously as can be. Pure.

A user is the hash `user__<name>` with the bcrypt hash under `password`; a channel is {"key", "name"} as JSON in a list
`channel__…`; a message is {"message", "user", "date"} as JSON in the list `channel_msg__<key>`, oldest first. The old
server checked little, so a message may be a number or an object, a date nonsense, a name anything.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import orjson

from chat.domain.errors import RowError
from chat.domain.formatting import shortened
from chat.domain.rules import NAME_CHARS, check_channel_key, has_unstorable
from reaktor.errors import InvalidError
from reaktor.times import parse_timestamp

_BCRYPT = re.compile(r"\$2[abxy]\$\d\d\$[./A-Za-z0-9]{53}")
_REPLACEMENT = "\ufffd"

NO_TEXT = "a message without a text: left out"
NOT_JSON = "a row that is not a JSON object: left out"
CUT = "a text longer than LIMIT_TEXT_CHARS: cut"
NO_STRING = "a text that was a number, an object or the like: kept as JSON"
UNSTORABLE = "characters that can't be stored: replaced by U+FFFD"
NO_DATE = "a date that can't be read: that of the message before it"
NO_PASSWORD = "a user without a usable bcrypt hash: can't log in until staff sets a password"  # noqa: S105  a sentence
NEW_KEY = "a channel key that is not allowed here: another key"
NEW_NAME = "a channel name that is empty or too long: the key, or cut"


@dataclass(frozen=True, slots=True)
class SeedChannel:
    """`original_key` is what its messages are filed under; `key` what it has here."""

    original_key: str
    key: str
    name: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SeedMessage:
    """`at` None: the date could not be read."""

    author: str
    text: str
    at: datetime | None
    notes: list[str] = field(default_factory=list)


def text_of(raw: bytes) -> str:
    """Bytes of Redis as text; what is no UTF-8 is replaced."""
    return raw.decode("utf-8", "replace")


def digest(text: str, chars: int) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:chars]


def usable_hash(raw: bytes | None) -> str | None:
    """The bcrypt hash, if it is one."""
    found = text_of(raw).strip() if raw is not None else ""
    return found if _BCRYPT.fullmatch(found) else None


def parse_channel(raw: bytes) -> SeedChannel:
    """An entry of a channel list. Raises RowError."""
    row = _object(raw)
    key = row.get("key")
    if not isinstance(key, str) or not key:
        raise RowError("a channel without a key: left out")
    return channel_of(key, row.get("name"))


def channel_of(original_key: str, name: object) -> SeedChannel:
    """The channel for a key of the old server; one that is not allowed here gets another, always the same."""
    notes = []
    try:
        key: str = check_channel_key(original_key)
    except InvalidError:
        key = f"imported-{digest(original_key, 16)}"
        notes.append(NEW_KEY)
    wanted = storable(name).strip() if isinstance(name, str) else ""
    if not 1 <= len(wanted) <= NAME_CHARS:
        wanted = (wanted or storable(original_key).strip() or key)[:NAME_CHARS]
        if name is not None:
            notes.append(NEW_NAME)
    return SeedChannel(original_key, key, wanted, tuple(notes))


def parse_message(raw: bytes, max_chars: int) -> SeedMessage:
    """An entry of a message list. Raises RowError."""
    row = _object(raw)
    text = row.get("message")
    if text is None:
        raise RowError(NO_TEXT)
    notes: list[str] = []
    if not isinstance(text, str):
        text = json.dumps(text, ensure_ascii=False)
        notes.append(NO_STRING)
    # Nearly all of them are plain, and a look at every character costs most of the reading.
    if not (text.isascii() and "\x00" not in text) and has_unstorable(text):
        text = storable(text)
        notes.append(UNSTORABLE)
    if len(text) > max_chars:
        text = shortened(text, max_chars)
        notes.append(CUT)
    author = row.get("user")
    at = _date(row.get("date"))
    if at is None:
        notes.append(NO_DATE)
    return SeedMessage(author if isinstance(author, str) else json.dumps(author), text, at, notes)


def storable(text: str) -> str:
    """Without NUL and halves of characters; two halves that belong together become one."""
    joined = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return joined.replace("\x00", _REPLACEMENT)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        row = orjson.loads(raw)
    except orjson.JSONDecodeError:
        row = _lenient(raw)
    if not isinstance(row, dict):
        raise RowError(NOT_JSON)
    return row


def _lenient(raw: bytes) -> Any:
    """What the quick reader refuses and the old server wrote all the same: halves of characters, bytes of no text."""
    try:
        return json.loads(text_of(raw))
    except (ValueError, RecursionError):
        return None


def _date(value: object) -> datetime | None:
    try:
        if isinstance(value, str):
            return parse_timestamp(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None
