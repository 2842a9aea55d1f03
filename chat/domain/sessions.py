"""A live session as everybody knows it: who, from where, by which transport, online or away.

Shared by the membership (who is where) and the delivery (whom to write to). Plain values; pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from chat.domain.ids import SessionId, UserId, WorkerId


class Status(StrEnum):
    ONLINE = "online"
    AWAY = "away"


class Transport(StrEnum):
    NATIVE = "native"
    SOCKETIO = "socketio"


class LeftReason(StrEnum):
    """Why a user is no longer in a channel: asked to leave, has no session left, was taken out."""

    LEFT = "left"
    QUIT = "quit"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Grace:
    """How long a session that ended without a goodbye lingers as a member, and how long its channels are kept."""

    quit_s: float = 0.0
    keep_s: float = 0.0


class Ending(StrEnum):
    """How a session ended; what its transport knows of it."""

    LOST = "lost"
    GOODBYE = "goodbye"


class Naming(StrEnum):
    """Whether a client that comes back says which session it had. UNKNOWN: nobody can tell."""

    UNKNOWN = ""
    NEVER = "never"
    PERHAPS = "perhaps"
    """Its protocol has a word for it, and it has not had to use it yet."""
    ALWAYS = "always"
    """It has done so."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the token of a session says that the store may take back: the account's token version, the log-in's id;
    and whether it is good for more than reading.
    """

    token_version: int
    login: str
    can_write: bool = True


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One live session, as everybody knows it. `since` is Unix seconds; `login` is that of the token it came with.

    `naming` and `marks` (equal for two sessions of one client, as far as it can be seen) help to find the place of a
    client that comes back without naming one.
    """

    session_id: SessionId
    user_id: UserId
    username: str
    worker: WorkerId
    transport: Transport
    since: float
    grace: Grace = Grace()
    address: str = ""
    login: str = ""
    naming: Naming = Naming.UNKNOWN
    marks: str = ""
