"""EngineServer: Engine.IO 3 and 4 as one ASGI application, for whoever mounts it; knows nothing of Socket.IO or chat.

Mount it under its path, and keep run() running for as long as requests come.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from reaktor.config.model import EngineIO
from reaktor.engineio.application import EngineApplication
from reaktor.engineio.engine import Engine, Relay
from reaktor.engineio.http import HttpTransport
from reaktor.engineio.packets import CloseReason
from reaktor.engineio.sid import Worker
from reaktor.engineio.websocket import WebSocketTransport
from reaktor.web.scope import Receive, Scope, Send

RESTARTING = 4001


class EngineServer:
    """`worker` goes into every sid; `relay` takes requests whose sid names another one (None: there is no other)."""

    def __init__(
        self,
        options: EngineIO,
        application: EngineApplication,
        *,
        worker: tuple[int, int, int, int] = (0, 0, 0, 0),
        relay: Relay | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.engine = Engine(options, application, worker=Worker(*worker), relay=relay, clock=clock)
        self._http = HttpTransport(self.engine)
        self._websocket = WebSocketTransport(self.engine)

    def __len__(self) -> int:
        """Live sessions, unfetched farewells included."""
        return len(self.engine.registry)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application: http and websocket scopes."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            raise ValueError(f"Engine.IO can't serve a scope of type {scope['type']!r}")

    async def run(self) -> None:
        """Heartbeats and timeouts, until cancelled; then every session is closed."""
        try:
            await self.engine.registry.run()
        finally:
            self.stop_accepting()
            self.close_all()
            await self.engine.tasks.aclose()

    def stop_accepting(self) -> None:
        """Refuse handshakes from now on with 503; sessions live on."""
        self.engine.is_accepting = False

    def client_left(self, sid: str) -> None:
        """The client of this session was answered elsewhere that there is none. On a WebSocket it has not left."""
        session = self.engine.registry.get(sid)
        if session is not None and session.transport == "polling":
            session.fail(CloseReason.LOST)

    def close_all(self, code: int = RESTARTING) -> None:
        """Close every session's transport: Engine.IO `1` to polling clients, this close code to WebSockets."""
        for session in self.engine.registry:
            session.close(code=code)
