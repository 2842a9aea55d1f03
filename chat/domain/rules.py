"""What input may look like: names, keys, texts, reasons, times. Who may do what is chat.domain.policies'.

Checks return the value to store or raise a ReaktorError. Used by services, actions, transports,
admin and the import. No I/O.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime

from chat.domain.emoji import emoji_spelled
from chat.domain.formatting import shortened
from chat.domain.ids import ChannelKey
from chat.domain.policies import ChannelKind
from reaktor.errors import InvalidError, NotFoundError, TooLargeError
from reaktor.scripts import is_unseen, without_turns
from reaktor.why import Why

_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
RESERVED_KEY_PREFIXES = ("dm-", "prv-")
UNNAMED = {ChannelKind.DIRECT: "Direct", ChannelKind.GROUP: "Group"}
"""As what channels are stored that are called by their members' names."""
NONCE_CHARS = 64
EMOJI_CHARS = 32
NAME_CHARS = 80
TOPIC_CHARS = 400
REASON_CHARS = 400
VIA_CHARS = 64
"""Of the name that a webhook's message is shown with."""


def check_text(text: object, *, max_chars: int, may_be_empty: bool = False) -> str:
    """A message's text as sent, never trimmed or escaped. `may_be_empty`: it has something else to say.

    Raises InvalidError, TooLargeError.
    """
    if not isinstance(text, str):
        raise InvalidError("The text must be a string.", fields={"text": "must be a string"})
    if len(text) > max_chars:
        raise TooLargeError(
            f"A message has at most {max_chars} characters.",
            fields={"text": "too long"},
            why=Why.TEXT_TOO_LONG,
            limit=max_chars,
        )
    if is_unseen(text) and not (may_be_empty and not text):
        raise InvalidError("The text is blank.", fields={"text": "blank"})
    if has_unstorable(text):
        raise InvalidError("The text has characters that can't be stored.", fields={"text": "NUL or half a character"})
    return text


def has_unstorable(text: str) -> bool:
    """NUL (PostgreSQL refuses it) and lone surrogates (UTF-8 has no form for them)."""
    return _UNSTORABLE.search(text) is not None


def check_nonce(nonce: object) -> str:
    """A client's own name for one sending, 1 to 64 characters. Raises InvalidError."""
    if not isinstance(nonce, str) or not 1 <= len(nonce) <= NONCE_CHARS or has_unstorable(nonce):
        raise InvalidError("The nonce must be a string of 1 to 64 characters.", fields={"nonce": "1 to 64 characters"})
    return nonce


def check_emoji(emoji: object) -> str:
    """One emoji in its one spelling, or a short word: 1 to 32 characters without blanks. Raises InvalidError."""
    if isinstance(emoji, str) and 1 <= len(emoji) <= EMOJI_CHARS and not has_unstorable(emoji):
        spelled = emoji_spelled(emoji) or unicodedata.normalize("NFC", emoji)
        if len(spelled) <= EMOJI_CHARS and (emoji_spelled(emoji) or _is_word(spelled)):
            return spelled
    raise InvalidError("That is not an emoji.", fields={"emoji": "1 to 32 characters, no blanks"})


def emoji_spellings(emoji: str, spelled: str) -> list[str]:
    """How a checked emoji may stand in the database, since versions before stored it as it was sent."""
    return list({emoji, spelled, spelled.replace("\ufe0f", "")})


def _is_word(text: str) -> bool:
    return text.isprintable() and not any(is_unseen(char) for char in text)


def check_channel_key(key: object) -> ChannelKey:
    """A key that a client may name freely: `[A-Za-z0-9_-]{1,64}`, no reserved prefix. Raises InvalidError."""
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidError("That is not a channel key.", fields={"channel": "letters, digits, - and _, at most 64"})
    if key.startswith(RESERVED_KEY_PREFIXES):
        raise InvalidError("Keys beginning with dm- and prv- are given by the server.", fields={"channel": "reserved"})
    return ChannelKey(key)


def reserved_channel_key(kind: ChannelKind, random_key: str) -> ChannelKey:
    """The key of a channel that is closed: its prefix, and as much of the random key as fits beside it."""
    return ChannelKey(f"{'dm-' if kind.is_direct else 'prv-'}{random_key}")


def is_direct_key(key: ChannelKey) -> bool:
    """Whether it is that of a direct channel, or of a group."""
    return key.startswith("dm-")


def parse_channel_key(key: object) -> ChannelKey:
    """The key of a channel that should exist. Raises InvalidError (no string), NotFoundError (no possible key)."""
    if not isinstance(key, str):
        raise InvalidError("The channel must be a string.", fields={"channel": "must be a string"})
    if not _KEY.fullmatch(key):
        raise NotFoundError("There is no such channel.", why=Why.NO_SUCH_CHANNEL)
    return ChannelKey(key)


def check_channel_name(name: object) -> str:
    """A channel's name, trimmed, 1 to 80 characters of which one can be seen. Raises InvalidError."""
    shown = without_turns(name).strip() if isinstance(name, str) else ""
    if not len(shown) <= NAME_CHARS or is_unseen(shown) or has_unstorable(shown):
        raise InvalidError(
            "A channel's name has 1 to 80 characters.", fields={"name": "1 to 80 characters"}, why=Why.CHANNEL_NAME_FORM
        )
    return shown


def shown_via(name: object) -> str:
    """The name that a webhook's message is shown with, on one line; "" where nothing is left to show."""
    if not isinstance(name, str) or has_unstorable(name):
        return ""
    shown = shortened(" ".join(without_turns(name).split()), VIA_CHARS).strip()
    return "" if is_unseen(shown) else shown


def check_topic(topic: object) -> str:
    shown = without_turns(topic).strip() if isinstance(topic, str) else None
    if shown is None or len(shown) > TOPIC_CHARS or has_unstorable(shown):
        raise InvalidError("A topic has at most 400 characters.", fields={"topic": "at most 400 characters"})
    return shown


def check_reason(reason: object) -> str:
    """Why, in at most 400 characters, trimmed; may be empty. Raises InvalidError."""
    if not isinstance(reason, str) or len(reason.strip()) > REASON_CHARS or has_unstorable(reason):
        wrong = f"at most {REASON_CHARS} characters"
        raise InvalidError(f"A reason has {wrong}.", fields={"reason": wrong})
    return reason.strip()


def check_until(until: datetime | None, now: datetime) -> datetime | None:
    """An end that is still to come; None: for good. Raises InvalidError."""
    if until is not None and until <= now:
        raise InvalidError("That time is over already.", fields={"until": "must be in the future"})
    return until


def check_in_thread(thread: str | None, *, also_in_channel: bool) -> None:
    """Raises InvalidError for what stands in the channel alone, and says that it does so, too."""
    if also_in_channel and thread is None:
        raise InvalidError("Only what is in a thread is also in the channel.", fields={"also_in_channel": "no thread"})
