"""Connection: the Socket.IO side of one client, as a state machine without I/O: namespaces, acks, binary assembly.

Messages of Engine.IO go in, what they mean comes out; what is to be said comes back as Engine.IO messages. Pure.
Source: Socket.IO protocol, revision 4 (with Engine.IO 3) and revision 5 (with Engine.IO 4), "Exchange protocol".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

from reaktor.engineio.packets import V3
from reaktor.socketio.attachments import Assembly, take_out
from reaktor.socketio.packet import (
    BINARY_TYPES,
    ROOT,
    Packet,
    PacketError,
    PacketType,
    dump_json,
    parse,
    serialize,
)

Message = str | bytes
AckCallback = Callable[[Sequence[Any]], None]
# An ack that a client never sends must not be remembered for ever: the oldest is forgotten.
MAX_PENDING_ACKS = 1_000


class Joining(Enum):
    """Where a namespace is with this client."""

    PENDING = "pending"
    JOINED = "joined"
    LEFT = "left"  # by us: packets that were under way are ignored


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """Answer with accept() or refuse(). `auth`: the CONNECT payload of revision 5; `query`: behind the namespace in 4.

    `pid` and `offset` are what a client that wants its state back says (connection state recovery, clients from 4.6).
    """

    namespace: str
    auth: Mapping[str, Any] | None = None
    query: str = ""
    pid: str | None = None
    offset: str | None = None


class EventReceived(NamedTuple):
    """An event; with an `id`, the client wants one ack()."""

    namespace: str
    name: str
    args: tuple[Any, ...]
    id: int | None


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The answer to an event of ours: call it."""

    callback: AckCallback
    args: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Left:
    """The client left a namespace; no answer."""

    namespace: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Say this."""

    messages: Sequence[Message]


Heard = ConnectRequested | EventReceived | AckReceived | Left | Reply


@dataclass(slots=True)
class _Namespace:
    joining: Joining = Joining.PENDING
    next_ack_id: int = 0
    acks: dict[int, AckCallback] = field(default_factory=dict)


class Connection:
    """One client. `engine_revision` 3 means Socket.IO's revision 4, and 4 means 5."""

    __slots__ = ("_assembly", "_namespaces", "_offered", "ascii_only", "revision")

    def __init__(self, engine_revision: int, offered: Collection[str]) -> None:
        self.revision = engine_revision + 1
        self.ascii_only = engine_revision == V3
        self._offered = offered
        self._namespaces: dict[str, _Namespace] = {}
        self._assembly: Assembly | None = None

    # Questions

    def is_joined(self, namespace: str) -> bool:
        return (entry := self._namespaces.get(namespace)) is not None and entry.joining is Joining.JOINED

    def is_wanted(self, namespace: str) -> bool:
        """Whether a ConnectRequested is still to be answered; in revision 4 nothing joins where `/` was refused."""
        entry = self._namespaces.get(namespace)
        if entry is None or entry.joining is not Joining.PENDING:
            return False
        return self.revision > 4 or namespace == ROOT or self.is_joined(ROOT)

    # From the client

    def opened(self) -> list[Heard]:
        """The transport is open. In revision 4 the server connects its client to `/` unasked."""
        return self._want(ConnectRequested(ROOT)) if self.revision == 4 else []

    def receive(self, message: Message) -> list[Heard]:
        """One message. Raises PacketError: close the connection; nothing of the message took effect."""
        if isinstance(message, bytes):
            if self._assembly is None:
                raise PacketError("binary data that nothing announced")
            finished = self._assembly.add(message)
            if finished is None:
                return []
            self._assembly = None
            return self._on_packet(finished)
        if self._assembly is not None:
            raise PacketError("text while binary data is due")
        packet = parse(message, self.revision)
        if packet.type in BINARY_TYPES:
            assembly = Assembly(packet)
            if packet.attachments:
                self._assembly = assembly
                return []
            packet = assembly.finish()
        return self._on_packet(packet)

    def _on_packet(self, packet: Packet) -> list[Heard]:
        if packet.type is PacketType.CONNECT:
            return self._on_connect(packet)
        entry = self._namespaces.get(packet.namespace)
        if entry is None or entry.joining is not Joining.JOINED:
            if self.revision > 4 and (entry is None or entry.joining is Joining.PENDING):
                raise PacketError("a packet for a namespace that is not connected")
            return []
        if packet.type is PacketType.EVENT:
            name, *args = packet.data
            text = name if isinstance(name, str) else dump_json(name, ascii_only=True)
            return [EventReceived(packet.namespace, text, tuple(args), packet.id)]
        if packet.type is PacketType.DISCONNECT:
            del self._namespaces[packet.namespace]
            return [Left(packet.namespace)]
        callback = entry.acks.pop(packet.id if packet.id is not None else -1, None)
        return [AckReceived(callback, tuple(packet.data))] if callback is not None else []

    def _on_connect(self, packet: Packet) -> list[Heard]:
        known = self._namespaces.get(packet.namespace)
        if known is not None and known.joining is not Joining.LEFT:
            if self.revision > 4:
                raise PacketError("a second CONNECT for one namespace")
            return []
        if self.revision == 4 and packet.namespace == ROOT:
            # Clients of 2.x confirm what the server did unasked.
            return []
        if packet.namespace not in self._offered:
            return [Reply(self._refusal(packet.namespace, "Invalid namespace", None))]
        auth = dict(packet.data) if packet.data is not None else None
        pid, offset = (auth.pop("pid", None), auth.pop("offset", None)) if auth else (None, None)
        return self._want(
            ConnectRequested(
                packet.namespace,
                auth,
                packet.query,
                pid if isinstance(pid, str) else None,
                offset if isinstance(offset, str) else None,
            )
        )

    def _want(self, request: ConnectRequested) -> list[Heard]:
        self._namespaces[request.namespace] = _Namespace()
        return [request]

    # To the client; each returns the messages to send, in order

    def accept(self, namespace: str, sid: str, pid: str | None = None) -> list[Message]:
        """The client has joined. `sid`: the socket's id, `pid`: a private id that lets it ask for its state later."""
        self._namespaces[namespace].joining = Joining.JOINED
        data: dict[str, str] | None = None
        if self.revision > 4:
            data = {"sid": sid} if pid is None else {"sid": sid, "pid": pid}
        return self._encode(Packet(PacketType.CONNECT, namespace, data))

    def refuse(self, namespace: str, message: str, data: Any = None) -> list[Message]:
        """The client may not join; it may ask again."""
        self._namespaces.pop(namespace, None)
        return self._refusal(namespace, message, data)

    def event(self, namespace: str, name: str, args: Sequence[Any], callback: AckCallback | None) -> list[Message]:
        """An event, whose ack goes to `callback`. Raises TypeError, ValueError: not JSON, or too many attachments."""
        entry = self._namespaces[namespace]
        number = entry.next_ack_id if callback is not None else None
        messages = self._encode(Packet(PacketType.EVENT, namespace, [name, *args], number))
        if callback is not None:
            entry.acks[entry.next_ack_id] = callback
            entry.next_ack_id += 1
            if len(entry.acks) > MAX_PENDING_ACKS:
                del entry.acks[next(iter(entry.acks))]
        return messages

    def ack(self, namespace: str, number: int, args: Sequence[Any]) -> list[Message]:
        """The answer to an EventReceived with this id; the caller sees to it that there is only one."""
        return self._encode(Packet(PacketType.ACK, namespace, list(args), number))

    def leave(self, namespace: str) -> list[Message]:
        """The server takes the client out of a namespace: DISCONNECT, after which clients stay away."""
        entry = self._namespaces[namespace]
        entry.joining = Joining.LEFT
        entry.acks.clear()
        return self._encode(Packet(PacketType.DISCONNECT, namespace))

    def _refusal(self, namespace: str, message: str, data: Any) -> list[Message]:
        payload: Any
        if self.revision > 4:
            payload = {"message": message} if data is None else {"message": message, "data": data}
        else:
            # Clients of 1.x and 2.x hand what comes here to their `error` event, most of them as text.
            payload = message if data is None else data
        return self._encode(Packet(PacketType.CONNECT_ERROR, namespace, payload))

    def _encode(self, packet: Packet) -> list[Message]:
        try:
            return [serialize(packet, ascii_only=self.ascii_only)]
        except TypeError:
            data, attachments = take_out(packet.data)
        if not attachments:
            raise TypeError("event arguments must be JSON values or bytes")
        kind = PacketType.BINARY_EVENT if packet.type is PacketType.EVENT else PacketType.BINARY_ACK
        packet = packet._replace(type=kind, data=data, attachments=len(attachments))
        return [serialize(packet, ascii_only=self.ascii_only), *attachments]
