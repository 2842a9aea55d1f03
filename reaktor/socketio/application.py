"""What sits on top of Socket.IO: the application's side, and the values that pass the border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from reaktor.engineio.application import Refusal
from reaktor.engineio.packets import ReadyPacket
from reaktor.socketio.connection import ConnectRequested
from reaktor.socketio.handshake import Handshake
from reaktor.socketio.socket import Ack, Socket


@dataclass(frozen=True, slots=True)
class Accepted:
    """The client may join. The fields serve connection state recovery (Engine.IO 4, clients from 4.6 on).

    `pid` makes the client remember the last argument of each event, if that is a string, as its offset. To bring a
    session back answer with its old `sid` and `pid`; `missed` is sent before the client is told that it has joined.
    """

    sid: str | None = None
    pid: str | None = None
    missed: Sequence[ReadyPacket] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """The client may not join: `44` with the reason, in its revision's form. Engine.IO 3 gets `data` in its place."""

    message: str
    data: Any = None
    close: bool = False


@dataclass(frozen=True, slots=True)
class NotNow:
    """The client may come back, and will: the transport is closed without a word. Clients from 3.x on that are told
    `44` never try again by themselves."""


class DisconnectReason(StrEnum):
    """Why a socket ended."""

    CLIENT_LEFT = "client left the namespace"
    SERVER_LEFT = "server ended the namespace"
    CLIENT_CLOSED = "client closed"
    SERVER_CLOSED = "server closed"
    LOST = "transport lost"
    PING_TIMEOUT = "ping timeout"
    MALFORMED = "malformed packet"
    TOO_LARGE = "too large"
    OVERLAP = "overlapping requests"
    FLOOD = "too many packets"
    TOO_SLOW = "too slow"


class Application(Protocol):
    """Called in the loop, for one client strictly in order, for different ones side by side.

    A client that sends faster than these return is made to wait. What they raise is logged; only connect() ends the
    connection with it.
    """

    async def admit(self, handshake: Handshake) -> Refusal | None:
        """A polling handshake, before there is a session: a Refusal answers it with that status and JSON object."""

    async def connect(self, socket: Socket, request: ConnectRequested) -> Accepted | Refused | NotNow:
        """A client wants to join `request.namespace`. What is emitted here follows the answer."""

    async def connected(self, socket: Socket) -> None:
        """It has joined, and its client has been told."""

    def event_at_once(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> bool:
        """An event while nothing of this client is under way: whether that was all, without waiting. Else event()."""

    async def event(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> None:
        """An event; bytes stand where the client put binary data. With `ack`, the client wants it called once."""

    def ended(self, socket: Socket) -> None:
        """Its transport has ended: what is emitted from now on is dropped. disconnected() follows, in its turn."""

    async def disconnected(self, socket: Socket, reason: DisconnectReason) -> None:
        """The end of a socket that connect() accepted, exactly once; what is emitted now is dropped."""
