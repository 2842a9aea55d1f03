"""A Socket.IO server over a small application that tests steer, and clients of it, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from reaktor.config.model import EngineIO
from reaktor.engineio.application import Refusal
from reaktor.observe.logcontext import SESSION
from reaktor.socketio.application import Accepted, DisconnectReason, NotNow, Refused
from reaktor.socketio.connection import ConnectRequested
from reaktor.socketio.handshake import Handshake
from reaktor.socketio.server import SocketIOServer
from reaktor.socketio.socket import Ack, Socket
from tests.support import asgi

V4 = "EIO=4&transport=websocket"
V3 = "EIO=3&transport=websocket"


class Recorder:
    """An application whose answers a test sets, and which keeps what it was told. `now` waits for nothing."""

    def __init__(self) -> None:
        self.requests: list[ConnectRequested] = []
        self.joined = 0
        self.events: list[tuple[Any, ...]] = []
        self.labels: list[str] = []
        self.ends: list[tuple[str, DisconnectReason]] = []
        self.sockets: list[Socket] = []
        self.answer: Accepted | Refused | NotNow | Exception = Accepted()
        self.refusal: Refusal | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def admit(self, handshake: Handshake) -> Refusal | None:
        handshake.notes["user"] = "from admit"
        return self.refusal

    async def connect(self, socket: Socket, request: ConnectRequested) -> Accepted | Refused | NotNow:
        self.requests.append(request)
        self.sockets.append(socket)
        socket.emit("early", "held until the answer")
        await self.may_go_on.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def connected(self, socket: Socket) -> None:
        self.joined += 1

    def event_at_once(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> bool:
        if name not in ("now", "fail now"):
            return False
        self._on_event(name, args, ack)
        return True

    async def event(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> None:
        await self.may_go_on.wait()
        self._on_event(name, args, ack)

    def _on_event(self, name: str, args: Sequence[Any], ack: Ack | None) -> None:
        self.labels.append(SESSION.get())
        self.events.append((name, *args))
        if name in ("fail", "fail now"):
            raise RuntimeError("a bug of the application")
        if ack is not None:
            ack(*args)
            ack("again")

    def ended(self, socket: Socket) -> None:
        pass

    async def disconnected(self, socket: Socket, reason: DisconnectReason) -> None:
        self.ends.append((socket.namespace, reason))


class Served:
    def __init__(self, options: EngineIO) -> None:
        self.application = Recorder()
        self.server = SocketIOServer(options, self.application, namespaces=("/", "/chat"))
        self.http = asgi.HttpClient(self.server)

    async def socket(self, query: str = V4) -> asgi.Socket:
        """An accepted WebSocket whose open packet has been read."""
        socket = asgi.Socket(self.server, f"/socket.io/?{query}")
        await socket.accepted()
        await socket.text()
        return socket

    async def joined(self, query: str = V4) -> asgi.Socket:
        """A WebSocket that is in `/`."""
        socket = await self.socket(query)
        if "EIO=4" in query:
            socket.say("40")
        assert (await socket.text()).startswith("40")
        assert await socket.text() == '42["early","held until the answer"]'
        return socket
