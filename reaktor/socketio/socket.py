"""Socket: one client in one namespace; what the application holds and emits to."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

from reaktor.engineio.engine_session import EngineSession
from reaktor.engineio.packets import ReadyBatch, ReadyPacket
from reaktor.engineio.server import RESTARTING
from reaktor.socketio.connection import AckCallback, Connection, Message
from reaktor.socketio.handshake import Handshake
from reaktor.socketio.packet import ROOT, ready_ack

# What may be emitted before the client has been told that it joined.
MAX_HELD = 10_000


class SocketOwner(Protocol):
    """What a socket needs of its client: the session and the connection that its namespaces share."""

    session: EngineSession
    connection: Connection

    def say(self, messages: Iterable[Message]) -> None:
        """Send Engine.IO messages in order."""

    def disconnect(self, socket: Socket, *, close: bool) -> None:
        """See Socket.disconnect()."""


class Ack:
    """Answers one event, at most once; call it with the answer's arguments."""

    __slots__ = ("_client", "_namespace", "_number")

    def __init__(self, client: SocketOwner, namespace: str, number: int) -> None:
        self._client = client
        self._namespace = namespace
        self._number: int | None = number

    def __call__(self, *args: Any) -> None:
        """Send the answer; again, or after the end, nothing happens. Raises TypeError, ValueError: no JSON or bytes."""
        if self._number is None or not self._client.connection.is_joined(self._namespace):
            return
        messages = self._client.connection.ack(self._namespace, self._number, args)
        self._number = None
        self._client.say(messages)

    def ready(self, *args: Any) -> ReadyPacket | None:
        """The answer as a packet for Socket.write(), in order with the events there; None when it was given already.

        Raises TypeError, ValueError: no JSON, bytes among others.
        """
        if self._number is None:
            return None
        packet = ready_ack(self._number, *args, namespace=self._namespace)
        self._number = None
        return packet


class Socket:
    """Sending never blocks and never waits for the client; after the end it does nothing.

    `id` is what clients see as theirs. With Engine.IO 3 it is the transport's sid, which opens the session to whoever
    has it: log `label` instead. `attachment` is the application's own.
    """

    __slots__ = ("_client", "_held", "_is_joined", "_joined_by", "attachment", "handshake", "id", "namespace", "pid")

    def __init__(self, client: SocketOwner, namespace: str, socket_id: str, handshake: Handshake) -> None:
        self._client = client
        self._held: list[ReadyPacket | list[Message]] | None = []
        self._is_joined = False
        self._joined_by = math.inf
        self.namespace = namespace
        self.id = socket_id
        self.pid: str | None = None
        self.handshake = handshake
        self.attachment: Any = None

    def __repr__(self) -> str:
        return f"<Socket {self.label}>"

    @property
    def revision(self) -> int:
        """Engine.IO's, 3 or 4: what ReadyPacket.frame() and text() want."""
        return self._client.session.revision

    @property
    def label(self) -> str:
        """A name for logs."""
        suffix = "" if self.namespace == ROOT else self.namespace
        return f"{self._client.session.label}{suffix}"

    @property
    def is_gone(self) -> bool:
        """Whether its client has gone, having joined or not."""
        return self._client.session.is_closed

    @property
    def is_connected(self) -> bool:
        return self._is_joined and not self._client.session.is_closed

    @property
    def is_heard(self) -> bool:
        """Whether its client has said something since it was told that it joined, be it a heartbeat: so it knows.

        Until then it may have given up long ago, and nothing of what was sent has arrived.
        """
        return self._client.session.machine.received >= self._joined_by

    @property
    def doubtful_since(self) -> float | None:
        """See EngineSession."""
        return self._client.session.doubtful_since

    @property
    def is_writable(self) -> bool:
        """Whether something emitted now would leave at once."""
        return self._held is None and self._client.session.is_writable

    def emit(self, name: str, *args: Any, ack: AckCallback | None = None, volatile: bool = False) -> None:
        """Send one event; `ack` gets the client's answer, if one comes. Raises TypeError, ValueError: no JSON or bytes.

        A volatile one is dropped unless it can leave at once.
        """
        if (volatile and not self.is_writable) or not self._is_reachable:
            return
        messages = self._client.connection.event(self.namespace, name, args, ack)
        if self._held is not None:
            self._hold(messages)
        else:
            self._client.say(messages)

    def emit_ready(self, packet: ReadyPacket) -> None:
        """Send one ready event of this namespace."""
        self.write(ReadyBatch((packet,)))

    def write(self, batch: ReadyBatch) -> None:
        """Send ready events and answers of this namespace: the way of a fan-out."""
        if self._held is not None:
            for packet in batch.packets:
                self._hold(packet)
        elif self._is_joined:
            self._client.session.write(batch)

    def disconnect(self, *, close: bool = True) -> None:
        """Tell the client to stay away (`41`), and end the transport unless other namespaces are to go on."""
        self._client.disconnect(self, close=close)

    def close_transport(self, code: int = RESTARTING) -> None:
        """End the transport without `41`, so that the client comes back: for restarts. The code is for WebSockets."""
        self._client.session.close(code=code)

    # For the client

    @property
    def _is_reachable(self) -> bool:
        return self._held is not None or self.is_connected

    def _hold(self, item: ReadyPacket | list[Message]) -> None:
        if self._held is not None and len(self._held) < MAX_HELD:
            self._held.append(item)

    def release(self) -> None:
        """The client has been told that it joined: send what was emitted before."""
        held, self._held = self._held or [], None
        self._is_joined = True
        self._joined_by = self._client.session.machine.received_by
        for item in held:
            if isinstance(item, ReadyPacket):
                self.emit_ready(item)
            else:
                self._client.say(item)

    def left(self) -> None:
        """The client is in this namespace no more."""
        self._is_joined = False
