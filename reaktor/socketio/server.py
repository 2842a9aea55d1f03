"""SocketIOServer: Socket.IO for clients from 1.x to 4.x as one ASGI application, over an Application of the caller's.

Mount it under `/socket.io/`, and keep run() running for as long as requests come. Knows nothing of chat.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from reaktor.config.model import EngineIO
from reaktor.engineio.application import Refusal
from reaktor.engineio.engine import Relay
from reaktor.engineio.engine_session import EngineSession
from reaktor.engineio.packets import CloseReason
from reaktor.engineio.request import POLLING
from reaktor.engineio.server import EngineServer
from reaktor.engineio.tasks import Tasks
from reaktor.socketio.application import Application
from reaktor.socketio.client import Client
from reaktor.socketio.client_file import client_file_reply
from reaktor.socketio.handshake import handshake_of
from reaktor.socketio.packet import ROOT
from reaktor.web.scope import Receive, Scope, Send


class SocketIOServer:
    """`namespaces` are those that may be joined; `worker` and `relay` as in EngineServer."""

    def __init__(
        self,
        options: EngineIO,
        application: Application,
        *,
        namespaces: Iterable[str] = (ROOT,),
        worker: tuple[int, int, int, int] = (0, 0, 0, 0),
        relay: Relay | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._application = application
        # Revision 4 joins everybody to `/`.
        self._namespaces = frozenset(namespaces) | {ROOT}
        self._tasks = Tasks()
        self.engine = EngineServer(options, self, worker=worker, relay=relay, clock=clock)

    def __len__(self) -> int:
        """Live Engine.IO sessions."""
        return len(self.engine)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if (reply := client_file_reply(scope)) is not None:
            await reply.send(scope, send)
        else:
            await self.engine(scope, receive, send)

    async def run(self) -> None:
        """Heartbeats and timeouts, until cancelled; then all sessions are closed and the application has been told."""
        try:
            await self.engine.run()
        finally:
            await self._tasks.aclose()

    def stop_accepting(self) -> None:
        """Refuse handshakes from now on with 503; sessions live on."""
        self.engine.stop_accepting()

    # EngineApplication

    async def open(self, session: EngineSession) -> Refusal | None:
        """See EngineApplication. A direct WebSocket is let in: its refusal is a packet, which clients can read."""
        if session.request.transport != POLLING:
            return None
        return await self._application.admit(handshake_of(session))

    def opened(self, session: EngineSession) -> None:
        """See EngineApplication."""
        client = Client(session, self._namespaces, self._application, self._tasks)
        session.attachment = client
        client.on_opened(self._options.connect_timeout_s)

    def message(self, session: EngineSession, data: str | bytes) -> None:
        """See EngineApplication."""
        client: Client = session.attachment
        client.on_message(data)

    def closed(self, session: EngineSession, reason: CloseReason) -> None:
        """See EngineApplication."""
        client: Client = session.attachment
        client.on_closed(reason)
