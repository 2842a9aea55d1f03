"""Why: what exactly was refused, in a word, where the code of an error says too little to somebody who reads.

Beside `code` in errors of REST and of live sessions, for clients that speak other languages than the server. Stable: a
word may be added, none is ever changed. What each means: docs/protocol.md, "Errors".
"""

from __future__ import annotations

from enum import StrEnum, auto


class Why(StrEnum):
    """`limit`, `names`: what goes along in the error."""

    # Accounts
    LOG_IN_WRONG = auto()
    SWITCHED_OFF = auto()
    STAFF_NEED_CODES = auto()
    CODE_WRONG = auto()
    APP_CODE_WRONG = auto()
    PASSWORD_WRONG = auto()
    PASSWORD_SHORT = auto()
    PASSWORD_COMMON = auto()
    PASSWORD_NUMERIC = auto()
    PASSWORD_SIMILAR = auto()
    APP_PASSWORD_ONLY_CHATS = auto()
    REGISTRATION_CLOSED = auto()
    INVITE_NEEDED = auto()
    INVITE_DEAD = auto()
    USERNAME_FORM = auto()
    USERNAME_RESERVED = auto()
    EMAIL_NEEDED = auto()
    EMAIL_FORM = auto()
    EMAIL_TAKEN = auto()
    NO_MAIL = auto()
    LINK_DEAD = auto()
    DISPLAY_NAME_TAKEN = auto()
    NOT_TO_BE_SHOWN = auto()
    ACCOUNT_TOO_NEW = auto()
    QUIET_HOURS_FORM = auto()

    # Who may
    ONLY_STAFF = auto()
    ONLY_OWNERS = auto()
    ONLY_MODERATORS = auto()
    ONLY_AUTHOR = auto()
    ONLY_MEMBERS = auto()
    BANNED_HERE = auto()
    BLOCKED = auto()
    NOT_REACHED = auto()  # names
    LAST_OWNER = auto()

    # Channels and messages
    NO_SUCH_USER = auto()
    NO_SUCH_CHANNEL = auto()
    NO_SUCH_MESSAGE = auto()
    MESSAGE_DELETED = auto()
    CHANNEL_NAME_FORM = auto()
    TEXT_TOO_LONG = auto()  # limit: characters
    WORDS_NOT_ALLOWED = auto()
    FROZEN = auto()
    SLOW_MODE = auto()  # limit: seconds
    THREADS_OFF = auto()
    IS_YOU = auto()
    GROUP_SIZE = auto()  # limit: people
    SEARCH_FORM = auto()

    # Too many
    TOO_MANY = auto()  # limit
    TOO_MANY_LINKS = auto()  # limit
    TOO_MANY_PINS = auto()  # limit
    TOO_MANY_REACTIONS = auto()
    TOO_MANY_BEGUN = auto()  # limit
    TOO_MANY_FILES = auto()  # limit

    # Files and pictures
    FILE_TOO_LARGE = auto()  # limit: bytes
    NO_ROOM = auto()  # limit: bytes
    FILE_EMPTY = auto()
    FILE_REFUSED = auto()
    FILE_SENT_ALREADY = auto()
    NO_PICTURE = auto()
    PICTURE_TOO_LARGE = auto()  # limit: millions of pixels
    PICTURE_TOO_COSTLY = auto()
    PICTURE_BROKEN = auto()
