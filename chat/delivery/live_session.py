"""The contract of a live session: what the hub and the runtime need of one, whatever its transport.

A transport subclasses LiveSession; the hub appends ready-made frames to its outbox and calls write() once per loop
turn. Pure: how bytes reach the client is the subclass's business.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple, Protocol

from chat.domain.events import Event
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.sessions import Credentials, SessionInfo, Status
from reaktor.errors import Bye
from reaktor.limits.ratelimit import TokenBucket

Frame = Any
"""What a wire format makes of an event; only sessions of that format look inside."""
Batch = Any
"""Frames in order, joined by their format: anything with a length in bytes. One serves all sessions sent the same."""


class WireFormat(Protocol):
    """Turns an event into what one kind of session writes. One object per format; the hub asks once per event.

    `tells_own_presence`: whether a user's sessions are told of their own user's status, too.
    """

    @property
    def tells_own_presence(self) -> bool: ...

    def encode(self, event: Event) -> Frame | None:
        """The frame; None when this format has no word for the event."""

    def join(self, frames: list[Frame]) -> Batch:
        """The frames as what is written at once; there is at least one."""


class Ended(NamedTuple):
    """When a connection ended (monotonic seconds), and the last seq that its client is known to have, per channel."""

    at: float
    heads: dict[ChannelKey, int]


class LiveSession(ABC):
    """One live client. `outbox` holds the frames of this loop turn; `channels` what it is in, as its hub delivers.

    `credentials` are those of its newest token; `info` names the log-in that it began with. `operations` counts what it
    asks (chat.live.operations).
    """

    __slots__ = (
        "began_after",
        "channels",
        "credentials",
        "ended",
        "format",
        "info",
        "is_open",
        "is_starting",
        "operations",
        "outbox",
        "sent",
        "status",
        "user",
        "waiting",
    )

    def __init__(self, info: SessionInfo, user: UserRef, wire_format: WireFormat, credentials: Credentials) -> None:
        self.info = info
        self.user = user
        self.format = wire_format
        self.credentials = credentials
        self.outbox: list[Frame] = []
        self.channels: set[ChannelKey] = set()
        self.status = Status.ONLINE
        self.is_open = True
        self.operations = TokenBucket()
        # While it starts, the membership may already put it into channels (`waiting`: key → catch up from that seq),
        # but nothing may be delivered before its greeting.
        self.is_starting = True
        self.waiting: dict[ChannelKey, int | None] = {}
        # How far it has been sent what it missed there; `waiting` follows when that has left this machine.
        self.sent: dict[ChannelKey, int] = {}
        # What it missed there began after this seq.
        self.began_after: dict[ChannelKey, int] = {}
        # What it was sent, where nothing more reaches it though what it said is still being carried out.
        self.ended: Ended | None = None

    @property
    def is_heard(self) -> bool:
        """Whether its client is known to have had its greeting. Whoever says what they have need not be asked."""
        return True

    @property
    def doubtful_since(self) -> float | None:
        """Its connection has ended: what it was sent since then (monotonic seconds) may not have arrived.

        None: all of it has, or its client says itself what it has.
        """
        return None

    @property
    @abstractmethod
    def unsent_bytes(self) -> int:
        """What was written and has not left this machine."""

    @property
    def is_writable(self) -> bool:
        """Whether nothing that it was sent is still waiting here: it can take more."""
        return not self.outbox and not self.unsent_bytes

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Send what the session's format joined, now or soon. Never blocks, never raises; dropped once closed."""

    @abstractmethod
    def close(self, bye: Bye) -> None:
        """Tell the client why, then end the connection. May be called twice."""

    @abstractmethod
    def tick(self, now: float) -> None:
        """Called about once a second with monotonic seconds: heartbeats, expiry of the token."""
