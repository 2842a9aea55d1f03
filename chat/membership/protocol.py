"""What is said about the live membership: Commands (wishes), Changes (facts), Positions, Snapshots, Transitions.

Feeders send Commands, the authority answers with Batches of Changes, replicas turn those into Transitions: what
this worker's runtime must do (index, tell). wire.py makes JSON of them. Source: docs/architecture.md, "Membership".
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from typing import NamedTuple

from chat.domain.ids import ChannelKey, CommandId, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, LeftReason, SessionInfo, Status

PARTS = 4_096
"""Parts of the membership: each user is in one. A slice is what is shown of one or more of them. With 100,000 sessions
there are 25 in each."""
ALL_PARTS = range(PARTS)


def part_of(user_id: UserId) -> int:
    """The part that a user is in, the same in each process."""
    return zlib.crc32(user_id.encode()) % PARTS


class Position(NamedTuple):
    """Where in the stream of changes: one life of an authority, and how many changes into it."""

    epoch: int
    revision: int


class Mandate(NamedTuple):
    """Who may decide: the epoch and the term that the row of the lease names."""

    epoch: int
    term: str


# -- Commands -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """A session wants to be live.

    `resume`: whose place it takes, live or kept, by its id or the part before a dot; refused when that is not there.
    None: that of a lost session of this user, the likeliest one (KeptSessions.likeliest()), if there is one.
    """

    session: SessionInfo
    resume: SessionId | None = None


@dataclass(frozen=True, slots=True)
class Disconnect:
    """A session ended. `heads`: the last seq it was sent, per channel (what a later session is caught up from).

    One that was lost lingers and is kept, as its grace has it; after a goodbye nothing is kept.
    """

    session_id: SessionId
    ending: Ending = Ending.LOST
    heads: dict[ChannelKey, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Join:
    """A session wants to be in a channel. `head`: where the channel was then, for who can say it.

    `others`: more sessions of that user, which enter in the same change: all of them are told that the user joined.
    """

    session_id: SessionId
    channel: ChannelKey
    head: int | None = None
    others: tuple[SessionId, ...] = ()


@dataclass(frozen=True, slots=True)
class Leave:
    session_id: SessionId
    channel: ChannelKey


@dataclass(frozen=True, slots=True)
class SetStatus:
    session_id: SessionId
    status: Status


@dataclass(frozen=True, slots=True)
class AnnouncedSession:
    """A session as its own worker knows it, for Hello.

    `is_connecting`: its Connect has no outcome yet and will come again. What the authority knows of it stays.
    """

    session: SessionInfo
    status: Status
    channels: frozenset[ChannelKey]
    is_connecting: bool = False


@dataclass(frozen=True, slots=True)
class Hello:
    """Everything a worker has: the authority's picture of that worker becomes this."""

    worker: WorkerId
    sessions: tuple[AnnouncedSession, ...] = ()


@dataclass(frozen=True, slots=True)
class DropWorker:
    """A worker's process is gone: each of its sessions ended without a goodbye; its later commands are refused."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class BeginLife:
    """A host was started anew: the workers of its lives before this one are gone, as by DropWorker."""

    host: int
    life: int


@dataclass(frozen=True, slots=True)
class LoseHost:
    """Nothing is heard of a host. Its sessions are lost as by DropWorker, but its workers are not taken for dead:
    a later Hello of one of them brings back those that nobody has taken over.
    """

    host: int


@dataclass(frozen=True, slots=True)
class LoseWorker:
    """Nothing is heard of a worker: as LoseHost, for it alone."""

    worker: WorkerId


@dataclass(frozen=True, slots=True)
class Block:
    """The user may not be in the channel (None: anywhere) until then (Unix seconds; None: for good).

    `code` and `reason` are what the closed sessions are told.
    """

    user_id: UserId
    channel: ChannelKey | None
    until: float | None
    code: str = "banned"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unblock:
    user_id: UserId
    channel: ChannelKey | None


@dataclass(frozen=True, slots=True)
class EndSessions:
    """Every live session of the user ends now, as said by `code` (a CloseCode's number).

    With a code that means "come back" their places are kept, as after a loss; with any other one nothing is.
    """

    user_id: UserId
    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EndSession:
    """One session of the user ends for good, as said by `code` (a CloseCode's number)."""

    user_id: UserId
    session_id: SessionId
    code: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed: lingering sessions, kept channels and blocks come to their end."""


Command = (
    Connect
    | Disconnect
    | Join
    | Leave
    | SetStatus
    | Hello
    | DropWorker
    | BeginLife
    | LoseHost
    | LoseWorker
    | Block
    | Unblock
    | EndSessions
    | EndSession
    | Tick
)


# -- Changes ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """A session is live, and in these channels (those of the session it took over, else none).

    `took_over`: the lingering or kept session that ends with this, its heads and its status beside it.
    """

    session: SessionInfo
    channels: frozenset[ChannelKey] = frozenset()
    took_over: SessionId | None = None
    heads: dict[ChannelKey, int] = field(default_factory=dict)
    status: Status = Status.ONLINE


@dataclass(frozen=True, slots=True)
class Lingering:
    """A session lost its connection; it still counts as a member until it is Disconnected."""

    session_id: SessionId
    until: float


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A session is gone, and with it its channels. `close_code` set: its worker must tell and close it."""

    session_id: SessionId
    reason: LeftReason = LeftReason.QUIT
    close_code: int | None = None
    close_reason: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """A session is in a channel now, and so are `others` of the same user."""

    session_id: SessionId
    channel: ChannelKey
    others: tuple[SessionId, ...] = ()

    @property
    def session_ids(self) -> tuple[SessionId, ...]:
        return tuple(dict.fromkeys((self.session_id, *self.others)))


@dataclass(frozen=True, slots=True)
class Left:
    session_id: SessionId
    channel: ChannelKey
    reason: LeftReason = LeftReason.LEFT
    text: str = ""


@dataclass(frozen=True, slots=True)
class StatusChanged:
    session_id: SessionId
    status: Status


Change = Connected | Lingering | Disconnected | Joined | Left | StatusChanged


@dataclass(frozen=True, slots=True)
class Outcome:
    """The authority's answer to one command: accepted, or refused with an ErrorCode's word."""

    command_id: CommandId
    code: str | None = None

    @property
    def is_accepted(self) -> bool:
        return self.code is None


@dataclass(frozen=True, slots=True)
class Batch:
    """One publish of the authority: changes first_revision, first_revision + 1, …, and answers to commands.

    With no changes, `first_revision` is the next revision to come (position + 1). `succeeds`: this authority began with
    what has that digest, which the one before had handed over; empty: not said.
    """

    epoch: int
    first_revision: int
    changes: tuple[Change, ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    term: str = ""
    succeeds: str = ""

    @property
    def mandate(self) -> Mandate:
        return Mandate(self.epoch, self.term)

    @property
    def last_revision(self) -> int:
        return self.first_revision + len(self.changes) - 1


@dataclass(frozen=True, slots=True)
class SnapshotSession:
    """One session in a snapshot, lingering ones included.

    `took_over` and `heads` as in Connected, for sessions so young that their worker may have missed that change.
    """

    session: SessionInfo
    status: Status
    channels: frozenset[ChannelKey]
    lingering_until: float | None = None
    took_over: SessionId | None = None
    heads: dict[ChannelKey, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A slice of the live membership at a position: the sessions of the users of some parts, or of all.

    Of no part: it only says where the authority stands, as a heartbeat does.
    """

    position: Position
    sessions: tuple[SnapshotSession, ...] = ()
    term: str = ""
    parts: range = ALL_PARTS

    @property
    def mandate(self) -> Mandate:
        return Mandate(self.position.epoch, self.term)


# -- Transitions --------------------------------------------------------------------------------------------------
# Their order says who is told of whom: a session that joins enters before its MemberJoined, and is told of it like
# everybody else; one that is put back (Connected, a snapshot) enters after it; one that goes is gone before MemberLeft.


@dataclass(frozen=True, slots=True)
class SessionEntered:
    """A session of this worker is in a channel now. `after`: catch it up with what came after that seq."""

    session_id: SessionId
    channel: ChannelKey
    after: int | None = None


@dataclass(frozen=True, slots=True)
class SessionExited:
    """A session of this worker that lives on is no longer in a channel."""

    session_id: SessionId
    channel: ChannelKey
    reason: LeftReason
    text: str = ""


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session of this worker is live no longer, and with that in no channel (no SessionExited is said).

    `close_code` set: tell and close it. Not set: its worker said so itself, else it is to be closed as one that
    may come back. While a session lingers, its MemberLeft are still to come.
    """

    session_id: SessionId
    close_code: int | None = None
    close_reason: str = ""


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """A user is in a channel now and was not before."""

    channel: ChannelKey
    user_id: UserId
    username: str
    status: Status


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """A user is no longer in a channel. With QUIT, one such transition per channel of the user, side by side."""

    channel: ChannelKey
    user_id: UserId
    username: str
    reason: LeftReason


@dataclass(frozen=True, slots=True)
class PresenceChanged:
    """A user's status (the best of their sessions) is another now; `channels`: where they are a member."""

    user_id: UserId
    username: str
    status: Status
    channels: frozenset[ChannelKey]


Transition = SessionEntered | SessionExited | SessionEnded | MemberJoined | MemberLeft | PresenceChanged
