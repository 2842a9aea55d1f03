"""A Socket.IO application with the three behaviours that the published Socket.IO suite drives, and a few of ours.

`auth` with the CONNECT payload on joining, `message` answered by `message-back`, `message-with-ack` by an ack. Ours:
`echo` acks its arguments, `ask` lets the client ack, `say` emits what it is told, `kick` and `restart` end the session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reaktor.engineio.application import Refusal
from reaktor.socketio.application import Accepted, DisconnectReason, Refused
from reaktor.socketio.connection import ConnectRequested
from reaktor.socketio.handshake import Handshake
from reaktor.socketio.packet import ready_event
from reaktor.socketio.socket import Ack, Socket

NAMESPACES = ("/", "/custom")
BAD_TOKEN = "bad"


class SuiteApplication:
    """Refuses `token=bad` wherever it comes from; keeps what it was told, for tests."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.reasons: list[DisconnectReason] = []
        self.events: list[tuple[str, tuple[Any, ...]]] = []

    async def admit(self, handshake: Handshake) -> Refusal | None:
        if handshake.query.get("token") == BAD_TOKEN:
            return Refusal(401, {"error": "Token is not valid"})
        return None

    async def connect(self, socket: Socket, request: ConnectRequested) -> Accepted | Refused:
        token = (request.auth or {}).get("token", socket.handshake.query.get("token"))
        if token == BAD_TOKEN:
            return Refused("Token is not valid", close=True)
        socket.attachment = dict(request.auth or {})
        return Accepted()

    async def connected(self, socket: Socket) -> None:
        self.sockets.append(socket)
        socket.emit("auth", socket.attachment)

    def event_at_once(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> bool:
        return False

    async def event(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> None:
        self.events.append((name, tuple(args)))
        match name:
            case "message":
                socket.emit("message-back", *args)
            case "message-with-ack" | "echo" if ack is not None:
                ack(*args)
            case "ask":
                socket.emit("question", *args, ack=lambda values: socket.emit("answered", *values))
            case "say":
                socket.emit(*args)
            case "say-ready":
                socket.emit_ready(ready_event(*args, namespace=socket.namespace))
            case "kick":
                socket.disconnect()
            case "restart":
                socket.close_transport()
            case _:
                pass

    def ended(self, socket: Socket) -> None:
        pass

    async def disconnected(self, socket: Socket, reason: DisconnectReason) -> None:
        self.reasons.append(reason)
